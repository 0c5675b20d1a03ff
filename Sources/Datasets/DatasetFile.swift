internal import Diagnostics
internal import Digests
internal import HDF5
internal import Report

/// A dataset file, opened and judged: format, shapes, types, labels and sizes are known to be good, pixels are not read.
///
/// Throws: `Failure` with 66 when there is no such file, 65 when it is not a dataset file or is damaged.
package final class DatasetFile: ImageExtents {
    package let path: String
    package let classes: [String]
    package let height: Int
    package let width: Int
    package let channels: Int
    package let slices: Int?
    /// SHA-256, in hexadecimal, of what the data is, wherever it lies.
    ///
    /// Over these lines, each ended by a newline: `swift-train.dataset 1`; `classes K` and each class as its length in bytes,
    /// a space and the name; then for each split, in byte order of the names: `split NAME`, `images N H W C TYPE` (of volumes
    /// `images N D H W C TYPE`), `mean` and
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
    /// In the order of `headers`.
    private let pixels: [SplitPixels]
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
        ignoredNames = []
        for path in paths { try Self.requireHDF5(path) }
        let opened = try translatingErrors { () throws -> ([HDF5File], [String], [DatasetSplitHeader]) in
            let files = try paths.map { try HDF5File.open($0) }
            let detection = try RoleDetection(files)
            var parts: [(name: String, images: ForeignImages, labels: [Int64])] = []
            let (candidates, found) = try detection.splits(roles)
            var notes = found
            let hasNamed = candidates.contains(where: \.isNamed)
            let splits = try candidates.filter { found in
                do {
                    let images = try ForeignImages(try detection.dataset(found.images), roles, cache)
                    try parts.first.map { try images.requireKind(of: $0.images) }
                    let labels = try ForeignLabels.read(
                        try detection.dataset(found.labels), count: images.count, roles)
                    parts.append((found.name, images, labels))
                    return true
                } catch let failure as Failure where hasNamed && !found.isNamed {
                    notes.append(RoleDetection.note(found.name, failure))
                    return false
                }
            }
            let labels = parts.map(\.labels)
            let (most, base) = (Int(labels.compactMap { $0.max() }.max() ?? 0), Int(roles.labelBase))
            let least = Int(labels.compactMap { $0.min() }.min() ?? 0)
            let names = try detection.classes(roles, of: splits)
            let (note, advice) = DatasetRoles.emptyClasses(least + base, most + base, base: base)
            if let names, most >= names.count {
                throw Failure(
                    .badData,
                    "\(paths[0]): has label \(most + base), expected \(names.count) class names, one a class"
                        + (least > 0 && most - least < names.count ? "; \(advice)" : ""))
            }
            if least > 0, names == nil { notes.append("\(paths[0]): \(note); \(advice)") }
            let headers = parts.enumerated().map { index, part in
                DatasetSplitHeader(
                    name: part.name, images: part.images, labels: part.labels, warnings: index == 0 ? notes : [])
            }.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
            return (files, names ?? (0...most).map { "\($0 + base)" }, headers)
        }
        (file, classes, headers) = (opened.0[0], opened.1, opened.2)
        guard let first = headers.first else { throw Failure(.badData, "\(path): no images were named") }
        (height, width, channels, slices) = (first.height, first.width, first.channels, first.slices)
        (pixels, digest) = try Self.pixels(of: headers, in: file, classes: classes, chunks, cache)
    }

    init(path: String, chunks: ChunkAccess = .streamed, cache: PixelFactsCache) throws {
        self.path = path
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
                guard isNamed || DatasetSplitHeader.isLabelled(link.name, in: file) else {
                    ignored.append(link.name)
                    continue
                }
                headers.append(try DatasetSplitHeader(file, name: link.name, classCount: classes.count))
            }
            return (file, classes, headers, ignored)
        }
        guard let first = headers.first else { throw bad(": holds no split, expected /train, /test or /val") }
        (height, width, channels, slices) = (first.height, first.width, first.channels, first.slices)
        for header in headers where header.extents != first.extents {
            throw bad(
                ":\(header.imagesPath) holds \(header.sizeText) images, \(first.imagesPath) \(first.sizeText); expected one "
                    + "size")
        }
        (pixels, digest) = try Self.pixels(of: headers, in: file, classes: classes, chunks, cache)
    }

    /// The pixels of the splits, not read where their digests are stored, and the digest of all.
    private static func pixels(
        of headers: [DatasetSplitHeader], in file: HDF5File, classes: [String], _ chunks: ChunkAccess,
        _ cache: PixelFactsCache
    ) throws -> ([SplitPixels], digest: String) {
        let pixels = try headers.map { try SplitPixels($0, in: file, chunks, cache) }
        let digests = try zip(headers, pixels).map { try $0.storedImageDigest ?? $1.facts().digest }
        return (pixels, DatasetDigest.compute(classes: classes, headers: headers, imageDigests: digests))
    }

    /// The images and labels of a split.
    package func split(_ name: String) throws -> DatasetSplit {
        if let split = opened[name] { return split }
        guard let place = headers.firstIndex(where: { $0.name == name }) else {
            throw Failure(
                .configuration,
                "\(path): has no split \(name), expected one of \(splitNames.joined(separator: ", ")); evaluate.split "
                    + "(--set evaluate.split=\(splitNames.first ?? "train"), or evaluate --split) names the one to score"
            )
        }
        let (header, storage) = (headers[place], try pixels[place].storage())
        storage.expect(digest: try header.storedImageDigest ?? pixels[place].facts().digest)
        let split = DatasetSplit(header, storage: storage)
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
        let checked = zip(headers, pixels).filter { names?.contains($0.0.name) ?? true }
        let work = LongWork(onLongWork)
        return try checked.flatMap { header, pixels in
            let place = "\(path):\(header.imagesPath.printable)"
            let facts = try pixels.storedFacts { done, total in
                work.note("checking the pixels of \(path) once", done: done, of: total)
            }
            if let stored = header.storedDigest, facts.digest != stored {
                throw Failure(
                    .badData,
                    "\(place) has SHA-256 \(facts.digest), expected \(stored); the file is damaged. Convert it again.")
            }
            return header.warnings + facts.warnings(path: place, type: header.pixelType)
        }
    }

    /// What the images of a split are called in results: `FILE/test/NAME` as the file names them, or by number.
    func imageNames(of split: String) throws -> [String] {
        let stored = try sampleNames(of: split)
        let names = stored.isEmpty ? (0..<(header(split)?.count ?? 0)).map(String.init) : stored
        return names.map { "\(path)/\(split)/\($0)" }
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
        try translatingErrors { try header(split)?.sampleNames(in: file) ?? [] }
    }

    /// Height and width that the images of a split had before they were brought to one size; empty where the file does not say
    /// it.
    package func sourceSizes(of split: String) throws -> [(height: Int, width: Int)] {
        try translatingErrors { try header(split)?.sourceSizes(in: file) ?? [] }
    }

    private func header(_ split: String) -> DatasetSplitHeader? { headers.first { $0.name == split } }
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
