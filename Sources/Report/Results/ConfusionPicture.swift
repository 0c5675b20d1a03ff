internal import Foundation

/// A confusion matrix as a picture: one square a pair of classes, shaded by its share of the true class.
///
/// Self-contained SVG: no script, no style sheet, no font of its own; or for a page, whose colours and font it takes. Squares show their counts and names as long as
/// there is room; every square that occurs carries them as its title.
package struct ConfusionPicture {
    private let matrix: ConfusionMatrix
    private let title: String
    private let cell: Double
    private let names: [String]
    private let left, top, right: Double
    private var ground = Ground.paper

    private static let margin = 16.0
    package static let largestName = 28
    /// Up to so many classes squares show their counts, and axes their names.
    package static let countedClasses = 32
    package static let namedClasses = 120
    /// What the axes and the shade mean.
    package static let key = "columns: predicted, rows: true, shade: share of the row"

    package init(_ matrix: ConfusionMatrix, title: String) {
        self.matrix = matrix
        self.title = title
        let classes = matrix.classes
        switch classes {
        case ...12: cell = 46
        case ...Self.countedClasses: cell = 34
        case ...Self.namedClasses: cell = 12
        default: cell = max(1, 1200 / Double(classes))
        }
        names =
            classes <= Self.namedClasses ? matrix.classNames.map { $0.shortened(to: Self.largestName) } : []
        let size = SVGText.labelSize(cell: cell)
        let longest = names.map { SVGText.width($0, fontSize: size) }.max() ?? 0
        left = Self.margin + 26 + longest + 8
        // Column names lean at 60°.
        top = Self.margin + 52 + longest * 0.87 + 16
        right = Self.margin + max(40, longest / 2)
    }

    /// What the picture stands on.
    private enum Ground {
        case paper, page
    }

    package var svg: String { "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" + drawing }

    /// An element of an HTML page.
    var pageElement: String {
        var picture = self
        picture.ground = .page
        return picture.drawing
    }

    private var drawing: String {
        let side = cell * Double(matrix.classes)
        let width = max(left + side + right, Self.margin * 2 + SVGText.width(title, fontSize: 16))
        let height = top + side + 62
        let size = "width=\"\(f(width))\" height=\"\(f(height))\" viewBox=\"0 0 \(f(width)) \(f(height))\" role=\"img\""
        var lines =
            ground == .page
            ? ["<svg \(size)>", "<title>\(Markup.escaped(title))</title>"]
            : [
                "<svg xmlns=\"http://www.w3.org/2000/svg\" \(size) font-family=\"Helvetica, Arial, sans-serif\">",
                "<title>\(Markup.escaped(title))</title>", "<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>",
            ]
        lines += [
            text(title, x: Self.margin, y: Self.margin + 14, size: 16, attributes: "font-weight=\"bold\""),
            text(Self.key, x: Self.margin, y: Self.margin + 34, size: 12),
        ]
        lines += axes(side: side)
        lines += squares()
        lines.append(
            "<rect x=\"\(f(left))\" y=\"\(f(top))\" width=\"\(f(side))\" height=\"\(f(side))\" fill=\"none\" "
                + "stroke=\"#888888\"/>")
        lines += legend(y: top + side + 18)
        lines.append("</svg>\n")
        return lines.joined(separator: "\n")
    }

    private func axes(side: Double) -> [String] {
        let size = SVGText.labelSize(cell: cell)
        let middle = top + side / 2
        var lines = [
            text(
                "true", x: Self.margin + 10, y: middle, size: 13,
                attributes: "text-anchor=\"middle\" transform=\"rotate(-90 \(f(Self.margin + 10)) \(f(middle)))\"")
        ]
        for (index, name) in names.enumerated() {
            let center = (Double(index) + 0.5) * cell
            lines.append(
                text(name, x: left - 6, y: top + center + size * 0.35, size: size, attributes: "text-anchor=\"end\""))
            let (x, y) = (left + center + size * 0.3, top - 6)
            lines.append(
                text(name, x: x, y: y, size: size, attributes: "transform=\"rotate(-60 \(f(x)) \(f(y)))\""))
        }
        return lines
    }

    private func squares() -> [String] {
        var lines: [String] = []
        for pair in matrix.occurring {
            let share = Double(pair.count) / Double(matrix.support(of: pair.truth))
            let (x, y) = (left + Double(pair.predicted) * cell, top + Double(pair.truth) * cell)
            let tip =
                "\(matrix.classNames[pair.truth]) taken for \(matrix.classNames[pair.predicted]): \(pair.count) of "
                + "\(matrix.support(of: pair.truth))"
            lines.append(
                "<rect x=\"\(f(x))\" y=\"\(f(y))\" width=\"\(f(cell))\" height=\"\(f(cell))\" fill=\"\(ConfusionShade(share).text)\">"
                    + "<title>\(Markup.escaped(tip))</title></rect>")
            guard matrix.classes <= Self.countedClasses else { continue }
            let count = "\(pair.count)"
            let size = min(13, (cell - 4) / SVGText.width(count, fontSize: 1))
            lines.append(
                text(
                    count, x: x + cell / 2, y: y + cell / 2 + size * 0.35, size: size,
                    attributes: "text-anchor=\"middle\" pointer-events=\"none\"",
                    color: ConfusionShade(share).isDark ? "#ffffff" : "#222222"))
        }
        return lines
    }

    private func legend(y: Double) -> [String] {
        let step = 20.0
        var lines = (0...5).map { index in
            "<rect x=\"\(f(left + Double(index) * step))\" y=\"\(f(y))\" width=\"\(f(step))\" height=\"10\" "
                + "fill=\"\(ConfusionShade(Double(index) / 5).text)\" stroke=\"#cccccc\"/>"
        }
        lines.append(text("0", x: left, y: y + 24, size: 11))
        lines.append(text("1", x: left + 6 * step, y: y + 24, size: 11, attributes: "text-anchor=\"end\""))
        if matrix.unpredictedSamples > 0 {
            lines.append(
                text(
                    "samples without a prediction, their logits are not finite: \(matrix.unpredictedSamples)",
                    x: Self.margin, y: y + 40, size: 11))
        }
        return lines
    }

    private func text(
        _ words: String, x: Double, y: Double, size: Double, attributes: String = "", color: String? = nil
    ) -> String {
        let fill = (color ?? (ground == .paper ? "#222222" : nil)).map { " fill=\"\($0)\"" } ?? ""
        return "<text x=\"\(f(x))\" y=\"\(f(y))\" font-size=\"\(f(size))\"\(fill)\(attributes.isEmpty ? "" : " ")"
            + "\(attributes)>\(Markup.escaped(words))</text>"
    }

    private func f(_ value: Double) -> String { SVGText.number(value) }
}

/// The colour of a square, by its share of the row: from nearly white to dark blue, lighter first, so that even a single sample
/// in a row can be seen.
package struct ConfusionShade: Equatable, Sendable {
    package let red, green, blue: UInt8
    /// Whether words on it are white.
    package let isDark: Bool

    package init(_ share: Double) {
        func channel(_ low: Double, _ high: Double) -> UInt8 {
            UInt8((low + (high - low) * min(1, max(0, share)).squareRoot()).rounded())
        }
        (red, green, blue) = (channel(237, 8), channel(243, 48), channel(250, 107))
        isDark = share > 0.3
    }

    var text: String { "#" + [red, green, blue].map { String(format: "%02x", $0) }.joined() }
}
