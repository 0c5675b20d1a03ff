internal import Diagnostics
internal import Digests
internal import Glibc
internal import HDF5
internal import Synchronization
internal import Tensors

/// The bytes of a chunked dataset, read and unpacked outside libhdf5, by as many threads as ask for them.
///
/// A unit is a row of chunks: all those that hold the same images. The last units are kept.
final class ChunkedBytes: PixelStorage {
    private let watch: FileWatch
    private let table: HDF5ChunkTable
    private let filters: ChunkFilters
    private let cache: UnitCache
    /// File and dataset, for messages.
    private let place: String
    private let imageBytes: Int
    private let byteCount: Int
    private let chunksPerUnit: Int
    /// Extents of an image, of a chunk of it and of the grid of such chunks along the axes behind the first, made up to three with 1.
    private let axes: [(extent: Int, chunk: Int, grid: Int)]
    let unitBytes: Int
    private let reads = Atomic(0)

    /// How many units were read and unpacked so far.
    var unitsRead: Int { reads.load(ordering: .relaxed) }

    /// `table` is that of a dataset in the watched file: rows of bytes, gray images or images with channels.
    ///
    /// Traps: more than four dimensions.
    init(_ watch: FileWatch, table: HDF5ChunkTable, place: String) {
        self.watch = watch
        self.table = table
        self.place = place
        filters = ChunkFilters(
            filters: table.filters, elementBytes: table.elementBytes, chunkBytes: table.chunkBytes)
        imageBytes = table.shape.dropFirst().reduce(table.elementBytes, *)
        byteCount = table.shape[0] * imageBytes
        chunksPerUnit = table.grid.dropFirst().reduce(1, *)
        precondition((1...4).contains(table.shape.count), "chunks of \(table.shape.count) dimensions")
        let inner = (1..<table.shape.count).map { (table.shape[$0], table.chunkShape[$0], table.grid[$0]) }
        axes = inner + Array(repeating: (1, 1, 1), count: 3 - inner.count)
        unitBytes = min(table.chunkShape[0], table.shape[0]) * imageBytes
        cache = UnitCache(capacity: 2)
    }

    var isMapped: Bool { false }
    var identity: FileIdentity? { watch.identity }
    private var units: Int { table.grid[0] }

    func expect(digest: String) { watch.expect(digest: digest) }

    func confirm() throws { try watch.confirm(currentDigest: currentDigest) }

    func copy(_ range: Range<Int>, to target: UnsafeMutableRawPointer) throws {
        precondition(range.lowerBound >= 0 && range.upperBound <= byteCount, "bytes \(range) of \(byteCount)")
        var next = range.lowerBound
        while next < range.upperBound {
            let (number, start) = next.quotientAndRemainder(dividingBy: unitBytes)
            let count = min(range.upperBound - next, unitBytes - start)
            let unit = try unit(number)
            (target + next - range.lowerBound).copyMemory(from: unit.bytes + start, byteCount: count)
            next += count
        }
    }

    func keep(bytes: Int) { cache.keep((bytes + unitBytes - 1) / unitBytes + 2) }

    func prepare(_ range: Range<Int>) {
        // Trouble comes again when the samples are asked for.
        for number in range.lowerBound / unitBytes...(range.upperBound - 1) / unitBytes { _ = try? unit(number) }
    }

