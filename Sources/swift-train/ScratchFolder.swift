internal import DataParallel
internal import Diagnostics
internal import Files
internal import Foundation
internal import Training

/// A folder for what must not stay, made by rank 0 and removed with its object.
final class ScratchFolder {
    private let path: String
    private let isOwner: Bool

    /// Collective. Throws: `Failure(.cannotCreate)`, the same on every rank.
    init(over communicator: any Communicator) throws {
        isOwner = communicator.rank == 0
        let made = try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return "" }
            let name = "swift-train-\(UUID().uuidString)"
            let path = FileManager.default.temporaryDirectory.appendingPathComponent(name).path
            try Folder.make(path)
            return path
        }
        path = String(decoding: try communicator.broadcast(Array(made.utf8), from: 0), as: UTF8.self)
    }

    deinit {
        if isOwner { try? FileManager.default.removeItem(atPath: path) }
    }

    func file(_ name: String) -> String { "\(path)/\(name)" }
}
