/// Storage that makes whole images: what is asked for in other portions is cut from them.
protocol ImageStorage: PixelStorage {
    var imageCount: Int { get }
    var imageBytes: Int { get }
    /// Images that are worth making together.
    var imagesPerPiece: Int { get }

    /// Makes neighbouring images. Throws: `Failure`.
    func read(_ images: Range<Int>, to target: UnsafeMutableRawPointer) throws
}

extension ImageStorage {
    var isMapped: Bool { false }

    func copy(_ range: Range<Int>, to target: UnsafeMutableRawPointer) throws {
        var place = range.lowerBound
        while place < range.upperBound {
            let (image, offset) = place.quotientAndRemainder(dividingBy: imageBytes)
            let here = target + (place - range.lowerBound)
            let whole = offset == 0 ? (range.upperBound - place) / imageBytes : 0
            if whole > 0 {
                try read(image..<image + whole, to: here)
                place += whole * imageBytes
            } else {
                let pixels = UnsafeMutableRawPointer.allocate(byteCount: imageBytes, alignment: 64)
                defer { pixels.deallocate() }
                try read(image..<image + 1, to: pixels)
                let count = min(imageBytes - offset, range.upperBound - place)
                here.copyMemory(from: pixels + offset, byteCount: count)
                place += count
            }
        }
    }

    func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        let piece = UnsafeMutableRawBufferPointer.allocate(
            byteCount: min(imagesPerPiece, imageCount) * imageBytes, alignment: 64)
        defer { piece.deallocate() }
        for start in stride(from: 0, to: imageCount, by: imagesPerPiece) {
            let count = min(imagesPerPiece, imageCount - start)
            try read(start..<start + count, to: piece.baseAddress!)
            try body(UnsafeRawBufferPointer(rebasing: piece[..<(count * imageBytes)]))
        }
        try confirm()
    }
}
