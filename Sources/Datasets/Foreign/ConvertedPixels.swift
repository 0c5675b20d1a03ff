internal import Diagnostics
internal import Glibc
internal import HDF5
internal import Synchronization

/// The images of another layout or type as pixels, [N, H, W, C], converted when they are asked for.
///
/// What the program can read itself (uint8 and float32 in this machine's order) is read outside libhdf5; everything else by the
/// library, one thread at a time.
final class ConvertedPixels: PixelStorage, @unchecked Sendable {
    private let images: ForeignImages
    /// The elements as they lie in the file; nil where the library reads them.
    private let raw: (any PixelStorage)?
    private let watch: FileWatch
    /// Held while the library reads.
    private let library = Mutex(())

    private var imageBytes: Int { images.height * images.width * images.channels * images.values.pixelType.byteCount }
    private var elements: Int { images.height * images.width * images.channels }
    private var rawBytes: Int { elements * (images.dataset.elementType == .uint8 ? 1 : 4) }
    private static let pieceBytes = 1 << 20

    init(_ images: ForeignImages, raw: (any PixelStorage)?, watch: FileWatch) {
        (self.images, self.raw, self.watch) = (images, raw, watch)
    }

    var isMapped: Bool { false }
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

    func copy(_ range: Range<Int>, to target: UnsafeMutableRawPointer) throws {
        var place = range.lowerBound
        while place < range.upperBound {
            let image = place / imageBytes
            let offset = place - image * imageBytes
            let count = min(imageBytes - offset, range.upperBound - place)
            let here = target + (place - range.lowerBound)
            if count == imageBytes {
                try read(image, to: here)
            } else {
                let whole = UnsafeMutableRawPointer.allocate(byteCount: imageBytes, alignment: 64)
                defer { whole.deallocate() }
                try read(image, to: whole)
                here.copyMemory(from: whole + offset, byteCount: count)
            }
            place += count
        }
    }

    func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let perPiece = max(1, Self.pieceBytes / imageBytes)
        let piece = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(perPiece, images.count) * imageBytes, alignment: 64)
        defer { piece.deallocate() }
        for start in stride(from: 0, to: images.count, by: perPiece) {
            let count = min(perPiece, images.count - start) * imageBytes
            try copy(start * imageBytes..<start * imageBytes + count, to: piece.baseAddress!)
            try body(UnsafeRawBufferPointer(rebasing: piece[..<count]))
        }
        try confirm()
    }

    private func read(_ image: Int, to target: UnsafeMutableRawPointer) throws {
        guard let raw else {
            let numbers = UnsafeMutableBufferPointer<Double>.allocate(capacity: elements)
            defer { numbers.deallocate() }
            try library.withLock { _ in
                try translatingErrors { try images.dataset.readNumbers(rows: image..<image + 1, into: numbers) }
            }
            return images.convert(UnsafePointer(numbers.baseAddress!), to: target) { $0 }
        }
        let memory = UnsafeMutableRawPointer.allocate(byteCount: rawBytes, alignment: 64)
        defer { memory.deallocate() }
        try raw.copy(image * rawBytes..<(image + 1) * rawBytes, to: memory)
        if images.dataset.elementType == .uint8 {
            images.convert(UnsafePointer(memory.assumingMemoryBound(to: UInt8.self)), to: target) { Double($0) }
        } else {
            images.convert(UnsafePointer(memory.assumingMemoryBound(to: Float.self)), to: target) { Double($0) }
        }
    }
}
