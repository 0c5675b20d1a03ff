package import Files

/// Writes NumPy's format for one array. Source: NumPy, lib/format.py, version 1.0.
package enum NPYWriter {
    /// The elements begin at a multiple of this.
    private static let alignment = 64

    /// Appends header and elements, little-endian float32 in row-major order, to a file. Throws: `Failure`.
    package static func write(_ values: [Float], shape: [Int], to file: TemporaryFile) throws {
        precondition(values.count == shape.reduce(1, *), "\(values.count) values for \(shape)")
        let extents = shape.map { "\($0)," }.joined(separator: " ")
        var header = "{'descr': '<f4', 'fortran_order': False, 'shape': (\(extents)), }"
        let start: [UInt8] = [0x93] + Array("NUMPY".utf8) + [1, 0]
        let used = start.count + 2 + header.utf8.count + 1
        header += String(repeating: " ", count: (alignment - used % alignment) % alignment) + "\n"
        let length = UInt16(header.utf8.count)
        let bytes = start + [UInt8(length & 255), UInt8(length >> 8)] + Array(header.utf8)
        try bytes.withUnsafeBytes { try file.write($0) }
        try values.map { $0.bitPattern.littleEndian }.withUnsafeBytes { try file.write($0) }
    }
}
