internal import Foundation

/// The checkpoints folder of a run: the newest ones, the best one and the link to the last.
package struct CheckpointKeeper {
    package let folder: String
    private let keep: Int

    package init(folder: String, keep: Int) {
        self.folder = folder
        self.keep = keep
    }

    /// Writes a checkpoint durably, points `last` at it, and only then removes the ones beyond `keep`.
    ///
    /// Returns its path. Throws: `Failure`; what was there before is still there then.
    package func save(_ checkpoint: Checkpoint, isBest: Bool) throws -> String {
        let name = Self.name(step: checkpoint.header.step)
        let path = "\(folder)/\(name)"
        try CheckpointFile.write(checkpoint, to: path)
        try DurableFile.symbolicLink(to: name, at: "\(folder)/last")
        if isBest { try DurableFile.link(path, to: "\(folder)/best.h5") }
        for old in try Self.steps(in: folder).dropLast(keep) where old != checkpoint.header.step {
            unlink("\(folder)/\(Self.name(step: old))")
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
        if access(own, F_OK) != 0 { try DurableFile.link((path as NSString).resolvingSymlinksInPath, to: own) }
        try DurableFile.symbolicLink(to: name, at: "\(folder)/last")
        if header.best?.step == header.step { try DurableFile.link(own, to: "\(folder)/best.h5") }
    }

    /// The steps that have a checkpoint, ascending.
    package static func steps(in folder: String) throws -> [Int] {
        try FileManager.default.contentsOfDirectory(atPath: folder).compactMap { name in
            guard name.hasPrefix("step-"), name.hasSuffix(".h5") else { return nil }
            return Int(name.dropFirst(5).dropLast(3))
        }.sorted()
    }

    package static func name(step: Int) -> String {
        let digits = String(step)
        return "step-" + String(repeating: "0", count: max(0, 9 - digits.count)) + digits + ".h5"
    }
}
