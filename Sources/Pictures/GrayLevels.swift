/// How values become gray levels: the smallest is black, the largest white, and where there are negative ones, zero is the
/// gray in the middle.
package struct GrayLevels: Equatable, Sendable {
    /// The values of black and white.
    package let low, high: Float

    /// Traps: a range without an extent.
    package init(low: Float, high: Float) {
        precondition(low < high, "black \(low), white \(high)")
        (self.low, self.high) = (low, high)
    }

    /// Of the values that are finite.
    package init(of values: some Sequence<Float>) {
        var (low, high) = (Float.infinity, -Float.infinity)
        for value in values where value.isFinite { (low, high) = (min(low, value), max(high, value)) }
        if low < 0 {
            let reach = max(-low, high)
            (self.low, self.high) = (-reach, reach)
        } else if low < high {
            (self.low, self.high) = (low, high)
        } else {
            // One value alone, or none: nothing is black, all else white.
            (self.low, self.high) = (0, high > 0 ? high : 1)
        }
    }

    /// Of an image in 0…1: from 0 to 1, or farther where a finite value goes farther.
    package static func picture(_ values: some Sequence<Float>) -> GrayLevels {
        var (low, high) = (Float(0), Float(1))
        for value in values where value.isFinite { (low, high) = (min(low, value), max(high, value)) }
        return GrayLevels(low: low, high: high)
    }

    /// What is not finite is black.
    ///
    /// Computed in float64, whose range holds the distance of any two float32.
    package func level(_ value: Float) -> UInt8 {
        guard value.isFinite else { return 0 }
        let part = (Double(value) - Double(low)) / (Double(high) - Double(low))
        return UInt8(min(max(part, 0), 1) * 255 + 0.5)
    }

    /// A picture of planes [C, H, W]: three as red, green and blue, of other numbers of them the first.
    package func image(planes: [Float], channels: Int, height: Int, width: Int) -> PixelImage {
        precondition(
            planes.count == channels * height * width, "\(planes.count) values for \(channels)×\(height)×\(width)")
        let (shown, area) = (channels == 3 ? 3 : 1, height * width)
        let pixels = [UInt8](unsafeUninitializedCapacity: shown * area) { pixels, count in
            for channel in 0..<shown {
                for place in 0..<area { pixels[place * shown + channel] = level(planes[channel * area + place]) }
            }
            count = shown * area
        }
        return PixelImage(width: width, height: height, channels: shown, pixels: pixels)
    }
}
