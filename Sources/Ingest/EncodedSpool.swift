internal import Digests
internal import Files
internal import HDF5

/// Encoded pictures of a split on their way to the dataset file, which takes them once their bytes have been counted.
///
/// They wait in a file without a name in the folder of the output.
final class EncodedSpool {
    private let file: TemporaryFile
    private var hash = SHA256()
    /// Where each picture begins, and the number of bytes so far.
    private var offsets: [Int64] = [0]
    private static let pieceBytes = 1 << 20

    /// Throws: `Failure(.cannotCreate)`.
    init(for path: String) throws {
        file = try TemporaryFile(for: path)
        // Whatever ends the process, nothing is left.
        file.dropName()
    }

    /// Throws: `Failure(.inputOutput)`.
    func append(_ picture: UnsafeRawBufferPointer) throws {
        try file.write(picture)
        hash.update(picture)
        offsets.append(offsets[offsets.count - 1] + Int64(picture.count))
    }

    /// Writes `encoded` and `offsets` into a group. Returns the SHA-256 of the pictures' bytes. Throws: `Failure`, `HDF5Error`.
    func write(to target: HDF5File, group: String) throws -> String {
        let count = Int(offsets[offsets.count - 1])
        let dataset = try target.createDataset(
            "\(group)/encoded", shape: [count], type: .uint8, storage: .contiguous)
        let piece = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: min(count, Self.pieceBytes))
        defer { piece.deallocate() }
        for start in stride(from: 0, to: count, by: Self.pieceBytes) {
            let rows = start..<min(start + Self.pieceBytes, count)
            let part = UnsafeMutableBufferPointer(rebasing: piece[..<rows.count])
            try file.read(into: UnsafeMutableRawBufferPointer(part), at: start)
            try dataset.write(rows: rows, UnsafeBufferPointer(part))
        }
        try target.write("\(group)/offsets", shape: [offsets.count], offsets)
        var complete = SHA256()
        swap(&hash, &complete)
        return complete.hexadecimal()
    }
}
