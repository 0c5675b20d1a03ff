/// The shape of an image, [H, W, C], and the type of its elements.
package struct ImageShape: Equatable, Sendable {
    package var height: Int
    package var width: Int
    package var channels: Int
    package var type: PixelType

    package init(height: Int, width: Int, channels: Int, type: PixelType = .uint8) {
        (self.height, self.width, self.channels, self.type) = (height, width, channels, type)
    }

    /// Number of elements.
    package var count: Int { height * width * channels }
    package var bytes: Int { count * type.byteCount }
    /// `28×28×1`
    package var text: String { "\(height)×\(width)×\(channels)" }
}
