internal import Diagnostics
internal import Glibc
internal import HDF5
internal import Synchronization
internal import Tensors

/// The images of another layout or type as pixels, [N, H, W, C], converted when they are asked for.
///
/// What the program can read itself (uint8 and float32 in this machine's order) is read outside libhdf5; everything else by the
/// library, one thread at a time.
final class ConvertedPixels: ImageStorage, @unchecked Sendable {
    private let images: ForeignImages
    /// The elements as they lie in the file; nil where the library reads them.
    let raw: (any PixelStorage)?
    private let watch: FileWatch
    /// Held while the library reads.
    private let library = Mutex(())

    var imageCount: Int { images.count }
    var imageBytes: Int { images.height * images.width * images.channels * images.values.pixelType.byteCount }
    private var elements: Int { images.height * images.width * images.channels }
    private var rawBytes: Int { elements * (images.dataset.elementType == .uint8 ? 1 : 4) }
    private static let pieceBytes = 1 << 20

    init(_ images: ForeignImages, raw: (any PixelStorage)?, watch: FileWatch) {
        (self.images, self.raw, self.watch) = (images, raw, watch)
    }

    var identity: FileIdentity? { watch.identity }
    var unitBytes: Int { raw.map { max(1, $0.unitBytes / rawBytes) * imageBytes } ?? 1 }
    /// A file that was touched counts as changed: what is known is the digest of other bytes.
    func expect(digest: String) {}
    func keep(bytes: Int) { raw?.keep(bytes: (bytes + imageBytes - 1) / imageBytes * rawBytes) }
    func prepare(_ range: Range<Int>) {
        raw?.prepare(
            range.lowerBound / imageBytes * rawBytes..<(range.upperBound + imageBytes - 1) / imageBytes * rawBytes)
    }
    func confirm() throws {
        try raw?.confirm()
        try watch.confirm { nil }
    }

    /// Converts everything to memory on some threads, on one where the library reads. Throws: `Failure`; what the system says when
    /// it refuses a thread.
    func readAll(into memory: UnsafeMutableRawBufferPointer, threads: Int) throws {
        precondition(memory.count == images.count * imageBytes, "\(images.count) images into \(memory.count) bytes")
        guard let base = memory.baseAddress else { return }
        let perUnit = imagesPerPiece
        let units = (images.count + perUnit - 1) / perUnit
        let pool = try ThreadPool(threads: raw == nil ? 1 : max(1, min(threads, units)))
        raw?.keep(bytes: pool.threads * perUnit * rawBytes)
        try pool.runThrowing(units) { unit in
            let start = unit * perUnit
            try self.read(
                start..<min(start + perUnit, self.images.count), to: base + start * self.imageBytes)
        }
        try confirm()
    }

    /// Images that are read together: whole units of storage, and about a mebibyte.
    var imagesPerPiece: Int {
        let least = max(1, Self.pieceBytes / imageBytes)
        guard let raw else { return images.dataset.rowsPerRead(atLeast: least) }
        let unit = max(1, raw.unitBytes / rawBytes)
        return (least + unit - 1) / unit * unit
    }

    func read(_ range: Range<Int>, to target: UnsafeMutableRawPointer) throws {
        guard let raw else {
            let numbers = UnsafeMutableBufferPointer<Double>.allocate(capacity: range.count * elements)
            defer { numbers.deallocate() }
            try library.withLock { _ in
                try translatingErrors { try images.dataset.readNumbers(rows: range, into: numbers) }
            }
            return convert(UnsafePointer(numbers.baseAddress!), range.count, to: target) { $0 }
        }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: range.count * rawBytes, alignment: 64)
        defer { memory.deallocate() }
        try raw.copy(range.lowerBound * rawBytes..<range.upperBound * rawBytes, to: memory)
        if images.dataset.elementType == .uint8 {
            convert(UnsafePointer(memory.assumingMemoryBound(to: UInt8.self)), range.count, to: target) { Double($0) }
        } else {
            convert(UnsafePointer(memory.assumingMemoryBound(to: Float.self)), range.count, to: target) { Double($0) }
        }
    }

    private func convert<Element>(
        _ source: UnsafePointer<Element>, _ count: Int, to target: UnsafeMutableRawPointer,
        _ number: (Element) -> Double
    ) {
        for image in 0..<count {
            images.convert(source + image * elements, to: target + image * imageBytes, number)
        }
    }
}
