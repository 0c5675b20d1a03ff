package import DataParallel
internal import Diagnostics
internal import Foundation

/// Where a run goes on: a verified checkpoint, found by rank 0 and known to all ranks.
package struct ResumePoint {
    package enum Mode: Equatable, Sendable {
        /// From the newest good checkpoint of the run folder, if it has one.
        case auto
        case never
        case checkpoint(path: String)

        package init(_ text: String) {
            self =
                switch text {
                case "auto": .auto
                case "never": .never
                default: .checkpoint(path: text)
                }
        }
    }

    package let checkpoint: Checkpoint
    package let path: String
    /// Whether the checkpoint belongs to the run folder itself, whose metrics then go on.
    package let isSameRun: Bool
    /// What was wrong with newer checkpoints.
    package let warnings: [String]

    /// Finds the checkpoint; nil to start anew. Collective.
    ///
    /// Throws: `Failure(.badData)` when the run has checkpoints and all are damaged, or the named one is;
    /// `.inputMissing` when the named one is missing.
    package static func find(_ mode: Mode, runDirectory: String?, over communicator: any Communicator) throws
        -> ResumePoint?
    {
        let found = try RankAgreement.together(communicator) {
            communicator.rank == 0 ? try findHere(mode, runDirectory: runDirectory) : nil
        }
        // The hosts of other ranks may not see rank 0's disk: they get the bytes.
        let path = String(decoding: try communicator.broadcast(Array((found?.path ?? "").utf8), from: 0), as: UTF8.self)
        guard !path.isEmpty else { return nil }
        guard communicator.size > 1 else { return found }
        let isSameRun = try communicator.broadcast([found?.isSameRun == true ? 1 : 0], from: 0) == [1]
        let bytes = try communicator.broadcast(
            communicator.rank == 0 ? try Array(Data(contentsOf: URL(fileURLWithPath: path))) : [], from: 0)
        return try RankAgreement.together(communicator) {
            ResumePoint(
                checkpoint: try bytes.withUnsafeBytes { try CheckpointFile.parse(sealed: $0, path: path) }, path: path,
                isSameRun: isSameRun, warnings: found?.warnings ?? [])
        }
    }

    private static func findHere(_ mode: Mode, runDirectory: String?) throws -> ResumePoint? {
        switch mode {
        case .never:
            return nil
        case .checkpoint(let path):
            if let folder = checkpointsFolder(at: path) {
                guard let found = try newest(in: folder) else {
                    throw Failure(
                        .badData, "\(path): is a folder without checkpoints, expected a run folder or a checkpoint"
                    )
                }
                return ResumePoint(
                    checkpoint: found.checkpoint, path: found.path, isSameRun: belongs(found.path, to: runDirectory),
                    warnings: found.warnings)
            }
            return ResumePoint(
                checkpoint: try CheckpointFile.read(path), path: path, isSameRun: belongs(path, to: runDirectory),
                warnings: [])
        case .auto:
            guard let runDirectory else { return nil }
            return try newest(in: runDirectory + "/checkpoints")
        }
    }

    /// Of a run folder, or the folder itself; nil for a file.
    private static func checkpointsFolder(at path: String) -> String? {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            return nil
        }
        let below = path + "/checkpoints"
        return FileManager.default.fileExists(atPath: below) ? below : path
    }

    private static func belongs(_ path: String, to runDirectory: String?) -> Bool {
        guard let runDirectory else { return false }
        let folder = URL(fileURLWithPath: path).resolvingSymlinksInPath().deletingLastPathComponent()
        return folder == URL(fileURLWithPath: runDirectory + "/checkpoints").resolvingSymlinksInPath()
    }

    /// The newest checkpoint that is whole; the damaged ones in front of it become warnings.
    private static func newest(in folder: String) throws -> ResumePoint? {
        guard FileManager.default.fileExists(atPath: folder) else { return nil }
        var warnings: [String] = []
        for step in try CheckpointKeeper.steps(in: folder).reversed() {
            let path = folder + "/" + CheckpointKeeper.name(step: step)
            do {
                return ResumePoint(
                    checkpoint: try CheckpointFile.read(path), path: path, isSameRun: true, warnings: warnings)
            } catch let failure as Failure where failure.code == .badData {
                warnings.append(failure.message)
            }
        }
        guard warnings.isEmpty else {
            throw Failure(
                .badData,
                "no checkpoint of this run is whole: \(warnings.joined(separator: "; ")). Start anew in another "
                    + "--run-dir, or remove them")
        }
        return nil
    }

    /// Keys whose values may change when a run goes on; they do not decide its weights.
    private static let free = [
        "data.file", "epochs", "steps", "runs_dir", "on_not_finite", "early_stopping", "shards_in_flight",
    ]
    private static let freeSections = ["checkpoint.", "log.", "watchdog.", "compare_ranks.", "early_stopping."]

    /// The length of the run is one of them unless the learning rate follows it.
    ///
    /// Throws: `Failure(.configuration)` with the settings that differ from those of the run so far.
    package func check(_ configuration: Configuration, datasetDigest: String, models: [String]) throws {
        let stored = try storedConfiguration(models: models)
        let before = Dictionary(uniqueKeysWithValues: stored.entries)
        let now = Dictionary(uniqueKeysWithValues: configuration.entries)
        let keys = stored.entries.map(\.key) + configuration.entries.map(\.key).filter { before[$0] == nil }
        var differences = keys.compactMap { key -> String? in
            let followsLength = configuration.schedule.followsRunLength && ["epochs", "steps"].contains(key)
            if Self.free.contains(key) && !followsLength || Self.freeSections.contains(where: key.hasPrefix) {
                return nil
            }
            guard before[key] != now[key] else { return nil }
            return "\(key) was \(before[key] ?? "(unset)"), is \(now[key] ?? "(unset)")"
        }
        if datasetDigest != checkpoint.header.datasetDigest {
            differences.append(
                "the data (digest) was \(checkpoint.header.datasetDigest.prefix(16))…, is \(datasetDigest.prefix(16))…")
        }
        guard differences.isEmpty else {
            throw Failure(
                .configuration,
                "\(path): this run cannot go on with other settings: \(differences.joined(separator: "; ")). "
                    + "Use the same ones, or start anew in another --run-dir")
        }
    }

    package func storedConfiguration(models: [String]) throws -> Configuration {
        try Configuration(
            yaml: checkpoint.header.configuration, file: "\(path):config", assignments: [], models: models,
            defaults: Configuration())
    }
}
