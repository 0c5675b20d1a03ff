/// The shape of an image, [H, W, C], or of a volume, [D, H, W, C], and the type of its elements.
package struct ImageShape: ImageExtents, Equatable, Sendable {
    package var height: Int
    package var width: Int
    package var channels: Int
    package var slices: Int?
    package var type: PixelType

    /// `height` counts the rows of all `slices`.
    package init(height: Int, width: Int, channels: Int, slices: Int? = nil, type: PixelType = .uint8) {
        (self.height, self.width, self.channels, self.slices, self.type) = (height, width, channels, slices, type)
    }

    /// Number of elements.
    package var count: Int { height * width * channels }
    package var bytes: Int { count * type.byteCount }
    /// `28×28×1`
    package var text: String { sizeText }
}
