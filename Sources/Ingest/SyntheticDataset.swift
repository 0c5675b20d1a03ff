internal import Diagnostics

/// The built-in data: ten classes of drawn glyphs, 28×28, gray.
///
/// Deterministic: equal arguments give equal bytes on any machine. Test pictures do not depend on the number of train
/// pictures, nor these on theirs. Class of sample i: i mod 10.
package enum SyntheticDataset {
    package static let defaultTrainCount = 12_000
    package static let defaultTestCount = 2_000
    package static let defaultSeed: UInt64 = 1
    /// Sample ids of the test split begin here, beyond those of any train split.
    private static let firstTestID: UInt64 = 1 << 32
    private static let largestCount = 1_000_000

    /// Draws and writes the dataset file. Throws: 64 for counts out of range, 73 and 74 for the output.
    @discardableResult
    package static func write(
        to path: String, train: Int = defaultTrainCount, test: Int = defaultTestCount, seed: UInt64 = defaultSeed,
        options: ConversionOptions = ConversionOptions()
    ) throws -> ConversionReport {
        for (name, count) in [("--train", train), ("--test", test)] {
            guard (1...largestCount).contains(count) else {
                throw Failure(.usage, "\(name) \(count), expected 1…\(largestCount)")
            }
        }
        let writer = try DatasetWriter(path: path, classes: GlyphShapes.names, options: options)
        for (name, count, firstID) in [("train", train, 0), ("test", test, firstTestID)] {
            let labels = (0..<count).map { UInt8($0 % GlyphShapes.names.count) }
            try writer.beginSplit(
                DatasetWriter.Split(
                    name: name, labels: labels, height: GlyphPainter.side, width: GlyphPainter.side, channels: 1))
            try draw(labels, firstID: firstID, seed: seed, to: writer)
            try writer.endSplit()
        }
        return try writer.finish(
            command: [
                "swift-train", "convert", "synthetic", "--train", "\(train)", "--test", "\(test)", "--seed", "\(seed)",
            ],
            sources: "[]", preprocessing: JSONText.object([("drawn", JSONText.string("glyphs, version 1"))]))
    }

    private static func draw(_ labels: [UInt8], firstID: UInt64, seed: UInt64, to writer: DatasetWriter) throws {
        var painter = GlyphPainter(seed: seed)
        let imagesPerPiece = DatasetWriter.imagesPerPiece(imageBytes: GlyphPainter.pixelCount)
        let piece = UnsafeMutableBufferPointer<UInt8>.allocate(capacity: imagesPerPiece * GlyphPainter.pixelCount)
        defer { piece.deallocate() }
        for start in stride(from: 0, to: labels.count, by: imagesPerPiece) {
            let count = min(imagesPerPiece, labels.count - start)
            for index in 0..<count {
                let pixels = piece[index * GlyphPainter.pixelCount..<(index + 1) * GlyphPainter.pixelCount]
                painter.draw(
                    id: firstID + UInt64(start + index), label: Int(labels[start + index]),
                    into: UnsafeMutableBufferPointer(rebasing: pixels))
            }
            try writer.append(UnsafeBufferPointer(rebasing: piece[0..<count * GlyphPainter.pixelCount]))
        }
    }
}
