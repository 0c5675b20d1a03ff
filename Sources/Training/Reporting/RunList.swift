internal import Diagnostics
internal import Files
internal import Foundation
package import Report

/// The runs of a folder.
package struct RunList {
    package struct Entry {
        package let path: String
        package let model: String
        package let state: RunFacts.State
        package let length: String
        package let lastStep: Int
        package let best: RunHistory.Evaluation?
        package let imagesPerSecond: Double?
        /// Of all files.
        package let byteCount: Int
        /// SHA-256 of the weights at the end; nil for a run that has none.
        package let weightsDigest: String?
    }

    package private(set) var entries: [Entry] = []
    /// Run folders that cannot be read, and why.
    package private(set) var notes: [String] = []

    /// The runs in the folders of a folder, in the order of their names; or the folder itself where that is one.
    ///
    /// Throws: `Failure(.inputMissing)` where there is no folder, `.badData` for something else.
    package init(_ folder: String, models: [String]) throws {
        guard let kind = FileKind(of: folder) else {
            throw Failure(.inputMissing, "\(folder): no such folder, expected one that holds run folders")
        }
        guard kind == .folder else {
            throw Failure(.badData, "\(folder): is \(kind.words), expected a folder that holds run folders")
        }
        let paths: [String]
        do throws(SystemError) {
            paths =
                RunRecord.isRun(folder)
                ? [folder] : try Folder(folder).names().map { "\(folder)/\($0)" }.filter(RunRecord.isRun)
        } catch {
            throw error.failure(.inputMissing)
        }
        for path in paths {
            do {
                let record = try RunRecord(path, models: models, showsPictures: false)
                let facts = record.facts
                entries.append(
                    Entry(
                        path: path, model: facts.model, state: facts.state, length: facts.length,
                        lastStep: record.history.lastStep, best: facts.best,
                        imagesPerSecond: record.history.imagesPerSecond, byteCount: Self.bytes(in: path),
                        weightsDigest: record.history.end.map(\.weightsDigest)))
            } catch let failure as Failure {
                notes.append(failure.message)
            }
        }
    }

    /// Of the files in a run folder and in the folders below; links count as nothing.
    private static func bytes(in path: String) -> Int {
        let files = FileManager.default.enumerator(
            at: URL(fileURLWithPath: path), includingPropertiesForKeys: [.fileSizeKey, .isRegularFileKey])
        var identities: Set<String> = []
        return (files?.compactMap { $0 as? URL } ?? []).reduce(0) { sum, file in
            guard let status = FileKind.status(of: file.path, followingLinks: false),
                FileKind(mode: status.st_mode) == .regular,
                // best.h5 is another name of a checkpoint.
                identities.insert("\(status.st_dev) \(status.st_ino)").inserted
            else { return sum }
            return sum + Int(status.st_size)
        }
    }
}
