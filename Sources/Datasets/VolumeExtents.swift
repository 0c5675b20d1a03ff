package import Tensors

/// What has the extents of an image, [H, W, C], or of a volume, [D, H, W, C].
///
/// The slices of a volume lie one below the other: its bytes are those of an image whose height counts the rows of all slices.
package protocol ImageExtents {
    /// Rows; of a volume those of all slices.
    var height: Int { get }
    var width: Int { get }
    var channels: Int { get }
    /// Slices that the rows are cut into; nil for an image.
    var slices: Int? { get }
}

extension ImageExtents {
    /// As a network takes it: [C, H, W] or [C, D, H, W].
    package var networkShape: Shape {
        slices.map { [channels, $0, height / $0, width] } ?? [channels, height, width]
    }
    /// As it is stored: [H, W, C] or [D, H, W, C].
    package var extents: [Int] { slices.map { [$0, height / $0, width, channels] } ?? [height, width, channels] }
    /// `28×28×1`, `16×28×28×1`.
    package var sizeText: String { extents.map(String.init).joined(separator: "×") }
}