    func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try telling { try read(body) }
        try confirm()
    }

    /// Unpacks everything to memory on some threads. Throws: `Failure`; what the system says when it refuses a thread.
    func readAll(into memory: UnsafeMutableRawBufferPointer, threads: Int) throws {
        precondition(memory.count == byteCount, "\(byteCount) bytes into \(memory.count)")
        guard let base = memory.baseAddress else { return }
        let pool = try ThreadPool(threads: max(1, min(threads, units)))
        try telling {
            try pool.runThrowing(units) { number in
                let unit = try self.read(unit: number)
                let start = number * self.unitBytes
                (base + start).copyMemory(from: unit.bytes, byteCount: min(self.unitBytes, self.byteCount - start))
            }
        }
        try confirm()
    }

    private func unit(_ number: Int) throws -> UnitCache.Unit {
        try telling { try cache.unit(number) { try read(unit: number) } }
    }

    /// Runs `body`; of a file that has changed it is said that it has, not that it is damaged.
    private func telling<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch {
            try confirm()
            throw error
        }
    }

    private func read(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        for number in 0..<units {
            let unit = try read(unit: number)
            try body(
                UnsafeRawBufferPointer(start: unit.bytes, count: min(unitBytes, byteCount - number * unitBytes)))
        }
    }

    private func currentDigest() -> String? {
        var hash = SHA256()
        guard (try? read { hash.update($0) }) != nil else { return nil }
        return hash.hexadecimal()
    }

    // ---- Chunks

    private func read(unit number: Int) throws -> UnitCache.Unit {
        reads.add(1, ordering: .relaxed)
        let chunkBytes = table.chunkBytes
        let chunks = number * chunksPerUnit..<(number + 1) * chunksPerUnit
        let largest = table.chunks[chunks].reduce(0) { max($0, $1.byteCount) }
        let stored = UnsafeMutableRawBufferPointer.allocate(byteCount: max(1, largest), alignment: 64)
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: chunkBytes, alignment: 64)
        defer {
            stored.deallocate()
            scratch.deallocate()
        }
        if isWholeImages {
            let unit = UnitCache.Unit(byteCount: max(unitBytes, chunkBytes))
            try read(chunk: number, stored: stored, scratch: scratch, to: unit.bytes)
            return unit
        }
        let unit = UnitCache.Unit(byteCount: unitBytes)
        let piece = UnsafeMutableRawPointer.allocate(byteCount: chunkBytes, alignment: 64)
        defer { piece.deallocate() }
        for chunk in chunks {
            try read(chunk: chunk, stored: stored, scratch: scratch, to: piece)
            scatter(piece, chunk: chunk, images: min(table.chunkShape[0], table.shape[0]), to: unit.bytes)
        }
        return unit
    }

    /// Whether a chunk's bytes are those of images one after the other.
    private var isWholeImages: Bool { table.chunkShape.dropFirst() == table.shape.dropFirst() }

    private func read(
        chunk number: Int, stored: UnsafeMutableRawBufferPointer, scratch: UnsafeMutableRawPointer,
        to target: UnsafeMutableRawPointer
    ) throws {
        let chunk = table.chunks[number]
        guard let offset = chunk.offset, let base = stored.baseAddress else {
            for place in 0..<table.chunkBytes {
                target.storeBytes(
                    of: table.fillValue[place % table.elementBytes], toByteOffset: place, as: UInt8.self)
            }
            return
        }
        let part = UnsafeMutableRawBufferPointer(rebasing: stored[..<chunk.byteCount])
        try watch.read(chunk.byteCount, at: offset, to: base)
        do {
            try filters.undo(part, skipping: chunk.skippedFilters, scratch: scratch, to: target)
        } catch {
            throw Failure(
                .badData,
                "\(place): the chunk of image \(number / chunksPerUnit * table.chunkShape[0]) at byte \(offset) "
                    + "\(error.reason); the file is damaged. Convert it again.")
        }
    }

    /// Puts the part of a chunk that lies inside the images where it belongs.
    private func scatter(
        _ piece: UnsafeMutableRawPointer, chunk number: Int, images: Int, to unit: UnsafeMutableRawPointer
    ) {
        var rest = number % chunksPerUnit
        var start = [0, 0, 0]
        var count = [0, 0, 0]
        for axis in [2, 1, 0] {
            start[axis] = rest % axes[axis].grid * axes[axis].chunk
            count[axis] = min(axes[axis].chunk, axes[axis].extent - start[axis])
            rest /= axes[axis].grid
        }
        let (width, channels, element) = (axes[1].extent, axes[2].extent, table.elementBytes)
        let (chunkHeight, chunkWidth, chunkChannels) = (axes[0].chunk, axes[1].chunk, axes[2].chunk)
        for image in 0..<images {
            for row in 0..<count[0] {
                for column in 0..<count[1] {
                    let from = ((image * chunkHeight + row) * chunkWidth + column) * chunkChannels
                    let to = ((start[0] + row) * width + start[1] + column) * channels + start[2]
                    (unit + image * imageBytes + to * element).copyMemory(
                        from: piece + from * element, byteCount: count[2] * element)
                }
            }
        }
    }
}
