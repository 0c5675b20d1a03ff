internal import Tensors

/// Draws glyphs of 28×28 gray pixels; the picture is a pure function of seed, sample and class.
///
/// Lines are drawn by their distance from a pixel's centre: full ink inside half the stroke, a ramp one pixel wide at the
/// edge. Only IEEE basic operations and integers, so that every machine draws the same bytes.
struct GlyphPainter {
    static let side = 28
    static let pixelCount = side * side

    private let seed: UInt64
    /// Squared distance from each pixel's centre to the nearest line, as far as it matters.
    private var distances = [Float](repeating: 0, count: pixelCount)
    private var ink = [Float](repeating: 0, count: pixelCount)

    init(seed: UInt64) {
        self.seed = seed
    }

    /// The ranges that make the task: wide enough that no pixel says much alone, narrow enough that a glyph keeps its form.
    private enum Range {
        static let shift: (Float, Float) = (-3, 3)
        static let scale: (Float, Float) = (6.5, 10)
        static let aspect: (Float, Float) = (0.8, 1.25)
        static let turns: (Float, Float) = (-0.055, 0.055)
        static let shear: (Float, Float) = (-0.25, 0.25)
        static let jitter: (Float, Float) = (-0.07, 0.07)
        static let stroke: (Float, Float) = (1.4, 3.2)
        static let brightness: (Float, Float) = (0.65, 1)
        static let background: (Float, Float) = (0, 0.2)
        static let noise: (Float, Float) = (0.02, 0.16)
        static let clutterCount: UInt32 = 4
        static let clutterLength: (Float, Float) = (2, 6)
        static let clutterStroke: (Float, Float) = (0.8, 1.8)
        static let clutterInk: (Float, Float) = (0.25, 0.8)
    }

    /// Writes the picture of sample `id`, class `label`, to `pixels`.
    mutating func draw(id: UInt64, label: Int, into pixels: UnsafeMutableBufferPointer<UInt8>) {
        precondition(pixels.count == Self.pixelCount, "\(pixels.count) pixels")
        var random = RandomStream(seed: seed, purpose: .synthetic, id: id)
        for index in ink.indices { ink[index] = 0 }
        for _ in 0..<random.next(below: Range.clutterCount) { drawClutter(&random) }
        drawGlyph(label, &random)

        let background = Self.value(Range.background, &random)
        let noise = Self.value(Range.noise, &random)
        for start in stride(from: 0, to: Self.pixelCount, by: 2) {
            let bits = random.nextUInt32()
            for (offset, half) in [bits & 0xFFFF, bits >> 16].enumerated() {
                // Two bytes added make a triangular distribution over −1…1.
                let deviation = (Float((half & 0xFF) + (half >> 8)) - 255) / 255
                let value = background + (1 - background) * ink[start + offset] + noise * deviation
                pixels[start + offset] = UInt8(min(max(value, 0), 1) * 255 + 0.5)
            }
        }
    }

    private mutating func drawGlyph(_ label: Int, _ random: inout RandomStream) {
        let side = Double(Self.side)
        let centre = Point(
            x: side / 2 + Double(Self.value(Range.shift, &random)),
            y: side / 2 + Double(Self.value(Range.shift, &random)))
        let scale = Double(Self.value(Range.scale, &random))
        let aspect = Double(Self.value(Range.aspect, &random)).squareRoot()
        let (sine, cosine) = ExactMath.sineAndCosine(turns: Double(Self.value(Range.turns, &random)))
        let shear = Double(Self.value(Range.shear, &random))
        let stroke = Self.value(Range.stroke, &random)
        let brightness = Self.value(Range.brightness, &random)
        beginLines()
        for line in GlyphShapes.lines[label] {
            // Corners of a polygon move alone; the points of an arc move together, or it would not be round.
            let isArc = line.count > 8
            let together = Point(
                x: Double(Self.value(Range.jitter, &random)), y: Double(Self.value(Range.jitter, &random)))
            var points: [Point] = []
            for corner in line {
                var point = corner
                point.x += isArc ? together.x : Double(Self.value(Range.jitter, &random))
                point.y += isArc ? together.y : Double(Self.value(Range.jitter, &random))
                let x = (point.x + shear * point.y) * scale * aspect
                let y = point.y * scale / aspect
                points.append(Point(x: centre.x + cosine * x - sine * y, y: centre.y + sine * x + cosine * y))
            }
            for index in 1..<points.count { addLine(points[index - 1], points[index], stroke: stroke) }
        }
        endLines(stroke: stroke, brightness: brightness)
    }

    private mutating func drawClutter(_ random: inout RandomStream) {
        let side = Float(Self.side)
        let start = Point(
            x: Double(Self.value((0, side), &random)), y: Double(Self.value((0, side), &random)))
        let length = Double(Self.value(Range.clutterLength, &random))
        let (sine, cosine) = ExactMath.sineAndCosine(turns: Double(random.nextUniform()))
        let stroke = Self.value(Range.clutterStroke, &random)
        let brightness = Self.value(Range.clutterInk, &random)
        beginLines()
        addLine(start, Point(x: start.x + length * cosine, y: start.y + length * sine), stroke: stroke)
        endLines(stroke: stroke, brightness: brightness)
    }

    private static let far: Float = 1e6

    private mutating func beginLines() {
        for index in distances.indices { distances[index] = Self.far }
    }

    /// Takes the distances to one segment where they can matter: in its box, widened by the stroke.
    private mutating func addLine(_ from: Point, _ to: Point, stroke: Float) {
        let reach = Double(stroke / 2 + 1)
        let rows = Self.cells(min(from.y, to.y) - reach, max(from.y, to.y) + reach)
        let columns = Self.cells(min(from.x, to.x) - reach, max(from.x, to.x) + reach)
        let (x, y) = (Float(from.x), Float(from.y))
        let (dx, dy) = (Float(to.x) - x, Float(to.y) - y)
        let inverse = 1 / max(dx * dx + dy * dy, 1e-6)
        for row in rows {
            let py = Float(row) + 0.5 - y
            for column in columns {
                let px = Float(column) + 0.5 - x
                let along = min(max((px * dx + py * dy) * inverse, 0), 1)
                let (ex, ey) = (px - along * dx, py - along * dy)
                let index = row * Self.side + column
                distances[index] = min(distances[index], ex * ex + ey * ey)
            }
        }
    }

    /// Lays the collected lines over what is drawn already.
    private mutating func endLines(stroke: Float, brightness: Float) {
        let limit = (stroke / 2 + 0.5) * (stroke / 2 + 0.5)
        for index in distances.indices where distances[index] < limit {
            let coverage = min(max(stroke / 2 + 0.5 - distances[index].squareRoot(), 0), 1)
            ink[index] = max(ink[index], coverage * brightness)
        }
    }

    /// The pixels whose centres lie between two coordinates, within the picture.
    private static func cells(_ low: Double, _ high: Double) -> Swift.Range<Int> {
        let first = Int(max(0, (low - 0.5).rounded(.up)))
        let last = Int(min(Double(side) - 1, (high - 0.5).rounded(.down)))
        return first..<max(first, last + 1)
    }

    private static func value(_ range: (Float, Float), _ random: inout RandomStream) -> Float {
        range.0 + (range.1 - range.0) * random.nextUniform()
    }
}
