internal import Diagnostics

/// The image bytes of a split, wherever they lie: [N, H, W, C], little-endian.
///
/// Several threads use it at once. What it hands out counts only after `confirm`.
protocol PixelStorage: AnyObject, Sendable {
    /// True when the images are pages of the file.
    var isMapped: Bool { get }
    /// What the file was when it was opened; nil for bytes of no file.
    var identity: FileIdentity? { get }

    /// Copies a range of the bytes. Traps: bytes that do not exist. Throws: `Failure`.
    func copy(_ range: Range<Int>, to target: UnsafeMutableRawPointer) throws
    /// Gives all bytes to `body` in pieces, in order. Throws: what `body` throws, and what `confirm` throws.
    func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws
    /// Throws: `Failure(.inputOutput)` when bytes that were read may not be those of the start.
    func confirm() throws
    /// What the bytes must be if the file is touched: their SHA-256. Unknown, every change counts.
    func expect(digest: String)

    /// Bytes that are read together; 1 where there is no such unit.
    var unitBytes: Int { get }
    /// From now on keeps at least so many bytes at hand after reading them.
    func keep(bytes: Int)
    /// Reads what will soon be asked for, or asks the system to.
    func prepare(_ range: Range<Int>)
}

extension PixelStorage {
    var unitBytes: Int { 1 }
    func keep(bytes: Int) {}
    func prepare(_ range: Range<Int>) {}
}
