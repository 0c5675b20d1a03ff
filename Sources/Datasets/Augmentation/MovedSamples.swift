/// Where the pixels of an image go: by whole pixels to the right and down, and clockwise around its middle.
package struct Movement: Equatable, Sendable {
    package let right: Int
    package let down: Int
    package let degrees: Double

    package init(right: Int = 0, down: Int = 0, degrees: Double = 0) {
        (self.right, self.down, self.degrees) = (right, down, degrees)
    }
}

/// The 8-bit images of a source, each moved the same way by the code that augments; what comes in from outside is black.
///
/// Numerics: Pillow's bilinear interpolation; a shift by whole pixels copies them.
package final class MovedSamples: DerivedSamples {
    package let source: any SampleSource
    private let map: AffineMap
    private let interpolation: Interpolation

    /// Traps: images of floats.
    package init(_ source: any SampleSource, _ movement: Movement) {
        precondition(source.pixelType == .uint8, "moved images of \(source.pixelType)")
        self.source = source
        map = AffineMap(
            degrees: movement.degrees, translate: (Double(movement.right), Double(movement.down)),
            ImageShape(height: source.height, width: source.width, channels: source.channels))
        interpolation = movement.degrees == 0 ? .nearest : .bilinear
    }

    package func fill(_ slot: UnsafeMutableRawPointer, sample: Int) throws {
        try withUnsafeTemporaryAllocation(byteCount: imageBytes, alignment: 64) { stored in
            guard let pixels = stored.baseAddress else { return }
            try source.fill(pixels, sample: sample)
            map.apply(
                UnsafePointer(pixels.assumingMemoryBound(to: UInt8.self)),
                ImageShape(height: height, width: width, channels: channels),
                to: slot.assumingMemoryBound(to: UInt8.self), interpolation, fill: 0)
        }
    }
}
