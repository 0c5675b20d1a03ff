internal import ArgumentParser
internal import Datasets
internal import Diagnostics
internal import Ingest
internal import Report
internal import Training

/// `swift-train inspect`: what a file holds, by its root attribute `format`.
struct InspectCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "inspect",
        abstract: "Show what a dataset, a checkpoint, a file of weights or another HDF5 file holds.")

    @Argument(
        help: "The file, or a run folder, whose last checkpoint is shown.", completion: .file(),
        transform: HomePath.expanded)
    var file: String

    @Flag(name: .long, help: "Print JSON.")
    var json = false

    @Flag(name: .long, help: "Compute the stored digests again and compare.")
    var verify = false

    @Flag(
        name: .long,
        help:
            "Look at every image of a dataset: duplicates, equal images in train and test, labels that disagree, dark, bright, blurred and empty images, damaged pixels."
    )
    var check = false

    @Option(name: .long, help: "Threads of --check; by default as many as cores.")
    var threads: Int?

    @OptionGroup var pictures: Pictures

    func run() throws {
        if let threads, !(1...1024).contains(threads) { throw Failure(.usage, "--threads \(threads): expected 1…1024") }
        guard check || threads == nil else {
            throw Failure(.usage, "--threads: nothing to do for them without --check")
        }
        let file = try path()
        let kind = try ContentKind.of(file)
        if check || pictures.grid != nil {
            guard case .dataset = kind else {
                throw Failure(.usage, "\(check ? "--check" : "--grid"): \(file) is no dataset file")
            }
        }
        try pictures.draw(file)
        switch kind {
        case .dataset:
            let report = try DatasetReport(
                path: file, verifying: verify, checkingOn: check ? threads ?? ConversionOptions.availableCores : nil)
            try StandardOutput.line(json ? report.json.text() : report.text)
            if let failure = report.check?.failure { throw failure }
        case .checkpoint:
            // Reading a checkpoint verifies its seal; there is nothing left for --verify to do.
            let report = try CheckpointReport(path: file)
            try StandardOutput.line(json ? report.json.text() : report.text)
        case .other:
            guard !verify else {
                throw Failure(.badData, "\(file): has no digests to verify, expected a dataset file")
            }
            let tree = try HDF5Tree(path: file)
            try StandardOutput.line(json ? tree.json.text() : tree.text)
        case .tensors(let report):
            guard !verify else {
                throw Failure(.badData, "\(file): has no digests to verify, expected a dataset file")
            }
            try StandardOutput.line(json ? report.json.text() : report.text)
        }
    }

    /// The file, or the last checkpoint of a run folder. Throws: `Failure` for what is certainly no HDF5 file.
    private func path() throws -> String {
        let glance = FileGlance(file)
        switch glance {
        case .folder: return try GivenFile.checkpoint(file, choices: ["last", "best.h5"]).path
        case .special: throw Failure(.badData, "\(file): is not a regular file, expected an HDF5 file")
        case .missing, .empty, .unknown, .hdf5, .idx, .gzip, .pytorch, .pickle, .safetensors, .zip: return file
        default: throw Failure(.badData, "\(file): is \(glance.words), expected an HDF5 file or one of weights")
        }
    }
}

/// The contents that `inspect` knows.
enum ContentKind {
    case dataset
    case checkpoint
    /// Of another program: safetensors or PyTorch's.
    case tensors(TensorFileReport)
    case other

    /// A seal at the end, else the root attribute `format`. Throws 66 and 65 as opening a dataset file does.
    static func of(_ path: String) throws -> ContentKind {
        // A checkpoint's bytes are verified before libhdf5 sees them.
        if CheckpointFile.isSealed(path) { return .checkpoint }
        if let report = try TensorFileReport(path: path) { return .tensors(report) }
        return switch try FileFormat.read(path) {
        case "swift-train.dataset": .dataset
        case Checkpoint.format: .checkpoint
        default: .other
        }
    }
}
