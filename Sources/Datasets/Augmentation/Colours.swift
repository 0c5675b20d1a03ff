package import Tensors

/// Changes brightness, contrast, saturation and hue at random, in random order.
///
/// Numerics: Pillow's, byte for byte; gray images have neither saturation nor hue.
package struct ColorJitter: Transform {
    /// Bounds of each factor; 1…1 leaves the image alone.
    package let brightness: ClosedRange<Double>
    package let contrast: ClosedRange<Double>
    package let saturation: ClosedRange<Double>
    /// Bounds of the shift around the colour wheel, in turns, within −0.5…0.5.
    package let hue: ClosedRange<Double>

    package init(
        brightness: ClosedRange<Double> = 1...1, contrast: ClosedRange<Double> = 1...1,
        saturation: ClosedRange<Double> = 1...1, hue: ClosedRange<Double> = 0...0
    ) {
        (self.brightness, self.contrast, self.saturation, self.hue) = (brightness, contrast, saturation, hue)
    }

    package func outputShape(for input: ImageShape) throws(TransformError) -> ImageShape {
        guard [1, 3].contains(input.channels) else {
            throw TransformError("ColorJitter of images with \(input.channels) channels, expected 1 or 3")
        }
        return input
    }

    package func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        scratch: TransformScratch, _ random: inout RandomStream
    ) {
        target.update(from: source, count: shape.count)
        var order = [0, 1, 2, 3]
        for place in stride(from: 3, to: 0, by: -1) { order.swapAt(place, random.next(upTo: place)) }
        // All four are drawn in any case, so that a bound of 1…1 changes no other factor.
        let factors = [brightness, contrast, saturation, hue].map {
            random.next(from: $0.lowerBound, to: $0.upperBound)
        }
        for operation in order {
            let factor = factors[operation]
            switch operation {
            case 0: Self.adjustBrightness(target, shape, factor)
            case 1: Self.adjustContrast(target, shape, factor)
            case 2: Self.adjustSaturation(target, shape, factor)
            default: Self.adjustHue(target, shape, factor)
            }
        }
    }

    static func adjustBrightness(_ pixels: UnsafeMutablePointer<UInt8>, _ shape: ImageShape, _ factor: Double) {
        guard factor != 1 else { return }
        for index in 0..<shape.count { pixels[index] = blend(0, pixels[index], factor) }
    }

    static func adjustContrast(_ pixels: UnsafeMutablePointer<UInt8>, _ shape: ImageShape, _ factor: Double) {
        guard factor != 1 else { return }
        let count = shape.height * shape.width
        var sum = 0
        for place in 0..<count { sum += Int(luma(pixels + place * shape.channels, shape.channels)) }
        let mean = UInt8(Double(sum) / Double(count) + 0.5)
        for index in 0..<shape.count { pixels[index] = blend(mean, pixels[index], factor) }
    }

    static func adjustSaturation(_ pixels: UnsafeMutablePointer<UInt8>, _ shape: ImageShape, _ factor: Double) {
        guard factor != 1, shape.channels == 3 else { return }
        for place in 0..<shape.height * shape.width {
            let pixel = pixels + place * 3
            let gray = luma(pixel, 3)
            for channel in 0..<3 { pixel[channel] = blend(gray, pixel[channel], factor) }
        }
    }

    static func adjustHue(_ pixels: UnsafeMutablePointer<UInt8>, _ shape: ImageShape, _ turns: Double) {
        // Also without a shift: Pillow's way through HSV and back rounds. torchvision takes it, so only an empty range skips it.
        guard turns != 0, shape.channels == 3 else { return }
        let shift = UInt8(truncatingIfNeeded: Int(turns * 255))
        for place in 0..<shape.height * shape.width {
            let pixel = pixels + place * 3
            var colour = HueSaturationValue(pixel[0], pixel[1], pixel[2])
            colour.hue &+= shift
            (pixel[0], pixel[1], pixel[2]) = colour.rgb
        }
    }

    /// From one value towards another, and beyond.
    private static func blend(_ from: UInt8, _ to: UInt8, _ share: Double) -> UInt8 {
        // Pillow takes the share as a float.
        let value = Float(Int32(from)) + Float(share) * Float(Int32(to) - Int32(from))
        return value <= 0 ? 0 : value >= 255 ? 255 : UInt8(value)
    }

    /// ITU-R 601-2 with 16 fractional bits.
    private static func luma(_ pixel: UnsafeMutablePointer<UInt8>, _ channels: Int) -> UInt8 {
        guard channels == 3 else { return pixel[0] }
        let sum = UInt32(pixel[0]) * 19_595 + UInt32(pixel[1]) * 38_470 + UInt32(pixel[2]) * 7_471 + 0x8000
        return UInt8(sum >> 16)
    }
}

/// A colour in Pillow's 8-bit HSV.
struct HueSaturationValue: Equatable {
    var hue, saturation, value: UInt8

    init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) {
        let (largest, smallest) = (max(red, green, blue), min(red, green, blue))
        value = largest
        guard largest != smallest else {
            (hue, saturation) = (0, 0)
            return
        }
        let range = Float(largest - smallest)
        let share = range / Float(largest)
        let (r, g, b) = (Float(largest - red) / range, Float(largest - green) / range, Float(largest - blue) / range)
        let sector: Float
        if red == largest {
            sector = b - g
        } else if green == largest {
            sector = Float(2.0 + Double(r) - Double(b))
        } else {
            sector = Float(4.0 + Double(g) - Double(r))
        }
        let turns = Float((Double(sector) / 6 + 1).truncatingRemainder(dividingBy: 1))
        hue = UInt8(Double(turns) * 255)
        saturation = UInt8(Double(share) * 255)
    }

    var rgb: (UInt8, UInt8, UInt8) {
        guard saturation != 0 else { return (value, value, value) }
        let place = Double(hue) * 6 / 255
        let sector = Int(place.rounded(.down))
        let rest = Double(Float(place - Double(Float(sector))))
        let share = Double(Float(Double(saturation) / 255))
        func part(_ factor: Double) -> UInt8 {
            UInt8(min(max((Double(value) * factor).rounded(.toNearestOrAwayFromZero), 0), 255))
        }
        let (low, falling, rising) = (part(1 - share), part(1 - share * rest), part(1 - share * (1 - rest)))
        switch sector % 6 {
        case 0: return (value, rising, low)
        case 1: return (falling, value, low)
        case 2: return (low, value, rising)
        case 3: return (low, falling, value)
        case 4: return (rising, low, value)
        default: return (value, low, falling)
        }
    }
}
