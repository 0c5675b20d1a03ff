package import Datasets
package import Tensors

/// A way in which images are moved to see whether a network still knows them.
package enum Displacement: Equatable, Sendable, CustomStringConvertible {
    /// By so many pixels in each of the eight directions: along one axis, or along both.
    case shift(pixels: Int)
    /// By so many degrees around the middle, in both directions.
    case rotate(degrees: Double)

    package static let expected = "expected shift:PIXELS and rotate:DEGREES, as in shift:2,rotate:10"

    /// nil for anything but `shift:2` and `rotate:10`.
    package init?(_ text: some StringProtocol) {
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2 else { return nil }
        switch parts[0] {
        case "shift":
            guard let pixels = Int(parts[1]), (1...4096).contains(pixels) else { return nil }
            self = .shift(pixels: pixels)
        case "rotate":
            guard let degrees = Double(parts[1]), degrees > 0, degrees <= 180 else { return nil }
            self = .rotate(degrees: degrees)
        default: return nil
        }
    }

    package var description: String {
        switch self {
        case .shift(let pixels): "shift:\(pixels)"
        case .rotate(let degrees): "rotate:\(Self.number(degrees))"
        }
    }

    /// For people: "moved by 2 pixels".
    package var words: String {
        switch self {
        case .shift(let pixels): "moved by \(pixels) pixel\(pixels == 1 ? "" : "s")"
        case .rotate(let degrees): "turned by \(Self.number(degrees))°"
        }
    }

    /// What becomes of an image, one after the other.
    package var directions: [(name: String, movement: Movement)] {
        switch self {
        case .shift(let pixels):
            let (columns, rows) = ([(-1, "left"), (0, ""), (1, "right")], [(-1, "up"), (0, ""), (1, "down")])
            return rows.flatMap { row, vertical in
                columns.filter { $0.0 != 0 || row != 0 }.map { column, horizontal in
                    let words = [vertical, horizontal].filter { !$0.isEmpty }.joined(separator: " ")
                    return (words, Movement(right: column * pixels, down: row * pixels))
                }
            }
        case .rotate(let degrees):
            return [
                ("clockwise", Movement(degrees: degrees)), ("counter-clockwise", Movement(degrees: -degrees)),
            ]
        }
    }

    private static func number(_ value: Double) -> String {
        value == value.rounded() ? "\(Int(value))" : "\(value)"
    }
}

/// How a network scores on images that were moved, direction by direction.
package struct DisplacedScore {
    package let displacement: Displacement
    package let directions: [(name: String, score: Score)]

    /// Over the samples of all directions.
    package var mean: Score { directions.reduce(Score()) { $0 + $1.score } }

    /// The direction with the lowest accuracy, the first one of equals.
    package var lowest: (name: String, score: Score) {
        directions.reduce(directions[0]) { $1.score.correct1 < $0.score.correct1 ? $1 : $0 }
    }
}
