internal import Datasets
internal import Diagnostics
internal import Report

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
        return try Conversion(
            source: SyntheticImages(train: train, test: test, seed: seed, firstTestID: firstTestID),
            command: [
                "swift-train", "convert", "synthetic", "--train", "\(train)", "--test", "\(test)", "--seed", "\(seed)",
            ], options: options
        ).run(to: path)
    }
}

private final class SyntheticImages: ImageSource {
    let form = ImageForm.pixels(ImageShape(height: GlyphPainter.side, width: GlyphPainter.side, channels: 1))
    let classes = GlyphShapes.names
    let splits: [SourceSplit]
    let isConcurrent = true
    let paths: [String] = []
    let preprocessing = [JSON.Member("drawn", "glyphs, version 1")]
    private let seed: UInt64
    private let firstIDs: [UInt64]

    init(train: Int, test: Int, seed: UInt64, firstTestID: UInt64) {
        self.seed = seed
        firstIDs = [0, firstTestID]
        splits = [("train", train), ("test", test)].enumerated().map { part, split in
            SourceSplit(
                name: split.0, part: part, samples: Array(0..<split.1),
                labels: (0..<split.1).map { Int32($0 % GlyphShapes.names.count) }, names: [])
        }
    }

    func rewind(to part: Int) {}

    func fetch(_ samples: ArraySlice<Int>, of part: Int, head: Int?, into images: FetchedImages) {
        var painter = GlyphPainter(seed: seed)
        for sample in samples {
            painter.draw(
                id: firstIDs[part] + UInt64(sample), label: sample % GlyphShapes.names.count,
                into: images.room(GlyphPainter.pixelCount).bindMemory(to: UInt8.self))
            images.fill(GlyphPainter.pixelCount)
            images.endImage()
        }
    }

    func sources(_ files: EncodedFiles) -> JSON { [] }
}
