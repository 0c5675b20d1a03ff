/// The images and labels of one split.
///
/// Sendable: nothing changes after init; the image bytes belong to `storage`, which lives as long as the split.
package final class DatasetSplit: SampleSource, @unchecked Sendable {
    package let name: String
    /// Number of images.
    package let count: Int
    package let height: Int
    package let width: Int
    package let channels: Int
    package let pixelType: PixelType
    /// Class numbers, each within the file's classes.
    package let labels: [Int32]
    /// Mean and standard deviation per channel of the train split, pixels in 0…1. The deviation of a constant channel is 0.
    /// Both are empty where the file does not hold them.
    package let mean: [Float]
    package let std: [Float]
    /// True when the images are pages of the file, false when they are a copy in memory.
    package var isMapped: Bool { storage.isMapped }
    /// All images, [N, H, W, C], little-endian. Their file may change: see `MappedBytes`.
    let storage: MappedBytes

    init(_ header: DatasetSplitHeader, storage: MappedBytes) {
        name = header.name
        count = header.count
        height = header.height
        width = header.width
        channels = header.channels
        pixelType = header.pixelType
        labels = header.labels
        mean = header.mean
        std = header.std
        self.storage = storage
    }

    /// A split with other samples, in memory, and all else as in `source`.
    init(_ source: DatasetSplit, labels: [Int32], storage: MappedBytes) {
        name = source.name
        count = labels.count
        height = source.height
        width = source.width
        channels = source.channels
        pixelType = source.pixelType
        self.labels = labels
        mean = source.mean
        std = source.std
        self.storage = storage
    }

    package func fill(_ slot: UnsafeMutableRawPointer, sample: Int) throws {
        precondition(sample >= 0 && sample < count, "sample \(sample) of \(count)")
        let bytes = height * width * channels * pixelType.byteCount
        slot.copyMemory(from: storage.bytes.baseAddress! + sample * bytes, byteCount: bytes)
    }

    package func confirm() throws { try storage.confirm() }
}
