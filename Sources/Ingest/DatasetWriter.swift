internal import Datasets
internal import Diagnostics
internal import Digests
internal import HDF5
internal import Report

/// Writes a dataset file in pieces, then reads it back before it gets its name.
///
/// Order of calls: for each split `beginSplit`, `append` until its images are there, `endSplit`; then `finish`. The train
/// split comes first, because its mean and deviation stand on every split.
final class DatasetWriter {
    private struct Split {
        let name: String
        let shape: ImageShape
        let most: Int
        let imagesPath: String
    }
    private struct Finished {
        let name: String
        let shape: ImageShape
        let labels: [Int32]
        let imagesPath: String
        /// Of the pixels, and of the bytes that lie in the file.
        let pixelDigest: String
        let storedDigest: String
    }

    private let output: OutputFile
    private let file: HDF5File
    private let classes: [String]
    private let options: ConversionOptions
    private var split: Split?
    private var dataset: HDF5Dataset?
    private var written = 0
    /// The pictures of a split that stores them encoded.
    private var spool: EncodedSpool?
    /// Images that do not fill a chunk yet.
    private var pending: [UInt8] = []
    private var hash = SHA256()
    private var statistics: any ChannelStatistics
    private var finished: [Finished] = []
    private var trainStatistics: (any ChannelStatistics)?

    /// Images that make good pieces to append: about this many bytes, and whole chunks.
    private static let pieceBytes = 1 << 20

