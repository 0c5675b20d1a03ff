internal import Diagnostics
internal import Digests
internal import HDF5

/// A dataset file, opened and judged: format, shapes, types, labels and sizes are known to be good, pixels are not read.
///
/// Throws: `Failure` with 66 when there is no such file, 65 when it is not a dataset file or is damaged.
package final class DatasetFile {
    package let path: String
    package let classes: [String]
    package let height: Int
    package let width: Int
    package let channels: Int
    /// SHA-256, in hexadecimal, of what the data is, wherever it lies.
    ///
    /// Over these lines, each ended by a newline: `swift-train.dataset 1`; `classes K` and each class as its length in bytes,
    /// a space and the name; then for each split, in byte order of the names: `split NAME`, `images N H W C TYPE`, `mean` and
    /// `std` with each value's 32 bits in hexadecimal, `images-sha256`, `labels-sha256`, and the labels as raw int64
    /// little-endian without a newline. The images' digest is the stored attribute, or computed where there is none; whether
    /// they agree is what `inspect --verify` finds out. Storage (contiguous, chunked) does not enter.
    package let digest: String
    /// Names of the splits, in byte order.
    package var splitNames: [String] { headers.map(\.name) }
    /// What is known of each split without its pixels, in the order of `splitNames`.
    package let headers: [DatasetSplitHeader]

    /// Groups and links at the root that are no splits, in byte order.
    package let ignoredNames: [String]

    /// What becomes of images in chunks, which cannot be mapped.
    package enum ChunkAccess: Equatable, Sendable {
        /// They are unpacked when they are asked for, and the last ones kept: for orders that ask for neighbours.
        case streamed
        /// All are unpacked at once, on some threads: for orders that ask for any.
        case inMemory(threads: Int)
    }

    private let file: HDF5File
    private let chunks: ChunkAccess
    private let cache: PixelFactsCache
    /// Of the splits without a stored digest.
    private let computedDigests: [String: String]
    private var opened: [String: DatasetSplit] = [:]
    private static let largestClassCount = 1 << 20

    package convenience init(path: String, chunks: ChunkAccess = .streamed) throws {
        try self.init(path: path, chunks: chunks, cache: .standard)
    }

    init(path: String, chunks: ChunkAccess = .streamed, cache: PixelFactsCache) throws {
        self.path = path
        self.chunks = chunks
        self.cache = cache
        let name = path
        func bad(_ text: String) -> Failure { Failure(.badData, "\(name)\(text)") }
        try Self.requireHDF5(path)
        (file, classes, headers, ignoredNames) = try translatingErrors {
            let file = try HDF5File.open(path)
            try Self.requireFormat(file)
            let classSet = try file.dataset("/classes")
            guard classSet.shape.count == 1, (1...Self.largestClassCount).contains(classSet.shape[0]) else {
                throw bad(":/classes has shape \(classSet.shape), expected (K,) with K in 1…\(Self.largestClassCount)")
            }
            let classes = try classSet.readStrings()
            var (headers, ignored) = ([DatasetSplitHeader](), [String]())
            for link in try file.links(of: "/") where link.name != "classes" {
                let path = "/\(link.name)"
                let isNamed = DatasetFileFormat.splitNames.contains(link.name)
                guard isNamed || link.address != nil else {
                    ignored.append(link.name)
                    continue
                }
                guard try file.isGroup(path) else { continue }
                guard isNamed || file.exists("\(path)/images") && file.exists("\(path)/labels") else {
                    ignored.append(link.name)
                    continue
                }
                headers.append(try DatasetSplitHeader(file, name: link.name, classCount: classes.count))
            }
            return (file, classes, headers, ignored)
        }
        guard let first = headers.first else { throw bad(": holds no split, expected /train, /test or /val") }
        (height, width, channels) = (first.height, first.width, first.channels)
        for header in headers where (header.height, header.width, header.channels) != (height, width, channels) {
            throw bad(
                ":\(header.imagesPath) holds \(header.height)×\(header.width)×\(header.channels) images, "
                    + "\(first.imagesPath) \(height)×\(width)×\(channels); expected one size")
        }
        var digests: [String: String] = [:]
        for header in headers where header.storedImageDigest == nil {
            digests[header.name] = try Self.facts(
                of: header, in: file, try Self.pixels(of: header, in: file, chunks), cache
            )
            .digest
        }
        computedDigests = digests
        digest = DatasetDigest.compute(classes: classes, headers: headers) { header in
            header.storedImageDigest ?? digests[header.name] ?? ""
        }
    }

    /// The images and labels of a split.
    package func split(_ name: String) throws -> DatasetSplit {
        if let split = opened[name] { return split }
        guard let header = headers.first(where: { $0.name == name }) else {
            throw Failure(
                .configuration,
                "\(path): has no split \(name), expected one of \(splitNames.joined(separator: ", ")); evaluate.split "
                    + "(--set evaluate.split=\(splitNames.first ?? "train"), or evaluate --split) names the one to score"
            )
        }
        let pixels = try Self.pixels(of: header, in: file, chunks)
        if let digest = header.storedImageDigest ?? computedDigests[name] { pixels.expect(digest: digest) }
        let split = DatasetSplit(header, storage: pixels)
        opened[name] = split
        return split
    }

    /// The SHA-256 of a split's image bytes as they are now.
    package func computeImageDigest(_ split: String) throws -> String {
        let pixels = try self.split(split).storage
        var hash = SHA256()
        try pixels.forEachPiece { hash.update($0) }
        return hash.hexadecimal()
    }

    /// Reads the pixels of some splits, or of all, and compares them with their stored digests: once for each state of the
    /// file, since what was found is remembered under the user's cache folder (`PixelFactsCache`).
    ///
    /// Returns warnings for the user. `onLongWork` is told once, with words, when bytes are left to read after a second;
    /// SHA-256 takes 0.4 to 2 GB/s, so a file of 20 GB takes 10 to 50 s at its first start, and nothing later.
    /// Throws: `Failure`: 65 when a digest does not hold, 74 when the file changes meanwhile.
    package func checkPixels(
        of names: [String]? = nil, onLongWork: @escaping (String) -> Void = { _ in }
    ) throws -> [String] {
        let checked = headers.filter { names?.contains($0.name) ?? true }
        let work = LongWork(onLongWork)
        return try checked.flatMap { header in
            let place = "\(path):\(header.imagesPath.printable)"
            let facts = try Self.facts(of: header, in: file, try split(header.name).storage, cache) { done in
                work.note("checking the pixels of \(path) once", done: done, of: header.byteCount)
            }
            if let stored = header.storedImageDigest, facts.digest != stored {
                throw Failure(
                    .badData,
                    "\(place) has SHA-256 \(facts.digest), expected \(stored); the file is damaged. Convert it again.")
            }
            return header.warnings + facts.warnings(path: place, type: header.pixelType)
        }
    }

    /// An attribute of the file itself (`command`, `sources`, `preprocessing`), nil when absent.
    package func text(_ name: String) throws -> String? {
        try translatingErrors {
            guard case .string(let text)? = try file.attribute(name, on: "/") else { return nil }
            return text
        }
    }

    /// Contiguous pixels are mapped, or read where they lie if there are very many; chunks are read as `chunks` says; what only
    /// the library understands goes to memory through it.
    private static func pixels(
        of header: DatasetSplitHeader, in file: HDF5File, _ chunks: ChunkAccess
    ) throws -> any PixelStorage {
        let watch = try FileWatch(path: file.path, descriptor: try translatingErrors { try file.descriptor() })
        if header.canBeMapped, let offset = header.fileOffset {
            return header.byteCount < FileBytes.leastBytes
                ? try MappedBytes(watch, offset: offset, count: header.byteCount)
                : try FileBytes(watch, offset: offset, count: header.byteCount)
        }
        if let table = try translatingErrors({ try file.dataset(header.imagesPath).chunkTable() }) {
            let place = "\(file.path):\(header.imagesPath.printable)"
            let bytes = ChunkedBytes(watch, table: table, place: place)
            guard case .inMemory(let threads) = chunks else { return bytes }
            return try MappedBytes(count: header.byteCount, identity: watch.identity) {
                try bytes.readAll(into: $0, threads: threads)
            }
        }
        return try MappedBytes(count: header.byteCount, identity: watch.identity) { memory in
            try translatingErrors {
                let images = try file.dataset(header.imagesPath)
                switch images.elementType {
                case .uint8: try images.read(into: memory.bindMemory(to: UInt8.self))
                case .float64: try readNarrowing(images, into: memory.bindMemory(to: Float.self))
                default: try images.read(into: memory.bindMemory(to: Float.self))
                }
            }
        }
    }

    /// Reads float64 images as float32, a few at a time. Throws: `Failure(.badData)` for a number that is too large.
    private static func readNarrowing(_ images: HDF5Dataset, into target: UnsafeMutableBufferPointer<Float>) throws {
        let perImage = images.shape.dropFirst().reduce(1, *)
        let rows = max(1, (1 << 17) / perImage)
        let piece = UnsafeMutableBufferPointer<Double>.allocate(capacity: rows * perImage)
        defer { piece.deallocate() }
        for start in stride(from: 0, to: images.shape[0], by: rows) {
            let end = min(images.shape[0], start + rows)
            let part = UnsafeMutableBufferPointer(rebasing: piece[..<((end - start) * perImage)])
            try images.read(rows: start..<end, into: part)
            for (place, value) in part.enumerated() {
                let narrow = Float(value)
                guard narrow.isFinite || !value.isFinite else {
                    throw Failure(
                        .badData,
                        "\(images.place)[\(start + place / perImage)] holds \(value), which float32 cannot "
                            + "hold; expected pixels in 0…1")
                }
                target[start * perImage + place] = narrow
            }
        }
    }

    private static func facts(
        of header: DatasetSplitHeader, in file: HDF5File, _ pixels: any PixelStorage, _ cache: PixelFactsCache,
        progress: (Int) -> Void = { _ in }
    ) throws -> PixelFacts {
        let part =
            "\(header.name.utf8.count) \(header.name) \(header.fileOffset ?? -1) \(header.byteCount) \(header.pixelType)"
        let key = pixels.identity?.key(of: part)
        if let key, let known = cache.facts(for: key) { return known }
        let isFresh = pixels.identity?.isFresh ?? true
        let facts = try PixelFacts(
            pixels, type: header.pixelType, imageBytes: header.byteCount / header.count, progress: progress)
        if let key, !isFresh { cache.remember(facts, for: key) }
        return facts
    }
}

/// Tells the user once of work that takes longer than a second.
private final class LongWork {
    private let start = ContinuousClock.now
    private var isTold = false
    private let tell: (String) -> Void

    init(_ tell: @escaping (String) -> Void) {
        self.tell = tell
    }

    func note(_ what: String, done: Int, of total: Int) {
        guard !isTold, done < total, ContinuousClock.now - start > .seconds(1) else { return }
        isTold = true
        tell("\(what): \(done / 1_000_000) of \(total / 1_000_000) MB in the first second")
    }
}
