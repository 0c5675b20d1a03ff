internal import Datasets
internal import Diagnostics
internal import Foundation
internal import Training

/// Looks at what the user names before the reader that it is meant for does, to say what it is where something else is
/// expected. What is not there, or damaged, is left to the reader.
enum GivenFile {
    /// Formats of this program.
    enum Format: String, CaseIterable {
        case dataset = "swift-train.dataset"
        case checkpoint = "swift-train.checkpoint"
        case logits = "swift-train.logits"
    }

    /// The command that makes a dataset file of what lies at a path.
    static func wayToDataset(_ path: String, _ glance: FileGlance) -> String {
        let command: String
        switch glance {
        case .folder:
            let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
            command =
                names.contains { $0.contains("-ubyte") }
                ? "idx" : names.contains { $0.hasSuffix(".bin") } ? "cifar10" : "folder"
        case .csv: command = "csv"
        case .numpyArchive, .numpyArray: command = "numpy"
        case .tar: command = "tar"
        case .picture: return "swift-train convert folder FOLDER --output FILE.h5 takes folders of pictures"
        default: return "swift-train convert --help lists what is converted"
        }
        return "make one with swift-train convert \(command) \(path) --output FILE.h5"
    }

    private static let searchedBytes = 1 << 16

    /// Of an HDF5 file, by its bytes alone: libhdf5 must not see a checkpoint before its seal has been checked.
    static func format(of path: String) -> Format? {
        if CheckpointFile.isSealed(path) { return .checkpoint }
        guard let file = FileHandle(forReadingAtPath: path) else { return nil }
        defer { try? file.close() }
        var bytes = (try? file.read(upToCount: searchedBytes)) ?? Data()
        if let end = try? file.seekToEnd(), end > UInt64(searchedBytes) {
            try? file.seek(toOffset: max(UInt64(searchedBytes), end - UInt64(searchedBytes)))
            bytes += (try? file.readToEnd()) ?? Data()
        }
        return Format.allCases.first { bytes.range(of: Data($0.rawValue.utf8)) != nil }
    }

    /// Throws: `Failure(.badData)` for what is certainly no dataset; `Failure(.inputMissing)` with `advice` where nothing is.
    static func requireDataset(_ path: String, advice: String? = nil) throws {
        let glance = FileGlance(path)
        let words = { (way: String) in
            Failure(.badData, "\(path): is \(glance.words), expected a dataset file (HDF5); \(way)")
        }
        switch glance {
        case .empty, .unknown, .idx, .gzip: break
        case .missing:
            if let advice, access(path, F_OK) != 0, errno == ENOENT {
                throw Failure(.inputMissing, "\(path): no such file. \(advice)")
            }
        case .hdf5:
            switch format(of: path) {
            case .dataset: break
            case .checkpoint:
                throw Failure(
                    .badData,
                    "\(path): is a checkpoint, expected a dataset file; a checkpoint is named with evaluate --checkpoint, or "
                        + "train --resume")
            case .logits: throw Failure(.badData, "\(path): holds logits, expected a dataset file")
            case nil: break
            }
        case .special: throw Failure(.badData, "\(path): is not a regular file, expected a dataset file (HDF5)")
        case .yaml: throw words("a configuration is named with --config")
        case .pytorch, .safetensors, .pickle: throw words("weights are named with evaluate --weights")
        default: throw words(wayToDataset(path, glance))
        }
    }

    /// A checkpoint, and what to say where the user has named its run.
    struct CheckpointChoice {
        let path: String
        /// Nothing where the file itself was named.
        fileprivate(set) var note: String?

        /// Says on standard error which file of a run was taken, and what was taken for granted of its images where it does not
        /// say it: once nothing else is wrong, since an error is one line.
        func sayWhich(assuming assumption: String? = nil) {
            for note in [note, assumption].compactMap({ $0 }) { StandardError.line("note: \(note)") }
        }
    }

    /// The checkpoint that a path names: itself, or the first of `choices` that the run folder has.
    ///
    /// Throws: `Failure` for a folder without a checkpoint, and for what is certainly no checkpoint.
    static func checkpoint(_ path: String, choices: [String]) throws -> CheckpointChoice {
        let glance = FileGlance(path)
        switch glance {
        case .folder:
            for folder in [path + "/checkpoints", path] {
                for name in choices where access("\(folder)/\(name)", F_OK) == 0 {
                    let kind = name == "best.h5" ? "best" : "last"
                    return CheckpointChoice(
                        path: "\(folder)/\(name)",
                        note: "\(path) is a run: its \(kind) checkpoint, \(folder)/\(name), is taken")
                }
            }
            throw Failure(
                .badData, "\(path): is a folder without checkpoints, expected a run folder or a checkpoint")
        case .special:
            throw Failure(
                .badData, "\(path): is not a regular file, expected a checkpoint such as RUN/checkpoints/last")
        case .hdf5, .missing, .empty, .unknown: break
        default:
            let isWeights = [.pytorch, .pickle, .safetensors].contains(glance)
            throw Failure(
                .badData,
                "\(path): is \(glance.words), expected a checkpoint such as RUN/checkpoints/last\(isWeights ? "; weights are named with --weights" : "")"
            )
        }
        return CheckpointChoice(path: path)
    }

    /// The file of weights that a path names: itself, or a run folder's best checkpoint. Throws: `Failure`.
    static func weights(_ path: String) throws -> CheckpointChoice {
        guard FileGlance(path) == .folder else {
            try requireWeights(path)
            return CheckpointChoice(path: path)
        }
        return try checkpoint(path, choices: ["best.h5", "last"])
    }

    /// Throws: `Failure(.badData)` for an HDF5 file of another kind than a checkpoint.
    static func requireCheckpoint(_ path: String) throws {
        guard FileGlance(path) == .hdf5 else { return }
        let found: String
        switch format(of: path) {
        case .checkpoint: return
        case .dataset:
            found = "is a dataset, expected a checkpoint such as RUN/checkpoints/last; a dataset is named with --data"
        case .logits: found = "holds logits, expected a checkpoint such as RUN/checkpoints/last"
        case nil:
            found =
                "is an HDF5 file without a checkpoint's seal; expected a checkpoint such as RUN/checkpoints/last. If it holds "
                + "weights: evaluate --model NAME --weights \(path) --data FILE"
        }
        throw Failure(.badData, "\(path): \(found)")
    }

    /// Throws: `Failure`: `.inputMissing` where nothing is, `.badData` for what is certainly no file of weights.
    static func requireWeights(_ path: String) throws {
        let glance = FileGlance(path)
        let found: String
        switch glance {
        case .missing where access(path, F_OK) != 0 && errno == ENOENT:
            throw Failure(.inputMissing, "\(path): no such file; \(WeightsFile.expected)")
        case .missing, .empty, .unknown, .pytorch, .pickle, .safetensors, .zip: return
        case .hdf5:
            switch format(of: path) {
            case .dataset: found = "is a dataset; a dataset is named with --data"
            case .logits: found = "holds logits"
            case .checkpoint, nil: return
            }
        case .numpyArchive:
            found =
                "is \(glance.words). In Python: h5py.File('w.h5', 'w').update(dict(numpy.load('\(path)'))), then swift-train "
                + "evaluate --model NAME --weights w.h5 --data FILE"
        default: found = "is \(glance.words)"
        }
        throw Failure(.badData, "\(path): \(found); \(WeightsFile.expected)")
    }
}
