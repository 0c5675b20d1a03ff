internal import Diagnostics
internal import Files

/// The checkpoints folder of a run: the newest ones, the best one and the link to the last.
package struct CheckpointKeeper {
    package let folder: String
    private let keep: Int

    package init(folder: String, keep: Int) {
        self.folder = folder
        self.keep = keep
    }

    private var last: String { "\(folder)/last" }
    private var best: String { "\(folder)/best.h5" }

    /// Writes a checkpoint durably, points `last` at it, and only then removes the ones beyond `keep`.
    ///
    /// Returns its path. Throws: `Failure`; what was there before is still there then.
    package func save(_ checkpoint: Checkpoint, isBest: Bool) throws -> String {
        let name = Self.name(step: checkpoint.header.step)
        let path = "\(folder)/\(name)"
        try CheckpointFile.write(checkpoint, to: path)
        try DurableFile.symbolicLink(to: name, at: last)
        if isBest { try DurableFile.link(path, to: best) }
        // Never through a link: in another folder nothing is removed.
        if let listed = try? Folder(folder, followingLinks: false), let names = try? listed.names() {
            for old in Self.steps(among: names).dropLast(keep) where old != checkpoint.header.step {
                try? listed.remove(Self.name(step: old))
            }
        }
        return path
    }

    /// Makes `last` and `best.h5` what they should be when the run goes on from this checkpoint of the folder: the process
    /// that saved it may have been killed before it renewed them, and a newer one may be damaged.
    ///
    /// Throws: `Failure`.
    package func adopt(_ path: String, _ header: Checkpoint.Header) throws {
        let name = Self.name(step: header.step)
        let own = "\(folder)/\(name)"
        // best.h5 outlives the other name of the same file.
        if FileKind(of: own) == nil {
            let isLink = FileKind(of: path, followingLinks: false) == .symbolicLink
            try isLink ? DurableFile.copy(path, to: own) : DurableFile.link(path, to: own)
        }
        try DurableFile.symbolicLink(to: name, at: last)
        guard let bestStep = header.best?.step else { return }
        // Another step's has not been verified: it may stand in for one that is missing, not replace one.
        let bestOwn = "\(folder)/\(Self.name(step: bestStep))"
        if bestStep == header.step || FileKind(of: best) != .regular && FileKind(of: bestOwn) == .regular {
            try DurableFile.link(bestOwn, to: best)
        }
    }

    /// Brings the best checkpoint so far along when a run goes on from that of another folder, if it lies beside it.
    ///
    /// Throws: `Failure`.
    package func adoptBest(beside path: String, _ header: Checkpoint.Header) throws {
        guard let step = header.best?.step else { return }
        let source = FilePath.folder(of: FilePath.resolved(path) ?? path)
        for candidate in [path, "\(source)/best.h5", "\(source)/\(Self.name(step: step))"]
        where (try? CheckpointFile.read(candidate))?.header.step == step {
            return try DurableFile.copy(candidate, to: best)
        }
    }

    /// Throws: `Failure(.inputOutput)` when there is no best checkpoint.
    package func requireBest() throws {
        guard FileKind(of: best) == .regular else { throw bestIsMissing }
    }

    var bestIsMissing: Failure {
        Failure(
            .inputOutput,
            "\(best): is missing or of an earlier step: the best weights could not be saved, or were removed; score the "
                + "other checkpoints and copy one there, or train anew")
    }

    /// The steps that have a checkpoint, ascending. Throws: `Failure(.inputOutput)` when the folder cannot be listed.
    package static func steps(in folder: String) throws -> [Int] {
        do {
            return steps(among: try Folder(folder).names())
        } catch {
            throw error.failure(.inputOutput)
        }
    }

    /// Names that a save does not give, and steps that no run reaches, are no checkpoints.
    private static func steps(among names: [String]) -> [Int] {
        names.compactMap { name in
            guard name.hasPrefix("step-"), name.hasSuffix(".h5") else { return nil }
            return Int(name.dropFirst(5).dropLast(3)).flatMap { $0 >= 0 && self.name(step: $0) == name ? $0 : nil }
        }.sorted()
    }

    package static func name(step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 9 - digits.count)) + digits + ".h5"
    }
}
