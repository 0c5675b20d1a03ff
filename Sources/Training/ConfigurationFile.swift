package import DataParallel
internal import Diagnostics
internal import Foundation

/// The configuration file, which rank 0 reads and brings to all ranks, whose hosts may not see it.
package enum ConfigurationFile {
    /// The file's text on every rank; nil without a file. Collective. Throws: `Failure`, the same on every rank.
    package static func text(ofFile path: String?, over communicator: any Communicator) throws -> String? {
        guard let path else { return nil }
        let text = try RankAgreement.together(communicator) {
            communicator.rank == 0 ? try Array(read(path).utf8) : []
        }
        return String(decoding: try communicator.broadcast(text, from: 0), as: UTF8.self)
    }

    /// The text of a configuration file. Throws: `Failure`.
    package static func read(_ path: String) throws -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw Failure(.inputMissing, "\(path): no such configuration file; configs/ has examples")
        }
        guard !isFolder.boolValue, let bytes = FileManager.default.contents(atPath: path) else {
            throw Failure(.inputMissing, "\(path): cannot be read; expected a YAML file")
        }
        guard let text = String(data: bytes, encoding: .utf8) else {
            throw Failure(.configuration, "\(path): not UTF-8 text; expected a YAML file")
        }
        return text
    }
}
