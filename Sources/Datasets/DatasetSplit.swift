/// The images and labels of one split.
///
/// Sendable: nothing changes after init; the image bytes belong to `storage`, which lives as long as the split.
package final class DatasetSplit: @unchecked Sendable {
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
    package let mean: [Float]
    package let std: [Float]
    /// All images, [N, H, W, C], little-endian; valid as long as this object, so hold the split while the bytes are in use.
    package var images: UnsafeRawBufferPointer { storage.bytes }
    /// Bytes of one image.
    package var imageBytes: Int { height * width * channels * pixelType.byteCount }
    /// True when the images are pages of the file, false when they are a copy in memory.
    package let isMapped: Bool

    private let storage: MappedBytes

    init(_ header: DatasetSplitHeader, storage: MappedBytes, isMapped: Bool) {
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
        self.isMapped = isMapped
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
        isMapped = false
    }
}
