internal import Datasets
internal import Diagnostics
internal import Digests
internal import HDF5

/// Writes a dataset file of uint8 images in pieces, then reads it back before it gets its name.
///
/// Order of calls: for each split `beginSplit`, `append` until its images are there, `endSplit`; then `finish`. The train
/// split comes first, because its mean and deviation stand on every split.
final class DatasetWriter {
    struct Split {
        let name: String
        let labels: [UInt8]
        let height: Int
        let width: Int
        let channels: Int
        var imageBytes: Int { height * width * channels }
    }

    private let output: OutputFile
    private let file: HDF5File
    private let classes: [String]
    private let options: ConversionOptions
    private var split: Split?
    private var dataset: HDF5Dataset?
    private var written = 0
    private var hash = SHA256()
    private var statistics: PixelStatistics
    private var finished: [(split: Split, sha256: String)] = []
    private var trainStatistics: PixelStatistics?

    /// Images that make good pieces to append: about this many bytes, and whole chunks.
    private static let pieceBytes = 1 << 20

    init(path: String, classes: [String], options: ConversionOptions) throws {
        output = try OutputFile(path: path, replacing: options.replaceExisting)
        self.classes = classes
        self.options = options
        statistics = PixelStatistics(channels: 1)
        do {
            file = try HDF5File.create(output.temporaryPath, replacing: true)
        } catch {
            throw Failure(error.isDiskFull ? .inputOutput : .cannotCreate, "\(path): \(error.reason)")
        }
    }

    static func imagesPerPiece(imageBytes: Int) -> Int { max(1, pieceBytes / max(1, imageBytes)) }

    func beginSplit(_ split: Split) throws {
        precondition(self.split == nil, "a split is open")
        let chunk = [Self.imagesPerPiece(imageBytes: split.imageBytes), split.height, split.width, split.channels]
        let shape = [split.labels.count, split.height, split.width, split.channels]
        let isChunked = options.gzipLevel != nil || options.checksum
        dataset = try reporting {
            try file.createDataset(
                "/\(split.name)/images", shape: shape, type: .uint8,
                storage: isChunked
                    ? .chunked(
                        shape: [min(chunk[0], shape[0])] + chunk[1...], gzipLevel: options.gzipLevel,
                        fletcher32: options.checksum)
                    : .contiguous)
        }
        self.split = split
        written = 0
        hash = SHA256()
        statistics = PixelStatistics(channels: split.channels)
    }

    /// Adds whole images.
    func append(_ images: UnsafeBufferPointer<UInt8>) throws {
        guard let split, let dataset else { preconditionFailure("no split is open") }
        let count = images.count / split.imageBytes
        precondition(count * split.imageBytes == images.count, "\(images.count) bytes are not whole images")
        try reporting { try dataset.write(rows: written..<written + count, images) }
        hash.update(UnsafeRawBufferPointer(images))
        statistics.add(images)
        written += count
    }

    func endSplit() throws {
        guard let split else { preconditionFailure("no split is open") }
        precondition(written == split.labels.count, "\(written) of \(split.labels.count) images")
        let labels = split.labels.map { Int64($0) }
        let labelDigest = labels.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        var complete = SHA256()
        swap(&hash, &complete)
        finished.append((split, complete.hexadecimal()))
        if trainStatistics == nil { trainStatistics = statistics }
        dataset = nil
        self.split = nil
        try reporting {
            try file.write("/\(split.name)/labels", shape: [labels.count], labels)
            try file.setAttribute("sha256", on: "/\(split.name)/labels", .string(labelDigest))
        }
    }

    /// Writes what describes the data, closes, syncs, reads everything back and compares, then names the file.
    func finish(command: [String], sources: String, preprocessing: String) throws -> ConversionReport {
        guard let trainStatistics else { preconditionFailure("no split was written") }
        try reporting {
            try file.setAttribute("format", on: "/", .string(DatasetFileFormat.name))
            try file.setAttribute("format_version", on: "/", .integer(DatasetFileFormat.version))
            try file.setAttribute(
                "command", on: "/", .string((command + options.words).joined(separator: " ")))
            try file.setAttribute("sources", on: "/", .string(sources))
            try file.setAttribute("preprocessing", on: "/", .string(preprocessing))
            try file.write("/classes", strings: classes)
            for (split, sha256) in finished {
                let path = "/\(split.name)/images"
                var counts = [Int64](repeating: 0, count: classes.count)
                for label in split.labels { counts[Int(label)] += 1 }
                try file.setAttribute("layout", on: path, .string("NHWC"))
                try file.setAttribute("color", on: path, .string(split.channels == 1 ? "GRAY" : "RGB"))
                try file.setAttribute("mean", on: path, .reals(trainStatistics.mean))
                try file.setAttribute("std", on: path, .reals(trainStatistics.standardDeviation))
                try file.setAttribute("counts", on: path, .integers(counts))
                try file.setAttribute("sha256", on: path, .string(sha256))
            }
            try file.close()
        }
        try output.synchronize()
        let digest = try verify()
        try output.commit()
        return ConversionReport(
            path: output.path, digest: digest, splits: finished.map { ($0.split.name, $0.split.labels.count) },
            classCount: classes.count)
    }

    /// libhdf5 1.10.8 can report success on a full disk: the file counts as written when it has been read back.
    private func verify() throws -> String {
        func lost(_ what: String) -> Failure {
            Failure(.inputOutput, "\(output.path): what was written does not read back: \(what). Is the disk full?")
        }
        let again: DatasetFile
        do {
            again = try DatasetFile(path: output.temporaryPath)
        } catch let failure as Failure {
            throw lost(failure.message)
        }
        for (split, sha256) in finished {
            let found = try again.computeImageDigest(split.name)
            guard found == sha256 else { throw lost("/\(split.name)/images has SHA-256 \(found), expected \(sha256)") }
        }
        return again.digest
    }

    private func reporting<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as HDF5Error {
            throw Failure(.inputOutput, "\(output.path): cannot write: \(error.reason)")
        }
    }
}
