package import Report

/// A confusion matrix as PNG: what `ConfusionPicture` draws, in the pixels of a canvas.
package struct ConfusionSheet: Sendable {
    private let matrix: ConfusionMatrix
    private let title: String
    /// Pixels of a square's side.
    private let cell: Int
    private let names: [String]
    private let isCounted: Bool

    /// More would leave nothing of a square.
    package static let mostClasses = 2048
    private static let margin = 16
    private static let legendSteps = 6
    private static let text = Colour(34, 34, 34)

    package init(_ matrix: ConfusionMatrix, title: String) {
        (self.matrix, self.title) = (matrix, title)
        let classes = matrix.classes
        isCounted = classes <= ConfusionPicture.countedClasses
        names =
            classes <= ConfusionPicture.namedClasses
            ? matrix.classNames.map {
                Canvas.shortened($0, toWidth: Canvas.size(of: "m").width * ConfusionPicture.largestName)
            }
            : []
        let widest = isCounted ? matrix.occurring.map { Canvas.size(of: "\($0.count)").width }.max() ?? 0 : 0
        switch classes {
        case ...12: cell = max(46, widest + 8)
        case ...ConfusionPicture.countedClasses: cell = max(34, widest + 6)
        case ...ConfusionPicture.namedClasses: cell = Canvas.size(of: "").height + 1
        default: cell = max(1, 1200 / classes)
        }
    }

    package var canvas: Canvas {
        let line = Canvas.size(of: "").height
        let longest = names.map { Canvas.size(of: $0).width }.max() ?? 0
        let left = Self.margin + line + 8 + longest + 8
        let top = Self.margin + 2 * line + 12 + line + 8 + longest + 8
        let side = cell * matrix.classes
        let words = [title, ConfusionPicture.key, unpredicted ?? ""].map { Canvas.size(of: $0).width }.max() ?? 0
        var canvas = Canvas(
            width: min(1 << 15, max(left + side, Self.margin + words) + Self.margin),
            height: top + side + 12 + 10 + 4 + line + (unpredicted == nil ? 0 : line + 6) + Self.margin)
        canvas.text(title, x: Self.margin, y: Self.margin, Self.text)
        canvas.text(ConfusionPicture.key, x: Self.margin, y: Self.margin + line + 4, .gray)
        drawAxes(on: &canvas, left: left, top: top, side: side)
        drawSquares(on: &canvas, left: left, top: top)
        canvas.frame(x: left - 1, y: top - 1, width: side + 2, height: side + 2, Colour(136, 136, 136))
        drawLegend(on: &canvas, left: left, top: top + side + 12)
        return canvas
    }

    private var unpredicted: String? {
        matrix.unpredictedSamples == 0
            ? nil : "samples without a prediction, their logits are not finite: \(matrix.unpredictedSamples)"
    }

    private func drawAxes(on canvas: inout Canvas, left: Int, top: Int, side: Int) {
        let line = Canvas.size(of: "").height
        let (truth, predicted) = (Canvas.size(of: "true").width, Canvas.size(of: "predicted").width)
        canvas.upwardText("true", x: Self.margin, bottom: top + (side + truth) / 2, Self.text)
        canvas.text("predicted", x: left + max(0, (side - predicted) / 2), y: Self.margin + 2 * line + 12, Self.text)
        for (index, name) in names.enumerated() {
            let middle = index * cell + (cell - line) / 2
            canvas.text(name, x: left - 6 - Canvas.size(of: name).width, y: top + middle, Self.text)
            canvas.upwardText(name, x: left + middle, bottom: top - 6, Self.text)
        }
    }

    private func drawSquares(on canvas: inout Canvas, left: Int, top: Int) {
        for pair in matrix.occurring {
            let shade = ConfusionShade(Double(pair.count) / Double(matrix.support(of: pair.truth)))
            let (x, y) = (left + pair.predicted * cell, top + pair.truth * cell)
            canvas.fill(x: x, y: y, width: cell, height: cell, Colour(shade))
            guard isCounted else { continue }
            let count = "\(pair.count)"
            let size = Canvas.size(of: count)
            canvas.text(
                count, x: x + (cell - size.width) / 2, y: y + (cell - size.height) / 2,
                shade.isDark ? .white : Self.text)
        }
    }

    private func drawLegend(on canvas: inout Canvas, left: Int, top: Int) {
        let step = 20
        for index in 0..<Self.legendSteps {
            let shade = ConfusionShade(Double(index) / Double(Self.legendSteps - 1))
            canvas.fill(x: left + index * step, y: top, width: step, height: 10, Colour(shade))
        }
        canvas.frame(x: left - 1, y: top - 1, width: Self.legendSteps * step + 2, height: 12, Colour(204, 204, 204))
        let below = top + 14
        canvas.text("0", x: left, y: below, Self.text)
        canvas.text("1", x: left + Self.legendSteps * step - Canvas.size(of: "1").width, y: below, Self.text)
        if let unpredicted {
            canvas.text(unpredicted, x: Self.margin, y: below + Canvas.size(of: "").height + 6, Self.text)
        }
    }
}

extension Colour {
    init(_ shade: ConfusionShade) { self.init(shade.red, shade.green, shade.blue) }
}
