internal import Diagnostics
internal import Foundation

/// The folder of one run, kept by rank 0: what the run was told, what it logged and its checkpoints.
///
/// While the object lives it holds `run.lock`, which refuses a second writer.
package final class RunFolder {
    package let path: String
    private let lock: Int32

    package var metricsPath: String { path + "/metrics.jsonl" }
    package var logPath: String { path + "/train.log" }
    package var samplesPath: String { path + "/samples.bin" }
    package var checkpointsFolder: String { path + "/checkpoints" }

    /// Makes the folder `runDirectory`, or one named after time and model below `parent`; or opens one that holds a run.
    ///
    /// Throws: `Failure(.cannotCreate)` when it cannot be made, when another process writes it, or when it holds a run
    /// already and `mayContinue` is false.
    package init(runDirectory: String?, parent: String, model: String, mayContinue: Bool) throws {
        if let runDirectory {
            path = runDirectory
            try Self.requireRunOrNothing(path)
            try DurableFile.makeFolders(path)
        } else {
            path = try Self.makeTimestamped(below: parent, model: model)
        }
        lock = try Self.takeLock(path + "/run.lock")
        guard mayContinue || !FileManager.default.fileExists(atPath: path + "/config.yaml") else {
            throw Failure(
                .cannotCreate,
                "\(path): holds a run already, expected a new or empty folder; name another one with --run-dir, or go on with --resume auto"
            )
        }
        try DurableFile.makeFolders(path + "/checkpoints")
        for folder in [path, checkpointsFolder] { DurableFile.removeTemporaries(in: folder) }
    }

    /// Finds out whether a run folder could be made at a path, or below it; makes nothing.
    ///
    /// `isParent`: the run folder will be a new one below.
    package static func requirePossible(_ path: String, mayHoldRun: Bool, isParent: Bool) throws {
        guard mayHoldRun || !FileManager.default.fileExists(atPath: path + "/config.yaml") else {
            throw Failure(.cannotCreate, "\(path): holds a run already, expected a new or empty folder")
        }
        if !isParent { try requireRunOrNothing(path) }
        var place = path
        while !place.isEmpty && !FileManager.default.fileExists(atPath: place) {
            place = (place as NSString).deletingLastPathComponent
        }
        if place.isEmpty { place = "." }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: place, isDirectory: &isFolder), isFolder.boolValue,
            FileManager.default.isWritableFile(atPath: place)
        else {
            throw Failure(.cannotCreate, "\(path): \(place) is no folder that can be written to; name another path")
        }
    }

    deinit {
        close(lock)
    }

    /// Refuses a folder that holds something else than a run, which a mistyped name leads to. Hidden files do not count.
    private static func requireRunOrNothing(_ path: String) throws {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        guard !names.contains("run.lock"), !names.contains("checkpoints"),
            let other = names.sorted().first(where: { !$0.hasPrefix(".") })
        else { return }
        throw Failure(
            .cannotCreate,
            "\(path): holds \(other) and no run; expected a new or empty folder, or a run's; name another with --run-dir"
        )
    }

    /// Records what the run was told and where it runs.
    package func record(configuration: String, command: [String], environment: [String: Any]) throws {
        try DurableFile.write(configuration, to: path + "/config.yaml")
        // A run that goes on adds its command to those before.
        let earlier = (try? String(contentsOfFile: path + "/command.txt", encoding: .utf8)) ?? ""
        try DurableFile.write(
            earlier + command.map(Self.quoted).joined(separator: " ") + "\n", to: path + "/command.txt")
        let json = try JSONSerialization.data(withJSONObject: environment, options: [.sortedKeys, .prettyPrinted])
        try DurableFile.write(String(decoding: json, as: UTF8.self) + "\n", to: path + "/environment.json")
    }

    /// <yyyymmdd-hhmmss>-<model>, with a number behind it when two runs start in one second.
    private static func makeTimestamped(below parent: String, model: String) throws -> String {
        try DurableFile.makeFolders(parent)
        let formatter = DateFormatter()
        formatter.locale = Locale(identifier: "en_US_POSIX")
        formatter.dateFormat = "yyyyMMdd-HHmmss"
        let name = "\(parent)/\(formatter.string(from: Date()))-\(model)"
        for attempt in 1...100 {
            let candidate = attempt == 1 ? name : "\(name)-\(attempt)"
            if mkdir(candidate, 0o755) == 0 { return candidate }
            guard errno == EEXIST else {
                throw Failure(
                    .cannotCreate, "\(candidate): cannot make this folder: \(String(cString: strerror(errno)))")
            }
        }
        throw Failure(.cannotCreate, "\(name): a hundred runs have started in this second")
    }

    private static func takeLock(_ path: String) throws -> Int32 {
        let file = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o644)
        guard file >= 0 else {
            throw Failure(.cannotCreate, "\(path): \(String(cString: strerror(errno)))")
        }
        // A file system without locks (some network mounts) still trains; it only cannot refuse a second writer.
        if flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK {
            close(file)
            throw Failure(
                .cannotCreate, "\(path): another process is writing this run; wait for it or choose another --run-dir")
        }
        return file
    }

    /// A word as a shell reads it back.
    static func quoted(_ word: String) -> String {
        let plain = word.allSatisfy { $0.isLetter || $0.isNumber || "-_./=:,@%+".contains($0) }
        return plain && !word.isEmpty ? word : "'" + word.replacingOccurrences(of: "'", with: "'\\''") + "'"
    }
}
