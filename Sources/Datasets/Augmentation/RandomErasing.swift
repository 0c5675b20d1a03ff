package import Tensors

/// Paints a rectangle of random place, area and aspect over, with a probability.
///
/// Source: torchvision's transform of this name (Zhong et al. 2017). It works on pixels, before they are normalised: `value` is a
/// pixel of each channel, such as the mean, which is what torchvision's 0 after normalising stands for.
package struct RandomErasing: Transform {
    package let probability: Double
    package let scale: ClosedRange<Double>
    /// Height over width.
    package let ratio: ClosedRange<Double>
    /// One value, or one a channel.
    package let value: [UInt8]
    private static let attempts = 10

    package init(
        probability: Double = 0.5, scale: ClosedRange<Double> = 0.02...0.33, ratio: ClosedRange<Double> = 0.3...3.3,
        value: [UInt8] = [0]
    ) {
        (self.probability, self.scale, self.ratio, self.value) = (probability, scale, ratio, value)
    }

    package func outputShape(for input: ImageShape) throws(TransformError) -> ImageShape {
        guard value.count == 1 || value.count == input.channels else {
            throw TransformError(
                "RandomErasing with \(value.count) values on images with \(input.channels) channels, expected one, or one a channel"
            )
        }
        return input
    }

    package func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        scratch: TransformScratch, _ random: inout RandomStream
    ) {
        target.update(from: source, count: shape.count)
        guard random.happens(probability) else { return }
        let area = Double(shape.height * shape.width)
        let logarithms = (Power.logarithm(ratio.lowerBound), Power.logarithm(ratio.upperBound))
        for _ in 0..<Self.attempts {
            let wanted = area * random.next(from: scale.lowerBound, to: scale.upperBound)
            let aspect = Power.exponential(random.next(from: logarithms.0, to: logarithms.1))
            let height = Int((wanted * aspect).squareRoot().rounded(.toNearestOrEven))
            let width = Int((wanted / aspect).squareRoot().rounded(.toNearestOrEven))
            guard height < shape.height, width < shape.width else { continue }
            let top = random.next(upTo: shape.height - height)
            let left = random.next(upTo: shape.width - width)
            for row in top..<top + height {
                for column in left..<left + width {
                    let pixel = target + (row * shape.width + column) * shape.channels
                    for channel in 0..<shape.channels { pixel[channel] = value[value.count == 1 ? 0 : channel] }
                }
            }
            return
        }
    }
}
