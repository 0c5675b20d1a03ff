internal import CKernels

/// What a convolution finds outside its image.
package enum PaddingMode: String, CaseIterable, Sendable {
    case zeros
    /// The image mirrored at its border, without the border itself.
    case reflect
    /// The nearest place of the image.
    case replicate
    /// The image's other side.
    case circular
}

/// Extends one image [C, spatial extents] on every side with values of its own, or with one value (0 as `zeros` says). Source: torch.nn.functional.pad.
package final class ImagePadding: Sendable {
    package let channels: Int
    package let input: [Int]
    package let padded: [Int]
    /// Places in front of the image along each axis.
    package let before: [Int]
    package let mode: PaddingMode
    package let value: Float
    /// The source place of every padded place, axis by axis, for three axes; −1 where `value` goes.
    private let sources: [[Int32]]

    /// Throws: `WindowArithmetic.Misfit` where the mode has no value for so wide a padding.
    package init(
        image: Shape, sides: [(before: Int, after: Int)], mode: PaddingMode, value: Float = 0
    ) throws(WindowArithmetic.Misfit) {
        precondition(image.rank == sides.count + 1, "\(mode) padding of \(image)")
        self.mode = mode
        self.value = value
        channels = image[0]
        input = Array(image.dimensions.dropFirst())
        padded = zip(input, sides).map { $0 + $1.before + $1.after }
        before = sides.map(\.before)
        var sources = [[Int32]](repeating: [0], count: 3 - input.count)
        for (extent, side) in zip(input, sides) {
            let total = side.before + extent + side.after
            guard total <= WindowArithmetic.largestExtent else {
                throw WindowArithmetic.Misfit(
                    description: "an extent of \(total) with its padding, expected at most "
                        + "\(WindowArithmetic.largestExtent)")
            }
            let widest = max(side.before, side.after)
            let limit =
                switch mode {
                case .reflect: extent - 1
                case .circular: extent
                case .zeros, .replicate: Int.max
                }
            guard widest <= limit else {
                throw WindowArithmetic.Misfit(
                    description:
                        "\(mode.rawValue) padding of \(widest) on an extent of \(extent), expected at most \(limit)")
            }
            sources.append((-side.before..<extent + side.after).map { Int32(Self.source($0, extent: extent, mode)) })
        }
        self.sources = sources
    }

    package var inputCount: Int { input.reduce(channels, Int.product) }
    package var paddedCount: Int { padded.reduce(channels, Int.product) }

    package func pad(_ image: UnsafePointer<Float>, into result: UnsafeMutablePointer<Float>) {
        withExtents { CKernels_pad_f32__reference($0, image, result) }
    }

    /// The transpose of `pad`: sums every place's copies.
    package func unpad(_ padded: UnsafePointer<Float>, into image: UnsafeMutablePointer<Float>) {
        withExtents { CKernels_unpad_f32__reference($0, padded, image) }
    }

    private static func source(_ place: Int, extent: Int, _ mode: PaddingMode) -> Int {
        switch mode {
        case .reflect: place < 0 ? -place : place >= extent ? 2 * (extent - 1) - place : place
        case .circular: (place + extent) % extent
        case .replicate: min(max(place, 0), extent - 1)
        case .zeros: place < 0 || place >= extent ? -1 : place
        }
    }

    private func withExtents(_ body: (UnsafePointer<CKernels_Padding>) -> Void) {
        func triple(_ values: [Int]) -> (Int64, Int64, Int64) {
            func value(_ axis: Int) -> Int64 { axis + values.count < 3 ? 1 : Int64(values[axis + values.count - 3]) }
            return (value(0), value(1), value(2))
        }
        sources[0].withUnsafeBufferPointer { first in
            sources[1].withUnsafeBufferPointer { second in
                sources[2].withUnsafeBufferPointer { third in
                    var extents = CKernels_Padding(
                        channels: Int64(channels), input: triple(input), padded: triple(padded),
                        sources: (first.baseAddress, second.baseAddress, third.baseAddress), value: Double(value))
                    body(&extents)
                }
            }
        }
    }
}
