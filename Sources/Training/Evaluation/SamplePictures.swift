package import Datasets
package import Pictures

/// Samples as pictures to look at.
package struct SamplePictures {
    package let source: any SampleSource

    package init(_ source: any SampleSource) { self.source = source }

    /// The image as it is stored, of a volume the middle slice; floats from 0…1. Throws: `Failure`.
    package func picture(of sample: Int) throws -> PixelImage {
        let bytes = try shown(bytes(of: sample))
        guard source.pixelType == .float32 else { return Self.picture(bytes, shape) }
        let pixels = bytes.withUnsafeBytes { raw in
            raw.bindMemory(to: Float.self).map { $0.isFinite ? UInt8(min(max($0, 0), 1) * 255 + 0.5) : 0 }
        }
        return Self.picture(pixels, shape)
    }

    /// The image as an augmentation of uint8 images makes it in the first epochs. Throws: `Failure`.
    package func augmented(
        _ sample: Int, _ augmentation: Augmentation, seed: UInt64, epochs: Int
    ) throws -> [PixelImage] {
        let stored = try bytes(of: sample)
        let scratch = TransformScratch()
        return (0..<epochs).map { epoch in
            let pixels = [UInt8](unsafeUninitializedCapacity: augmentation.output.count) { target, count in
                guard let start = target.baseAddress else { return }
                augmentation.apply(stored, to: start, seed: seed, epoch: epoch, sample: sample, scratch: scratch)
                count = augmentation.output.count
            }
            return Self.picture(pixels, augmentation.output)
        }
    }

    /// The images whose true class is least probable, the worst first: true class, predicted class, probabilities.
    ///
    /// Throws: `Failure`.
    package func worst(
        _ count: Int, of outcomes: SampleOutcomes, classNames: [String]
    ) throws -> [ContactSheet.Cell] {
        try SampleOutcome.worst(outcomes.outcomes, count: count).map { sample in
            let words = outcomes.words(of: sample, classNames: classNames)
            return ContactSheet.Cell(
                image: try picture(of: sample), captions: [words.truth, words.predicted, words.probabilities])
        }
    }

    /// Of what is shown.
    package var shape: ImageShape {
        ImageShape(height: source.height / (source.slices ?? 1), width: source.width, channels: source.channels)
    }

    /// The middle one of a volume's slices, of an even number the later one.
    private func shown(_ bytes: [UInt8]) -> [UInt8] {
        guard let slices = source.slices else { return bytes }
        let slice = bytes.count / slices
        return Array(bytes[slices / 2 * slice..<(slices / 2 + 1) * slice])
    }

    private func bytes(of sample: Int) throws -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: source.imageBytes)
        try bytes.withUnsafeMutableBytes { try source.fill($0.baseAddress!, sample: sample) }
        try source.confirm()
        return bytes
    }

    /// Three channels as red, green and blue; of other numbers of them the first.
    private static func picture(_ bytes: [UInt8], _ shape: ImageShape) -> PixelImage {
        guard shape.channels != 1, shape.channels != 3 else {
            return PixelImage(width: shape.width, height: shape.height, channels: shape.channels, pixels: bytes)
        }
        let first = stride(from: 0, to: bytes.count, by: shape.channels).map { bytes[$0] }
        return PixelImage(width: shape.width, height: shape.height, channels: 1, pixels: first)
    }
}
