internal import Files

/// Reads a run of numbers in pieces, so that converting them takes no memory of their size.
enum PiecewiseReading {
    private static let pieceBytes = 1 << 20

    static func read(
        _ file: InputFile, _ place: Range<Int>, _ type: ElementType, into values: UnsafeMutableBufferPointer<Float>
    ) throws {
        precondition(place.count == values.count * type.byteCount, "\(place.count) bytes for \(values.count) values")
        guard type != .float32 else {
            return try file.fill(UnsafeMutableRawBufferPointer(values), at: place.lowerBound)
        }
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: min(pieceBytes, max(place.count, 1)), alignment: 64)
        defer { piece.deallocate() }
        let valuesPerPiece = pieceBytes / type.byteCount
        for start in stride(from: 0, to: values.count, by: valuesPerPiece) {
            let count = min(valuesPerPiece, values.count - start)
            let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<(count * type.byteCount)])
            try file.fill(part, at: place.lowerBound + start * type.byteCount)
            type.convert(
                UnsafeRawBufferPointer(part), to: UnsafeMutableBufferPointer(rebasing: values[start..<start + count]))
        }
    }
}
