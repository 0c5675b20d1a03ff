package import Tensors

/// How a turned or scaled image finds its pixels.
package enum Interpolation: String, CaseIterable, Sendable {
    case nearest, bilinear
}

/// The place in the source of each pixel of the result: (a·x + b·y + c, d·x + e·y + f), from centre to centre.
struct AffineMap: Equatable, Sendable {
    var a, b, c, d, e, f: Double

    /// The inverse of turning clockwise by `degrees`, shearing, scaling and shifting around the middle of an image.
    ///
    /// Source: the matrix of torchvision.transforms.functional.affine.
    init(
        degrees: Double, translate: (x: Double, y: Double) = (0, 0), scale: Double = 1,
        shear: (x: Double, y: Double) = (0, 0), _ shape: ImageShape
    ) {
        let (sineX, cosineX) = ExactMath.sineAndCosine(turns: shear.x / 360)
        let (_, cosineY) = ExactMath.sineAndCosine(turns: shear.y / 360)
        let (sine, cosine) = ExactMath.sineAndCosine(turns: (degrees - shear.y) / 360)
        let (fullSine, fullCosine) = ExactMath.sineAndCosine(turns: degrees / 360)
        let tangent = sineX / cosineX
        let forward = (
            cosine / cosineY, -cosine * tangent / cosineY - fullSine, sine / cosineY,
            -sine * tangent / cosineY + fullCosine
        )
        (a, b, d, e) = (forward.3 / scale, -forward.1 / scale, -forward.2 / scale, forward.0 / scale)
        let (centreX, centreY) = (Double(shape.width) * 0.5, Double(shape.height) * 0.5)
        c = a * (-centreX - translate.x) + b * (-centreY - translate.y) + centreX
        f = d * (-centreX - translate.x) + e * (-centreY - translate.y) + centreY
    }

    /// The image under the map; what comes from outside is `fill`.
    ///
    /// Numerics: Pillow's, byte for byte: nearest in 16.16 fixed point (in float64 where nothing is turned), bilinear in float64,
    /// rounded down.
    func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        _ interpolation: Interpolation, fill: UInt8
    ) {
        target.update(repeating: fill, count: shape.count)
        switch interpolation {
        case .bilinear: bilinear(source, shape, to: target)
        case .nearest where b == 0 && d == 0: scaled(source, shape, to: target)
        case .nearest: nearest(source, shape, to: target)
        }
    }

    private func nearest(_ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>) {
        func fixed(_ value: Double) -> Int { Int((value * 65_536 + 0.5).rounded(.down)) }
        let (stepX, stepY) = (fixed(a), fixed(d))
        var (startX, startY) = (fixed(c + a * 0.5 + b * 0.5), fixed(f + d * 0.5 + e * 0.5))
        let (nextX, nextY) = (fixed(b), fixed(e))
        let (height, width, channels) = (shape.height, shape.width, shape.channels)
        var pixel = target
        for _ in 0..<height {
            var (x, y) = (startX, startY)
            for _ in 0..<width {
                let (column, row) = (x >> 16, y >> 16)
                if column >= 0, column < width, row >= 0, row < height {
                    pixel.update(from: source + (row * width + column) * channels, count: channels)
                }
                x += stepX
                y += stepY
                pixel += channels
            }
            startX += nextX
            startY += nextY
        }
    }

    /// Columns and rows by themselves.
    private func scaled(_ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>) {
        let (height, width, channels) = (shape.height, shape.width, shape.channels)
        var y = f + e * 0.5
        for row in 0..<height {
            defer { y += e }
            guard y >= 0, y < Double(height) else { continue }
            let line = source + Int(y) * width * channels
            var x = c + a * 0.5
            for column in 0..<width {
                defer { x += a }
                guard x >= 0, x < Double(width) else { continue }
                (target + (row * width + column) * channels).update(from: line + Int(x) * channels, count: channels)
            }
        }
    }

    private func bilinear(_ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>) {
        let (height, width, channels) = (shape.height, shape.width, shape.channels)
        func mix(_ low: Double, _ high: Double, _ share: Double) -> Double { low + (high - low) * share }
        for row in 0..<height {
            for column in 0..<width {
                let (centreX, centreY) = (Double(column) + 0.5, Double(row) + 0.5)
                var (x, y) = (a * centreX + b * centreY + c, d * centreX + e * centreY + f)
                guard x >= 0, x < Double(width), y >= 0, y < Double(height) else { continue }
                x -= 0.5
                y -= 0.5
                let (left, top) = (Int(x.rounded(.down)), Int(y.rounded(.down)))
                let (shareX, shareY) = (x - Double(left), y - Double(top))
                let upper = source + max(0, top) * width * channels
                let (x0, x1) = (max(0, left) * channels, min(left + 1, width - 1) * channels)
                let pixel = target + (row * width + column) * channels
                for channel in 0..<channels {
                    let above = mix(Double(upper[x0 + channel]), Double(upper[x1 + channel]), shareX)
                    var below = above
                    if top + 1 < height {
                        let lower = source + (top + 1) * width * channels
                        below = mix(Double(lower[x0 + channel]), Double(lower[x1 + channel]), shareX)
                    }
                    pixel[channel] = UInt8(mix(above, below, shareY))
                }
            }
        }
    }
}

