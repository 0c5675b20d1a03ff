package import Tensors

/// Mirrors left and right with a probability.
package struct RandomHorizontalFlip: Transform {
    package let probability: Double

    package init(probability: Double = 0.5) { self.probability = probability }

    package func outputShape(for input: ImageShape) -> ImageShape { input }

    package func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        scratch: TransformScratch, _ random: inout RandomStream
    ) {
        guard random.happens(probability) else { return target.update(from: source, count: shape.count) }
        let (width, channels) = (shape.width, shape.channels)
        for row in 0..<shape.height {
            let (from, to) = (source + row * width * channels, target + row * width * channels)
            for column in 0..<width {
                (to + column * channels).update(from: from + (width - 1 - column) * channels, count: channels)
            }
        }
    }
}

/// Mirrors top and bottom with a probability.
package struct RandomVerticalFlip: Transform {
    package let probability: Double

    package init(probability: Double = 0.5) { self.probability = probability }

    package func outputShape(for input: ImageShape) -> ImageShape { input }

    package func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        scratch: TransformScratch, _ random: inout RandomStream
    ) {
        guard random.happens(probability) else { return target.update(from: source, count: shape.count) }
        let rowBytes = shape.width * shape.channels
        for row in 0..<shape.height {
            (target + row * rowBytes).update(from: source + (shape.height - 1 - row) * rowBytes, count: rowBytes)
        }
    }
}
