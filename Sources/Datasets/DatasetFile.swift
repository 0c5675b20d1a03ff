internal import Diagnostics
internal import Digests
internal import HDF5
internal import Report

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

    /// Opens a dataset file, or one that others wrote if its parts are clear by their names and shapes.
    package convenience init(path: String, chunks: ChunkAccess = .streamed) throws {
        guard try FileFormat.read(path) == nil else {
            try self.init(path: path, chunks: chunks, cache: .standard)
            return
        }
        do {
            try self.init(foreign: [path], roles: DatasetRoles(), chunks: chunks, cache: .standard)
        } catch let failure as Failure where failure.code == .badData {
            let isOneLine = !failure.message.contains(where: \.isNewline)
            throw Failure(
                .badData,
                failure.message + (isOneLine ? ". " : "\n")
                    + "It is no dataset file (/@format is missing); swift-train convert hdf5 makes one")
        }
    }

    /// Opens files that others wrote as one dataset, each in its role.
    ///
    /// Throws: `Failure`: 66 for a missing file, 65 where roles are not clear (with the lines to choose by) or the data are no
    ///         images and class numbers.
    package convenience init(foreign paths: [String], roles: DatasetRoles, chunks: ChunkAccess = .streamed) throws {
        try self.init(foreign: paths, roles: roles, chunks: chunks, cache: .standard)
    }

    init(foreign paths: [String], roles: DatasetRoles, chunks: ChunkAccess, cache: PixelFactsCache) throws {
        precondition(!paths.isEmpty, "a dataset of no files")
        path = paths.joined(separator: ", ")
        self.chunks = chunks
        self.cache = cache
        ignoredNames = []
        for path in paths { try Self.requireHDF5(path) }
        let opened = try translatingErrors { () throws -> ([HDF5File], [String], [DatasetSplitHeader]) in
            let files = try paths.map { try HDF5File.open($0) }
            let detection = try RoleDetection(files)
            var parts: [(name: String, images: ForeignImages, labels: [Int64])] = []
            for found in try detection.splits(roles) {
                let images = try ForeignImages(try detection.dataset(found.images), roles)
                let labels = try ForeignLabels.read(try detection.dataset(found.labels), count: images.count, roles)
                parts.append((found.name, images, labels))
            }
            let most = Int(parts.lazy.compactMap { $0.labels.max() }.max() ?? 0)
            let names = try detection.classes(roles)
            guard most < (names?.count ?? Self.largestClassCount) else {
                let limit = names.map { "\($0.count) class names" } ?? "at most \(Self.largestClassCount) classes"
                throw Failure(.badData, "\(paths[0]): has label \(most + roles.labelBase), expected \(limit)")
            }
            let headers = parts.map { DatasetSplitHeader(name: $0.name, images: $0.images, labels: $0.labels) }
                .sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
            return (files, names ?? (0...most).map { "\($0 + roles.labelBase)" }, headers)
        }
        (file, classes, headers) = (opened.0[0], opened.1, opened.2)
        guard let first = headers.first else { throw Failure(.badData, "\(path): no images were named") }
        (height, width, channels) = (first.height, first.width, first.channels)
        for header in headers
        where (header.height, header.width, header.channels) != (height, width, channels)
            || header.pixelType != first.pixelType
        {
            throw Failure(
                .badData,
                "\(path): \(header.imagesPath.printable) holds \(header.height)×\(header.width)×\(header.channels) images "
                    + "(\(header.pixelType)), \(first.imagesPath.printable) \(height)×\(width)×\(channels) "
                    + "(\(first.pixelType)); expected one kind")
        }
        var digests: [String: String] = [:]
        for header in headers {
            digests[header.name] = try Self.facts(
                of: header, in: file, try Self.pixels(of: header, in: file, chunks), cache
            ).digest
        }
        computedDigests = digests
        digest = DatasetDigest.compute(classes: classes, headers: headers) { digests[$0.name] ?? "" }
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

    /// What the images of a split are called in results: `FILE/test/NAME` as the file names them, or by number.
    func imageNames(of split: String) throws -> [String] {
        let count = try self.split(split).count
        let stored: [String]? = try translatingErrors {
            guard file.exists("/\(split)/names"), case let names = try file.dataset("/\(split)/names"),
                names.shape == [count]
            else { return nil }
            return try names.readStrings()
        }
        return (stored ?? (0..<count).map(String.init)).map { "\(path)/\(split)/\($0)" }
    }

    /// An attribute of the file itself (`command`, `sources`, `preprocessing`), nil when absent.
    package func text(_ name: String) throws -> String? {
        try translatingErrors {
            guard case .string(let text)? = try file.attribute(name, on: "/") else { return nil }
            return text
        }
    }

    /// What the images of a split were called in their source; empty where the file does not say it.
    package func sampleNames(of split: String) throws -> [String] {
        try translatingErrors {
            let path = "/\(split)/names"
            guard file.exists(path), let count = headers.first(where: { $0.name == split })?.count else { return [] }
            let names = try file.dataset(path)
            guard names.elementType == .string, names.shape == [count] else { return [] }
            return try names.readStrings()
        }
    }

    /// Height and width that the images of a split had before they were brought to one size; empty where the file does not say
    /// it.
    package func sourceSizes(of split: String) throws -> [(height: Int, width: Int)] {
        try translatingErrors {
            let path = "/\(split)/source_sizes"
            guard file.exists(path), let count = headers.first(where: { $0.name == split })?.count else { return [] }
            let sizes = try file.dataset(path)
            guard sizes.elementType.isInteger, sizes.shape == [count, 2] else { return [] }
            let numbers = try sizes.readIntegers()
            return (0..<count).map { (max(1, Int(numbers[2 * $0])), max(1, Int(numbers[2 * $0 + 1]))) }
        }
    }

    /// Contiguous pixels are mapped, or read where they lie if there are very many; chunks are read as `chunks` says; what only
    /// the library understands goes to memory through it.
    private static func pixels(
        of header: DatasetSplitHeader, in file: HDF5File, _ chunks: ChunkAccess
    ) throws -> any PixelStorage {
        if let images = header.foreign {
            let file = images.dataset.file
            let watch = try FileWatch(path: file.path, descriptor: try translatingErrors { try file.descriptor() })
            if images.isPlain { return try pixels(of: header, in: file, watch, chunks) }
            return ConvertedPixels(images, raw: try raw(images, watch), watch: watch)
        }
        let watch = try FileWatch(path: file.path, descriptor: try translatingErrors { try file.descriptor() })
        return try pixels(of: header, in: file, watch, chunks)
    }

    /// The elements of images as they lie in the file; nil where only the library understands them.
    private static func raw(_ images: ForeignImages, _ watch: FileWatch) throws -> (any PixelStorage)? {
        let dataset = images.dataset
        guard dataset.elementType == .uint8 || dataset.elementType == .float32 else { return nil }
        let elementBytes = dataset.elementType == .uint8 ? 1 : 4
        if let offset = dataset.fileOffset, offset % elementBytes == 0 {
            let count = dataset.count * elementBytes
            return count < FileBytes.leastBytes
                ? try MappedBytes(watch, offset: offset, count: count)
                : try FileBytes(watch, offset: offset, count: count)
        }
        return try translatingErrors { try dataset.chunkTable() }
            .map { ChunkedBytes(watch, table: $0, place: dataset.place) }
    }

    private static func pixels(
        of header: DatasetSplitHeader, in file: HDF5File, _ watch: FileWatch, _ chunks: ChunkAccess
    ) throws -> any PixelStorage {
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
            + (header.foreign.map { " \(header.imagesPath) \($0.layout) \($0.values)" } ?? "")
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
        tell("\(what): \(NumberText.megabytes(done)) of \(NumberText.megabytes(total)) in the first second")
    }
}