/// Turns by a random angle around the middle.
package struct RandomRotation: Transform {
    /// In degrees, counter-clockwise.
    package let degrees: ClosedRange<Double>
    package let interpolation: Interpolation
    package let fill: UInt8

    package init(degrees: ClosedRange<Double>, interpolation: Interpolation = .nearest, fill: UInt8 = 0) {
        (self.degrees, self.interpolation, self.fill) = (degrees, interpolation, fill)
    }

    package func outputShape(for input: ImageShape) -> ImageShape { input }

    package func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        scratch: TransformScratch, _ random: inout RandomStream
    ) {
        rotate(source, shape, to: target, degrees: random.next(from: degrees.lowerBound, to: degrees.upperBound))
    }

    func rotate(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>, degrees: Double
    ) {
        guard degrees != 0 else { return target.update(from: source, count: shape.count) }
        AffineMap(degrees: -degrees, shape).apply(source, shape, to: target, interpolation, fill: fill)
    }
}

/// Turns, shifts, scales and shears at random.
package struct RandomAffine: Transform {
    package let degrees: ClosedRange<Double>
    /// The largest shift, as a share of width and height.
    package let translate: (x: Double, y: Double)
    package let scale: ClosedRange<Double>
    /// In degrees, along each axis.
    package let shear: (x: ClosedRange<Double>, y: ClosedRange<Double>)
    package let interpolation: Interpolation
    package let fill: UInt8

    package init(
        degrees: ClosedRange<Double>, translate: (x: Double, y: Double) = (0, 0), scale: ClosedRange<Double> = 1...1,
        shear: (x: ClosedRange<Double>, y: ClosedRange<Double>) = (0...0, 0...0),
        interpolation: Interpolation = .nearest, fill: UInt8 = 0
    ) {
        (self.degrees, self.translate, self.scale, self.shear) = (degrees, translate, scale, shear)
        (self.interpolation, self.fill) = (interpolation, fill)
    }

    package func outputShape(for input: ImageShape) -> ImageShape { input }

    package func apply(
        _ source: UnsafePointer<UInt8>, _ shape: ImageShape, to target: UnsafeMutablePointer<UInt8>,
        scratch: TransformScratch, _ random: inout RandomStream
    ) {
        func draw(_ range: ClosedRange<Double>, _ random: inout RandomStream) -> Double {
            random.next(from: range.lowerBound, to: range.upperBound)
        }
        let angle = draw(degrees, &random)
        // Whole pixels, as torchvision shifts.
        let (reachX, reachY) = (translate.x * Double(shape.width), translate.y * Double(shape.height))
        let shiftX = draw(-reachX...reachX, &random).rounded(.toNearestOrEven)
        let shiftY = draw(-reachY...reachY, &random).rounded(.toNearestOrEven)
        let size = draw(scale, &random)
        let shears = (x: draw(shear.x, &random), y: draw(shear.y, &random))
        AffineMap(degrees: angle, translate: (shiftX, shiftY), scale: size, shear: shears, shape)
            .apply(source, shape, to: target, interpolation, fill: fill)
    }
}
