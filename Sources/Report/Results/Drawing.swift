/// Boxes, lines and words in places of pixels: one drawing that becomes SVG here and PNG on a canvas.
package struct Drawing: Sendable {
    package typealias Point = (x: Int, y: Int)

    package enum Item: Sendable {
        /// With its outline inside.
        case box(x: Int, y: Int, width: Int, height: Int, fill: UInt32, stroke: UInt32)
        case line(from: Point, to: Point, colour: UInt32)
        /// The middle of a line of text, and its top.
        case text(String, middle: Int, top: Int, colour: UInt32)
    }

    package let width, height: Int
    package private(set) var items: [Item] = []
    /// What a screen reader says.
    private let title: String

    /// Pixels of a character, as the canvas draws them.
    package static let character = (width: 7, height: 13)

    package init(width: Int, height: Int, title: String) {
        (self.width, self.height, self.title) = (width, height, title)
    }

    package mutating func add(_ item: Item) { items.append(item) }

    package var svg: String {
        let head =
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"\(width)\" height=\"\(height)\" viewBox=\"0 0 \(width) \(height)\" "
            + "role=\"img\">\n<title>\(Markup.escaped(title))</title>\n"
            + "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n"
            + "<g font-family=\"DejaVu Sans Mono, Menlo, Consolas, monospace\" font-size=\"11\" text-anchor=\"middle\">\n"
        return head + items.map(Self.element).joined(separator: "\n") + "\n</g>\n</svg>\n"
    }

    private static func element(_ item: Item) -> String {
        switch item {
        case .box(let x, let y, let width, let height, let fill, let stroke):
            // Half a pixel in, so that the outline covers whole ones.
            "<rect x=\"\(x).5\" y=\"\(y).5\" width=\"\(width - 1)\" height=\"\(height - 1)\" fill=\"\(colour(fill))\" "
                + "stroke=\"\(colour(stroke))\"/>"
        case .line(let start, let end, let stroke):
            "<line x1=\"\(start.x).5\" y1=\"\(start.y).5\" x2=\"\(end.x).5\" y2=\"\(end.y).5\" stroke=\"\(colour(stroke))\"/>"
        case .text(let text, let middle, let top, let fill):
            "<text x=\"\(middle)\" y=\"\(top + character.height - 3)\" fill=\"\(colour(fill))\">\(Markup.escaped(text))</text>"
        }
    }

    private static func colour(_ value: UInt32) -> String {
        let digits = String(value, radix: 16)
        return "#" + String(repeating: "0", count: 6 - digits.count) + digits
    }
}
