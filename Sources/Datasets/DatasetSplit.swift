/// The images and labels of one split.
package final class DatasetSplit: SampleSource {
    package let name: String
    /// Number of images.
    package let count: Int
    package let height: Int
    package let width: Int
    package let channels: Int
    package let slices: Int?
    package let pixelType: PixelType
    /// Class numbers, each within the file's classes.
    package let labels: [Int32]
    /// Mean and standard deviation per channel of the train split, pixels in 0…1. The deviation of a constant channel is 0.
    /// Both are empty where the file does not hold them.
    package let mean: [Float]
    package let std: [Float]
    /// True when the images are pages of the file, false when they are a copy in memory.
    package var isMapped: Bool { storage.isMapped }
    let storage: any PixelStorage

    init(_ header: DatasetSplitHeader, storage: any PixelStorage) {
        name = header.name
        count = header.count
        height = header.height
        width = header.width
        channels = header.channels
        slices = header.slices
        pixelType = header.pixelType
        labels = header.labels
        mean = header.mean
        std = header.std
        self.storage = storage
    }

    package func fill(_ slot: UnsafeMutableRawPointer, sample: Int) throws {
        precondition(sample >= 0 && sample < count, "sample \(sample) of \(count)")
        try storage.copy(sample * imageBytes..<(sample + 1) * imageBytes, to: slot)
    }

    package func confirm() throws { try storage.confirm() }

    package func blocks(ofAtLeast samples: Int) -> [Int] {
        let unit = max(1, storage.unitBytes / imageBytes)
        return Array(stride(from: 0, to: count, by: (max(1, samples) + unit - 1) / unit * unit))
    }

    package func keep(samples: Int) { storage.keep(bytes: Int.product(samples, imageBytes)) }

    package func prepare(_ samples: Range<Int>) {
        storage.prepare(samples.lowerBound * imageBytes..<samples.upperBound * imageBytes)
    }
}
