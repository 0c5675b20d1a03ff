internal import Diagnostics
internal import HDF5
internal import Synchronization
internal import Tensors

/// The pixels of a split, opened at their first use and read for facts at most once.
///
/// It is used by one thread at a time; what `storage` hands out by several.
final class SplitPixels {
    private let header: DatasetSplitHeader
    private let images: HDF5Dataset
    /// What the images are called in their source; of encoded pictures alone.
    private let names: HDF5Dataset?
    private let watch: FileWatch
    private let chunks: DatasetFile.ChunkAccess
    private let cache: PixelFactsCache
    private var opened: (any PixelStorage)?
    private var known: PixelFacts?
    private var openedFiles: (any PixelStorage)?

    /// `file` is the one of our format that holds the split; images of others' files say where they lie.
    init(
        _ header: DatasetSplitHeader, in file: HDF5File, _ chunks: DatasetFile.ChunkAccess, _ cache: PixelFactsCache
    ) throws {
        self.header = header
        (self.chunks, self.cache) = (chunks, cache)
        let images = try header.foreign?.dataset ?? translatingErrors { try file.dataset(header.imagesPath) }
        self.images = images
        names = try header.encoded == nil ? nil : translatingErrors { try header.names(in: file) }
        watch = try FileWatch(
            path: images.file.path, descriptor: try translatingErrors { try images.file.descriptor() })
    }

    /// Contiguous pixels are mapped, or read where they lie if there are very many; chunks are read as `chunks` says; what only
    /// the library understands goes to memory through it.
    func storage() throws -> any PixelStorage {
        if let opened { return opened }
        let storage = try open()
        opened = storage
        return storage
    }

    /// What reading all of them tells; remembered for as long as the file lies unchanged. `progress` is told the bytes done.
    func facts(progress: (Int) -> Void = { _ in }) throws -> PixelFacts {
        if let known { return known }
        let part =
            "\(header.name.utf8.count) \(header.name) \(header.fileOffset ?? -1) \(header.byteCount) \(header.pixelType)"
            + (header.foreign.map { " \(header.imagesPath) \($0.layout) \($0.values)" } ?? "")
            + (header.encoded == nil ? "" : " decoded")
        let facts = try cache.facts(about: part, in: watch.identity) {
            try PixelFacts(try storage(), type: header.pixelType, imageBytes: header.imageBytes, progress: progress)
        }
        known = facts
        return facts
    }

    /// The same of the bytes that lie in the file, which of encoded pictures are others than their pixels. `progress` is told the
    /// bytes done and those of all.
    func storedFacts(progress: (_ done: Int, _ total: Int) -> Void) throws -> PixelFacts {
        guard header.encoded != nil else { return try facts { progress($0, header.byteCount) } }
        let part = "\(header.name.utf8.count) \(header.name) \(images.count) files"
        return try cache.facts(about: part, in: watch.identity) {
            try PixelFacts(try files(), type: .uint8, imageBytes: 1) { progress($0, images.count) }
        }
    }

    /// The bytes of encoded pictures.
    private func files() throws -> any PixelStorage {
        if let openedFiles { return openedFiles }
        let files: any PixelStorage
        switch (try elements(), chunks) {
        case (let bytes as ChunkedBytes, .inMemory(let threads)):
            files = try MappedBytes(count: images.count, identity: watch.identity) {
                try bytes.readAll(into: $0, threads: threads)
            }
        case (let bytes?, _): files = bytes
        case (nil, _):
            files = try MappedBytes(count: images.count, identity: watch.identity) { memory in
                try translatingErrors { try images.read(into: memory.bindMemory(to: UInt8.self)) }
            }
        }
        if let digest = header.storedDigest { files.expect(digest: digest) }
        openedFiles = files
        return files
    }

    private func open() throws -> any PixelStorage {
        if let pictures = header.encoded {
            return EncodedPixels(pictures, files: try files(), place: images.place, names: names)
        }
        if let foreign = header.foreign, !foreign.isPlain {
            let raw = try elements()
            let pixels = ConvertedPixels(foreign, raw: raw, watch: watch)
            guard case .inMemory(let threads) = chunks, raw == nil || raw is ChunkedBytes else { return pixels }
            return try inMemory { try pixels.readAll(into: $0, threads: threads) }
        }
        guard let elements = try elements() else {
            return try inMemory { memory in try translatingErrors { try readByLibrary(into: memory) } }
        }
        guard let bytes = elements as? ChunkedBytes, case .inMemory(let threads) = chunks else { return elements }
        return try inMemory { try bytes.readAll(into: $0, threads: threads) }
    }

    /// The elements of the images as they lie in the file; nil where only the library understands them.
    private func elements() throws -> (any PixelStorage)? {
        guard images.elementType == .uint8 || images.elementType == .float32 else { return nil }
        let elementBytes = images.elementType == .uint8 ? 1 : 4
        if let offset = images.fileOffset, offset % elementBytes == 0 {
            let count = images.count * elementBytes
            return count < FileBytes.leastBytes
                ? try MappedBytes(watch, offset: offset, count: count)
                : try FileBytes(watch, offset: offset, count: count)
        }
        return try translatingErrors { try images.chunkTable() }
            .map { ChunkedBytes(watch, table: $0, place: images.place) }
    }

    private func inMemory(_ fill: (UnsafeMutableRawBufferPointer) throws -> Void) throws -> MappedBytes {
        try MappedBytes(count: header.byteCount, identity: watch.identity, filledBy: fill)
    }

    private func readByLibrary(into memory: UnsafeMutableRawBufferPointer) throws {
        switch images.elementType {
        case .uint8: try images.read(into: memory.bindMemory(to: UInt8.self))
        case .float64: try readNarrowing(into: memory.bindMemory(to: Float.self))
        default: try images.read(into: memory.bindMemory(to: Float.self))
        }
    }

    /// Reads float64 images as float32, a few at a time. Throws: `Failure(.badData)` for a number that is too large.
    private func readNarrowing(into target: UnsafeMutableBufferPointer<Float>) throws {
        let perImage = images.shape.dropFirst().reduce(1, *)
        let rows = min(images.shape[0], images.rowsPerRead(atLeast: (1 << 17) / perImage))
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
}

extension ThreadPool {
    /// Runs units 0 ..< count. Throws: what the first unit that failed threw, in the order of their numbers.
    func runThrowing(_ count: Int, _ body: @escaping (Int) throws -> Void) throws {
        let failures = Mutex<[Int: any Error]>([:])
        run(count) { unit, _ in
            do { try body(unit) } catch { failures.withLock { $0[unit] = error } }
        }
        if let first = failures.withLock({ $0.min { $0.key < $1.key }?.value }) { throw first }
    }
}
