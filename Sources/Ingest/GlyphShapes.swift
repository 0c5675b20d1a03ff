internal import Tensors

/// A point of a drawing; x to the right, y downwards.
struct Point {
    var x: Double
    var y: Double
}

/// The ten glyphs of the synthetic data as open or closed lines within −1…1.
enum GlyphShapes {
    static let names = [
        "ring", "triangle", "square", "plus", "cross", "zigzag", "arrow", "cup", "ladder", "eight",
    ]

    /// For each class its lines; arcs are given as points, so that shear bends them rightly.
    static let lines: [[[Point]]] = [
        [arc(0, 0, 0.82, 0.9, from: 0, to: 1, steps: 20)],
        [closed((0, -0.9), (0.9, 0.75), (-0.9, 0.75))],
        [closed((-0.75, -0.75), (0.75, -0.75), (0.75, 0.75), (-0.75, 0.75))],
        [open((0, -0.9), (0, 0.9)), open((-0.9, 0), (0.9, 0))],
        [open((-0.75, -0.75), (0.75, 0.75)), open((0.75, -0.75), (-0.75, 0.75))],
        [open((-0.75, -0.8), (0.7, -0.8), (-0.7, 0.8), (0.75, 0.8))],
        [open((-0.9, 0), (0.9, 0)), open((0.25, -0.65), (0.9, 0), (0.25, 0.65))],
        [
            open((-0.75, -0.9), (-0.75, 0.15)) + arc(0, 0.15, 0.75, 0.75, from: 0.5, to: 0, steps: 10)
                + open((0.75, 0.15), (0.75, -0.9))
        ],
        [open((-0.6, -0.9), (-0.6, 0.9)), open((0.6, -0.9), (0.6, 0.9)), open((-0.6, 0), (0.6, 0))],
        [
            arc(0, -0.45, 0.52, 0.45, from: 0, to: 1, steps: 14),
            arc(0, 0.45, 0.6, 0.45, from: 0, to: 1, steps: 14),
        ],
    ]

    private static func open(_ points: (Double, Double)...) -> [Point] {
        points.map { Point(x: $0.0, y: $0.1) }
    }

    private static func closed(_ points: (Double, Double)...) -> [Point] {
        (points + points.prefix(1)).map { Point(x: $0.0, y: $0.1) }
    }

    /// Points on an ellipse between two angles in turns, clockwise from the right as y points down.
    private static func arc(
        _ x: Double, _ y: Double, _ radiusX: Double, _ radiusY: Double, from: Double, to: Double, steps: Int
    ) -> [Point] {
        (0...steps).map { step in
            let (sine, cosine) = ExactMath.sineAndCosine(turns: from + (to - from) * Double(step) / Double(steps))
            return Point(x: x + radiusX * cosine, y: y + radiusY * sine)
        }
    }
}
