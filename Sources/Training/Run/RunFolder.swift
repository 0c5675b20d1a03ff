internal import Diagnostics
internal import Files
internal import Glibc
package import Report

/// The folder of one run, kept by rank 0: what the run was told, what it logged and its checkpoints.
///
/// While the object lives it holds `run.lock`, which refuses a second writer. The folder and those above it may be links;
/// what lies in it must not: a run writes and removes nothing elsewhere.
package final class RunFolder {
    package let path: String
    /// Why a second writer would not be noticed; nil when it would be.
    package let lockWarning: String?
    private let lock: Int32

    package var metricsPath: String { path + "/metrics.jsonl" }
    package var logPath: String { path + "/train.log" }
    package var samplesPath: String { path + "/samples.bin" }
    package var checkpointsFolder: String { path + "/checkpoints" }

    /// Makes the folder `runDirectory`, or one named after time and model below `parent`; or opens one that holds a run.
    ///
    /// Throws: `Failure(.cannotCreate)` when it cannot be made, when another process writes it, when something that is no
    /// file of a run has the name of one, or when it holds a run already and `mayContinue` is false.
    package init(runDirectory: String?, parent: String, model: String, mayContinue: Bool) throws {
        if let runDirectory {
            path = runDirectory
            try Self.requireRunOrNothing(path)
            try Folder.make(path)
        } else {
            path = try Self.makeTimestamped(below: parent, model: model)
        }
        (lock, lockWarning) = try Self.takeLock(path + "/run.lock")
        guard mayContinue || FileKind(of: path + "/config.yaml") == nil else {
            throw Failure(
                .cannotCreate,
                "\(path): holds a run already, expected a new or empty folder; name another one with --run-dir, or go on with --resume auto"
            )
        }
        try Self.requireOwn(path)
        try Folder.make(checkpointsFolder)
        for folder in [path, checkpointsFolder] { try? Folder(folder).removeTemporaries() }
    }

    /// Finds out whether a run folder could be made at a path, or below it; makes nothing.
    ///
    /// `isParent`: the run folder will be a new one below.
    package static func requirePossible(_ path: String, mayHoldRun: Bool, isParent: Bool) throws {
        guard mayHoldRun || FileKind(of: path + "/config.yaml") == nil else {
            throw Failure(
                .cannotCreate,
                "\(path): holds a run already, expected a new or empty folder; name another one with --run-dir")
        }
        if !isParent { try requireRunOrNothing(path) }
        var place = path.isEmpty ? "." : path
        while FileKind(of: place, followingLinks: false) == nil, place != ".", place != "/" {
            place = FilePath.folder(of: place)
        }
        guard FileKind(of: place) == .folder, access(place, W_OK | X_OK) == 0 else {
            throw Failure(.cannotCreate, "\(path): \(place) is no folder that can be written to; name another path")
        }
        if !isParent { try requireOwn(path) }
    }

    deinit {
        close(lock)
    }

    private static let ownNames = [
        "config.yaml", "command.txt", "environment.json", "train.log", "metrics.jsonl", "samples.bin",
        RunRecord.pageName, RunRecord.snapshotName,
    ]

    /// Refuses a folder that holds something else than a run, which a mistyped name leads to. Hidden files do not count.
    private static func requireRunOrNothing(_ path: String) throws {
        let names = (try? Folder(path).names()) ?? []
        guard !names.contains("run.lock"), !names.contains("checkpoints"),
            let other = names.first(where: { !$0.hasPrefix(".") && !ownNames.contains($0) })
        else { return }
        throw Failure(
            .cannotCreate,
            "\(path): holds \(other) and no run; expected a new or empty folder, or a run's; name another with --run-dir"
        )
    }

    /// Records what the run was told and where it runs.
    package func record(configuration: String, command: [String], environment: JSON) throws {
        try DurableFile.write(configuration, to: path + "/config.yaml")
        // A run that goes on adds its command to those before.
        let commands = path + "/command.txt"
        let earlier = try? InputFile(commands, expected: "", followingLinks: false).bytes(atMost: Self.longestCommands)
        let line = ShellWords.quoted(command) + "\n"
        try ((earlier ?? []) + line.utf8).withUnsafeBytes { try DurableFile.write([$0], to: commands) }
        try DurableFile.write(environment.text(.indented) + "\n", to: path + "/environment.json")
    }

    /// Beyond this many bytes earlier commands are given up.
    private static let longestCommands = 1 << 20

    /// <yyyymmdd-hhmmss>-<model>, with a number behind it when two runs start in one second.
    private static func makeTimestamped(below parent: String, model: String) throws -> String {
        try Folder.make(parent)
        let name = "\(parent)/\(LocalTime.text(Double(time(nil)), "%Y%m%d-%H%M%S"))-\(model)"
        for attempt in 1...100 {
            let candidate = attempt == 1 ? name : "\(name)-\(attempt)"
            do {
                try systemCall("mkdir", candidate) { mkdir(candidate, 0o777) }
                return candidate
            } catch  where error.number == EEXIST {
                continue
            } catch {
                throw error.failure(.cannotCreate)
            }
        }
        throw Failure(.cannotCreate, "\(name): a hundred runs have started in this second")
    }

    /// Throws: `Failure(.cannotCreate)` for a link or anything else where a run has a folder, and for a folder where it has
    /// a file. Links where a run has files are replaced, never written through.
    private static func requireOwn(_ path: String) throws {
        let checkpoints = path + "/checkpoints"
        if let kind = FileKind(of: checkpoints, followingLinks: false), kind != .folder {
            throw Failure(
                .cannotCreate,
                "\(checkpoints): is \(kind.words), expected a folder of this run or none; name another --run-dir. (The "
                    + "run folder itself may be a link.)")
        }
        let files = [
            "config.yaml", "command.txt", "environment.json", RunRecord.pageName, RunRecord.snapshotName,
            "checkpoints/last", "checkpoints/best.h5",
        ]
        for file in files where FileKind(of: "\(path)/\(file)", followingLinks: false) == .folder {
            throw Failure(.cannotCreate, "\(path)/\(file): is a folder, expected a file of this run or none; remove it")
        }
    }

    /// How often, and how far apart, a lock is tried that a look may hold.
    private static let (lookTries, lookMicroseconds): (Int, UInt32) = (20, 10_000)

    private static func takeLock(_ path: String) throws -> (descriptor: Int32, warning: String?) {
        let file = try openLock(path)
        var outcome = FileLock.take(file, path)
        // Someone may be looking whether the run is at work.
        for _ in 0..<lookTries where outcome == .heldByAnother {
            usleep(lookMicroseconds)
            outcome = FileLock.take(file, path)
        }
        switch outcome {
        case .held:
            return (file, nil)
        case .heldByAnother:
            close(file)
            throw Failure(
                .cannotCreate, "\(path): another process is writing this run; wait for it or choose another --run-dir")
        case .impossible(let error):
            // Some network mounts have none, and training is possible there all the same.
            return (file, "\(error): this file system has no locks; a second run in this folder would not be noticed")
        }
    }

    private static func openLock(_ path: String) throws -> Int32 {
        let flags = O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY
        do {
            // In a group's folder the file of another member may be there to read only, which is enough to lock it.
            let file: Int32
            do {
                file = try systemCall("open", path) { open(path, O_RDWR | flags, 0o666) }
            } catch  where error.number == EACCES {
                file = try systemCall("open", path) { open(path, O_RDONLY | flags & ~O_CREAT) }
            }
            guard FileKind(of: path, followingLinks: false) != .regular else { return file }
            close(file)
        } catch {
            guard let kind = FileKind(of: path, followingLinks: false), kind != .regular else {
                throw error.failure(.cannotCreate)
            }
        }
        let found = FileKind(of: path, followingLinks: false)?.words ?? "gone"
        throw Failure(.cannotCreate, "\(path): is \(found), expected a regular file or none; name another --run-dir")
    }
}