    /// Throws 73 where `path` cannot be written, or is one of `inputs`.
    init(path: String, classes: [String], options: ConversionOptions, unlike inputs: [String] = []) throws {
        output = try OutputFile(path: path, replacing: options.replaceExisting, unlike: inputs)
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

    /// Makes room for at most so many images; `endSplit` gives back what was not needed.
    func beginSplit(_ name: String, shape: ImageShape, atMost most: Int) throws {
        precondition(self.split == nil, "a split is open")
        let split = Split(
            name: name, shape: shape, most: most, imagesPath: "/\(name)/\(options.storesEncoded ? "encoded" : "images")"
        )
        if options.storesEncoded {
            spool = try EncodedSpool(for: output.path)
        } else {
            dataset = try reporting { try create(split, count: most) }
        }
        self.split = split
        written = 0
        hash = SHA256()
        statistics =
            switch shape.type {
            case .uint8: PixelStatistics(channels: shape.channels)
            case .float32: RealStatistics(channels: shape.channels)
            }
    }

    /// Adds whole images; `files` are the encoded ones where those are stored.
    func append(_ images: UnsafeRawBufferPointer, files: [UnsafeRawBufferPointer] = []) throws {
        guard let split else { preconditionFailure("no split is open") }
        let count = images.count / split.shape.bytes
        precondition(count * split.shape.bytes == images.count, "\(images.count) bytes are not whole images")
        hash.update(images)
        statistics.add(images)
        if let spool {
            precondition(files.count == count, "\(files.count) files of \(count) images")
            for file in files { try spool.append(file) }
            written += count
            return
        }
        // Chunks are written whole, so that none is compressed twice.
        let perChunk = Self.imagesPerPiece(imageBytes: split.shape.bytes)
        guard isChunked, !pending.isEmpty || count % perChunk != 0 else {
            return try write(images)
        }
        pending += images
        let wholeBytes = pending.count / split.shape.bytes / perChunk * perChunk * split.shape.bytes
        guard wholeBytes > 0 else { return }
        try pending.withUnsafeBytes { try write(UnsafeRawBufferPointer(rebasing: $0[..<wholeBytes])) }
        pending.removeFirst(wholeBytes)
    }

    /// Ends the split with the labels of the images that came, their names if they have any, and height and width of each before
    /// it was resized.
    func endSplit(labels: [Int32], names: [String], sourceSizes: [Int32] = []) throws {
        guard let split else { preconditionFailure("no split is open") }
        if spool == nil { try pending.withUnsafeBytes { try write($0) } }
        pending.removeAll(keepingCapacity: true)
        precondition(written == labels.count, "\(written) images, \(labels.count) labels")
        dataset = nil
        let wide = labels.map { Int64($0) }
        let labelDigest = wide.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        var complete = SHA256()
        swap(&hash, &complete)
        let pixelDigest = complete.hexadecimal()
        let storedDigest = try reporting { try spool?.write(to: file, group: "/\(split.name)") } ?? pixelDigest
        finished.append(
            Finished(
                name: split.name, shape: split.shape, labels: labels, imagesPath: split.imagesPath,
                pixelDigest: pixelDigest, storedDigest: storedDigest))
        let isSpooled = spool != nil
        spool = nil
        if trainStatistics == nil { trainStatistics = statistics }
        self.split = nil
        try reporting {
            if written < split.most, !isSpooled {
                try file.shrink(split.imagesPath, toRows: written, as: storage(split, count: written))
            }
            try file.write("/\(split.name)/labels", shape: [wide.count], wide)
            try file.setAttribute("sha256", on: "/\(split.name)/labels", .string(labelDigest))
            if !names.isEmpty { try file.write("/\(split.name)/names", strings: names) }
            if !sourceSizes.isEmpty {
                try file.write("/\(split.name)/source_sizes", shape: [labels.count, 2], sourceSizes)
            }
        }
    }

    private var isChunked: Bool { options.gzipLevel != nil || options.checksum }

    private func create(_ split: Split, count: Int) throws(HDF5Error) -> HDF5Dataset {
        let shape = split.shape
        return try file.createDataset(
            split.imagesPath, shape: [count] + shape.extents,
            type: shape.type == .uint8 ? .uint8 : .float32, storage: storage(split, count: count))
    }

    private func storage(_ split: Split, count: Int) -> HDF5Storage {
        guard isChunked else { return .contiguous }
        let shape = split.shape
        let images = min(Self.imagesPerPiece(imageBytes: shape.bytes), count)
        return .chunked(
            shape: [images] + shape.extents, gzipLevel: options.gzipLevel,
            fletcher32: options.checksum)
    }

    private func write(_ images: UnsafeRawBufferPointer) throws {
        guard let split, let dataset else { preconditionFailure("no split is open") }
        let rows = written..<written + images.count / split.shape.bytes
        try reporting {
            switch split.shape.type {
            case .uint8: try dataset.write(rows: rows, images.assumingMemoryBound(to: UInt8.self))
            case .float32: try dataset.write(rows: rows, images.assumingMemoryBound(to: Float.self))
            }
        }
        written = rows.upperBound
    }

    /// Writes what describes the data, closes, syncs, reads everything back and compares, then names the file.
    func finish(command: [String], sources: JSON, preprocessing: JSON) throws -> ConversionReport {
        guard let trainStatistics else { preconditionFailure("no split was written") }
        func counts(_ split: Finished) -> [Int] {
            var counts = [Int](repeating: 0, count: classes.count)
            for label in split.labels { counts[Int(label)] += 1 }
            return counts
        }
        try reporting {
            try file.setAttribute("format", on: "/", .string(DatasetFileFormat.name))
            try file.setAttribute("format_version", on: "/", .integer(DatasetFileFormat.version))
            try file.setAttribute(
                "command", on: "/", .string((command + options.words).joined(separator: " ")))
            try file.setAttribute("sources", on: "/", .string(sources.text(.spaced)))
            try file.setAttribute("preprocessing", on: "/", .string(preprocessing.text(.spaced)))
            try file.write("/classes", strings: classes)
            for split in finished {
                let path = split.imagesPath
                let channels = split.shape.channels
                try file.setAttribute("layout", on: path, .string(split.shape.slices == nil ? "NHWC" : "NDHWC"))
                try file.setAttribute(
                    "color", on: path, .string(channels == 1 ? "GRAY" : channels == 3 ? "RGB" : "BANDS"))
                try file.setAttribute("mean", on: path, .reals(trainStatistics.mean))
                try file.setAttribute("std", on: path, .reals(trainStatistics.standardDeviation))
                try file.setAttribute("counts", on: path, .integers(counts(split).map { Int64($0) }))
                try file.setAttribute("sha256", on: path, .string(split.storedDigest))
                guard options.storesEncoded else { continue }
                let shape = [split.shape.height, split.shape.width, channels].map { Int64($0) }
                try file.setAttribute("shape", on: path, .integers(shape))
                try file.setAttribute("pixels_sha256", on: path, .string(split.pixelDigest))
            }
            try file.close()
        }
        try output.synchronize()
        let digest = try verify()
        try output.commit()
        let shape = finished[0].shape
        return ConversionReport(
            path: output.path, digest: digest, splits: finished.map { ($0.name, $0.labels.count, counts($0)) },
            shape: (shape.height, shape.width, shape.channels), classes: classes)
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
        for split in finished {
            let found = try readBack(split)
            guard found == split.storedDigest else {
                throw lost("\(split.imagesPath) has SHA-256 \(found), expected \(split.storedDigest)")
            }
        }
        return again.digest
    }

    /// The digest of a split's images or pictures as they lie in the file, in pieces: a map of all would count as memory in use.
    private func readBack(_ split: Finished) throws -> String {
        try reporting {
            let images = try HDF5File.open(output.temporaryPath).dataset(split.imagesPath)
            let rowBytes = images.shape.dropFirst().reduce(split.shape.type.byteCount, *)
            let rows = Self.imagesPerPiece(imageBytes: rowBytes)
            let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: rows * rowBytes, alignment: 64)
            defer { piece.deallocate() }
            var hash = SHA256()
            for start in stride(from: 0, to: images.shape[0], by: rows) {
                let range = start..<min(start + rows, images.shape[0])
                let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<(range.count * rowBytes)])
                switch split.shape.type {
                case .uint8: try images.read(rows: range, into: part.assumingMemoryBound(to: UInt8.self))
                case .float32: try images.read(rows: range, into: part.assumingMemoryBound(to: Float.self))
                }
                hash.update(UnsafeRawBufferPointer(part))
            }
            return hash.hexadecimal()
        }
    }

    private func reporting<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as HDF5Error {
            throw Failure(.inputOutput, "\(output.path): cannot write: \(error.reason)")
        }
    }
}
