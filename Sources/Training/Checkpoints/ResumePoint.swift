package import DataParallel
internal import Diagnostics
internal import Files

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
    /// `.inputMissing` when the named one is missing; what reading the newest throws when none can be read.
    package static func find(_ mode: Mode, runDirectory: String?, over communicator: any Communicator) throws
        -> ResumePoint?
    {
        // The hosts of other ranks may not see rank 0's disk: they get the bytes.
        let isAlone = communicator.size == 1
        let found = try RankAgreement.together(communicator) {
            communicator.rank == 0 ? try findHere(mode, runDirectory: runDirectory, keepingBytes: !isAlone) : nil
        }
        let name = Array((found?.point.path ?? "").utf8)
        let path = String(decoding: try communicator.broadcast(name, from: 0), as: UTF8.self)
        guard !path.isEmpty else { return nil }
        guard !isAlone else { return found?.point }
        let isSameRun = try communicator.broadcast([found?.point.isSameRun == true ? 1 : 0], from: 0) == [1]
        let bytes = try communicator.broadcast(found?.bytes ?? [], from: 0)
        return try RankAgreement.together(communicator) {
            ResumePoint(
                checkpoint: try bytes.withUnsafeBytes { try CheckpointFile.parse(sealed: $0, path: path) }, path: path,
                isSameRun: isSameRun, warnings: found?.point.warnings ?? [])
        }
    }

    private typealias Found = (point: ResumePoint, bytes: [UInt8])

    private static func findHere(_ mode: Mode, runDirectory: String?, keepingBytes: Bool) throws -> Found? {
        switch mode {
        case .never: nil
        case .checkpoint(let path):
            try find(at: path, runDirectory: runDirectory, keepingBytes: keepingBytes)
        case .auto:
            try runDirectory.flatMap {
                try newest(in: $0 + "/checkpoints", isSameRun: true, keepingBytes: keepingBytes)
            }
        }
    }

    private static func read(
        _ path: String, isSameRun: Bool, keepingBytes: Bool, warnings: [String] = []
    ) throws -> Found {
        try CheckpointFile.withBytes(of: path) { bytes in
            let checkpoint = try CheckpointFile.parse(sealed: bytes, path: path)
            try checkpoint.checkValues(path: path)
            return (
                ResumePoint(checkpoint: checkpoint, path: path, isSameRun: isSameRun, warnings: warnings),
                keepingBytes ? Array(bytes) : []
            )
        }
    }

    /// A checkpoint, or the newest of a folder: a run's or that of its checkpoints.
    private static func find(at path: String, runDirectory: String?, keepingBytes: Bool) throws -> Found {
        guard FileKind(of: path) == .folder else {
            return try read(path, isSameRun: belongs(path, to: runDirectory), keepingBytes: keepingBytes)
        }
        let below = path + "/checkpoints"
        let folder = FileKind(of: below) == nil ? path : below
        let isSameRun = belongs(folder + "/last", to: runDirectory)
        guard let found = try newest(in: folder, isSameRun: isSameRun, keepingBytes: keepingBytes) else {
            throw Failure(
                .badData, "\(path): is a folder without checkpoints, expected a run folder or a checkpoint")
        }
        return found
    }

    private static func belongs(_ path: String, to runDirectory: String?) -> Bool {
        guard let runDirectory, let own = FileKind.status(of: runDirectory + "/checkpoints") else { return false }
        return [path, FilePath.resolved(path) ?? path].contains {
            FileKind.status(of: FilePath.folder(of: $0))?.isSameFile(as: own) == true
        }
    }

    /// The newest checkpoint that is whole; those in front of it that are damaged or cannot be read become warnings.
    private static func newest(in folder: String, isSameRun: Bool, keepingBytes: Bool) throws -> Found? {
        // What else has the name is refused by the run folder.
        guard FileKind(of: folder) == .folder else { return nil }
        var failures: [Failure] = []
        for step in try CheckpointKeeper.steps(in: folder).reversed() {
            let path = folder + "/" + CheckpointKeeper.name(step: step)
            do {
                return try read(
                    path, isSameRun: isSameRun, keepingBytes: keepingBytes, warnings: failures.map(\.message))
            } catch let failure as Failure where [.badData, .inputMissing, .inputOutput].contains(failure.code) {
                failures.append(failure)
            }
        }
        guard let first = failures.first else { return nil }
        let messages = failures.map(\.message).joined(separator: "; ")
        throw Failure(
            first.code,
            "no checkpoint of this run is whole and can be read: \(messages). Mend that, or start anew in another --run-dir"
        )
    }

    /// Holds the settings that must be the same against those of the run so far.
    ///
    /// Throws: `Failure(.configuration)` with the settings that differ from those of the run so far.
    package func check(_ configuration: Configuration, datasetDigest: String, models: [String]) throws {
        let stored = try storedConfiguration(models: models)
        let before = Dictionary(uniqueKeysWithValues: stored.entries)
        let now = Dictionary(uniqueKeysWithValues: configuration.entries)
        let keys = stored.entries.map(\.key) + configuration.entries.map(\.key).filter { before[$0] == nil }
        var differences = keys.compactMap { key -> String? in
            let isFree =
                switch ConfigurationKeys.row(at: key)?.resuming ?? .same {
                case .same: false
                case .free: true
                case .length: !configuration.schedule.followsRunLength
                // What lay there is compared by `InitialWeights`.
                case .elsewhere: before[key] != nil && now[key] != nil
                }
            guard !isFree, before[key] != now[key] else { return nil }
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

    /// Throws: `Failure(.configuration)` where weights are not those that the run started from.
    func check(weights file: String, digest: String) throws {
        let stored = checkpoint.header.initialWeights
        guard digest != stored else { return }
        throw Failure(
            .configuration,
            "\(file): holds other weights (\(digest.prefix(16))…) than those that the run of \(path) started from "
                + "(\(stored.isEmpty ? "random ones" : "\(stored.prefix(16))…")). A run that goes on needs no weights: leave them "
                + "out, or start anew in another --run-dir")
    }

    package func storedConfiguration(models: [String]) throws -> Configuration {
        try Configuration(
            yaml: checkpoint.header.configuration, file: "\(path):config", assignments: [], models: models,
            defaults: Configuration())
    }
}
