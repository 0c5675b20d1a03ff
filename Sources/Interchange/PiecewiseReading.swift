/// Reads a run of numbers in pieces, so that converting them takes no memory of their size.
enum PiecewiseReading {
    private static let valuesPerPiece = 1 << 17

    /// `fill` is called with one buffer after the other, which it fills with the numbers' bytes in order.
    static func read(
        _ type: ElementType, into values: UnsafeMutableBufferPointer<Float>,
        fill: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws {
        guard type != .float32 else {
            try fill(UnsafeMutableRawBufferPointer(values))
            for index in values.indices {
                values[index] = Float(bitPattern: UInt32(littleEndian: values[index].bitPattern))
            }
            return
        }
        let piece = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(valuesPerPiece, max(values.count, 1)) * type.byteCount, alignment: 64)
        defer { piece.deallocate() }
        for start in stride(from: 0, to: values.count, by: valuesPerPiece) {
            let count = min(valuesPerPiece, values.count - start)
            let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<(count * type.byteCount)])
            try fill(part)
            type.convert(
                UnsafeRawBufferPointer(part), to: UnsafeMutableBufferPointer(rebasing: values[start..<start + count]))
        }
    }
}
