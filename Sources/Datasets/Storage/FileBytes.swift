internal import Digests
internal import Glibc

/// Bytes of a file that are read when they are asked for: of data so large that a map of all that was ever used would fill the
/// memory of the process.
final class FileBytes: PixelStorage {
    /// From here on files are not mapped.
    static let leastBytes = 2 << 30

    private let watch: FileWatch
    private let offset: Int
    private let count: Int
    private static let pieceBytes = 1 << 24

    /// A range of the file, which must hold it.
    init(_ watch: FileWatch, offset: Int, count: Int) throws {
        try watch.require(offset: offset, count: count)
        (self.watch, self.offset, self.count) = (watch, offset, count)
    }

    var isMapped: Bool { false }
    var identity: FileIdentity? { watch.identity }

    func expect(digest: String) { watch.expect(digest: digest) }

    func copy(_ range: Range<Int>, to target: UnsafeMutableRawPointer) throws {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "bytes \(range) of \(count)")
        try watch.read(range.count, at: offset + range.lowerBound, to: target)
    }

    func prepare(_ range: Range<Int>) {
        posix_fadvise(
            watch.descriptor, off_t(offset + range.lowerBound), off_t(range.count), Int32(POSIX_FADV_WILLNEED))
    }

    func confirm() throws { try watch.confirm(currentDigest: currentDigest) }

    func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        try read(body)
        try confirm()
    }

    private func read(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: min(count, Self.pieceBytes), alignment: 64)
        defer { piece.deallocate() }
        guard let base = piece.baseAddress else { return }
        for start in stride(from: 0, to: count, by: piece.count) {
            let size = min(count - start, piece.count)
            try watch.read(size, at: offset + start, to: base)
            try body(UnsafeRawBufferPointer(rebasing: piece[..<size]))
        }
    }

    private func currentDigest() -> String? {
        var hash = SHA256()
        guard (try? read { hash.update($0) }) != nil else { return nil }
        return hash.hexadecimal()
    }
}
