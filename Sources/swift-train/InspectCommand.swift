internal import ArgumentParser
internal import Datasets
internal import Diagnostics
internal import Ingest
internal import Training

/// `swift-train inspect`: what a file holds, by its root attribute `format`.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect", abstract: "Show what a dataset, a checkpoint or another HDF5 file holds.")

    @Argument(help: "The file.")
    var file: String

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    @Flag(name: .long, help: "Compute the stored digests again and compare.")
    var verify = false

    func run() throws {
        switch try FileKind.of(file) {
        case .dataset:
            let report = try DatasetReport(path: file, verifying: verify)
            print(json ? report.json : report.text)
        case .checkpoint:
            // Reading a checkpoint verifies its seal; there is nothing left for --verify to do.
            let report = try CheckpointReport(path: file)
            print(json ? try JSONLine.text(report.values) : report.text)
        case .other:
            guard !verify else {
                throw Failure(.badData, "\(file): has no digests to verify, expected a dataset file")
            }
            let tree = try HDF5Tree(path: file)
            print(json ? tree.json : tree.text)
        }
    }
}

/// The file formats that `inspect` knows.
enum FileKind {
    case dataset
    case checkpoint
    case other

    /// A seal at the end, else the root attribute `format`. Throws 66 and 65 as opening a dataset file does.
    static func of(_ path: String) throws -> FileKind {
        // A checkpoint's bytes are verified before libhdf5 sees them.
        if CheckpointFile.isSealed(path) { return .checkpoint }
        return switch try FileFormat.read(path) {
        case "swift-train.dataset": .dataset
        case Checkpoint.format: .checkpoint
        default: .other
        }
    }
}
