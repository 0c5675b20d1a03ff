internal import Foundation

/// Curves over one axis as inline SVG, in the colours and dashes of `PageStyle`.
struct LineChart {
    struct Series {
        let name: String
        /// Values that are not finite leave a gap.
        let points: [(x: Double, y: Double)]
        /// Its place among colours and dashes.
        var style = 0
        /// Thin, for what is noisy beside a series of its own.
        var isFaint = false
        /// Points that are few are marked.
        var isMarked = false
    }

    /// Tells the charts of a page apart.
    let id: String
    let title: String
    let xLabel: String
    let series: [Series]
    /// Equal steps are equal ratios, where all values are above 0 and spread far.
    var mayBeLogarithmic = false
    /// Values cannot lie outside, so the axis does not go further.
    var limits: ClosedRange<Double>?
    var includesZero = false

    private static let width = 480.0
    /// Of the plot and what stands below it; the legend comes on top.
    private static let height = 246.0
    private static let (left, right, bottom) = (58.0, 14.0, 44.0)
    /// Of the piece of line in front of a name.
    private static let sample = 34.0
    private static let longestName = 40
    private static let logarithmicRatio = 30.0
    /// What is smaller counts as nothing.
    private static let smallest = 1e-30
    private static let markedPoints = 60
    private static let mostPoints = 480

    /// Nil where there is nothing to draw.
    var svg: String? {
        let drawn = series.filter { $0.points.contains { $0.y.isFinite } }
        let values = drawn.flatMap { $0.points.map(\.y).filter(\.isFinite) }
        let places = drawn.flatMap { $0.points.map(\.x) }
        guard let smallest = values.min(), let high = values.max(), let first = places.min(), let last = places.max()
        else {
            return nil
        }
        let low = includesZero ? min(0, smallest) : smallest
        let isLogarithmic = mayBeLogarithmic && low > Self.smallest && high / low > Self.logarithmicRatio
        let (yTicks, yRange) = isLogarithmic ? Self.decades(low, high) : Self.ticks(low, high, within: limits)
        let (xTicks, _) = Self.ticks(first, last, within: nil, whole: true)
        let (yLabels, xLabels) = (Self.labels(yTicks, alike: !isLogarithmic), Self.labels(xTicks, alike: true))
        let isAlone = Set(drawn.map(\.style)).count == 1
        let legend = legend(drawn, isAlone: isAlone)
        let top = legend.height + 10
        let height = legend.height + Self.height
        let (plotWidth, plotHeight) = (Self.width - Self.left - Self.right, height - top - Self.bottom)
        func x(_ value: Double) -> Double {
            Self.left + (last > first ? (value - first) / (last - first) : 0.5) * plotWidth
        }
        func y(_ value: Double) -> Double {
            func scaled(_ value: Double) -> Double { isLogarithmic ? log10(max(value, .leastNormalMagnitude)) : value }
            let (from, to) = (scaled(yRange.lowerBound), scaled(yRange.upperBound))
            return top + (1 - (scaled(value) - from) / (to - from)) * plotHeight
        }
        var lines = [
            "<svg viewBox=\"0 0 \(Int(Self.width)) \(Int(height))\" role=\"img\" aria-labelledby=\"\(id)-t \(id)-d\" font-size=\"12\">",
            "<title id=\"\(id)-t\">\(Markup.escaped(title))</title>",
            "<desc id=\"\(id)-d\">\(Markup.escaped(description(drawn)))</desc>", legend.markup,
        ]
        for (tick, label) in zip(yTicks, yLabels) {
            let place = SVGText.number(y(tick))
            lines.append(
                "<path class=\"grid\" d=\"M\(Int(Self.left)) \(place)H\(Int(Self.width - Self.right))\"/>"
                    + "<text class=\"soft\" x=\"\(Int(Self.left) - 8)\" y=\"\(SVGText.number(y(tick) + 4))\" text-anchor=\"end\">"
                    + "\(label)</text>")
        }
        let base = height - Self.bottom
        for (tick, label) in zip(xTicks, xLabels) where tick >= first && tick <= last {
            lines.append(
                "<text class=\"soft\" x=\"\(SVGText.number(x(tick)))\" y=\"\(Int(base) + 18)\" text-anchor=\"middle\">"
                    + "\(label)</text>")
        }
        lines.append(
            "<text class=\"soft\" x=\"\(SVGText.number(Self.left + plotWidth / 2))\" y=\"\(Int(base) + 37)\" "
                + "text-anchor=\"middle\">\(Markup.escaped(xLabel))</text>")
        for one in drawn { lines.append(curve(one, isAlone: isAlone, x: x, y: y)) }
        lines.append("</svg>")
        return lines.joined(separator: "\n")
    }

    private func curve(_ series: Series, isAlone: Bool, x: (Double) -> Double, y: (Double) -> Double) -> String {
        var path = ""
        var marks = ""
        var isDown = false
        let isMarked = series.points.count == 1 || series.isMarked && series.points.count <= Self.markedPoints
        for point in Self.thinned(series.points) {
            guard point.y.isFinite else {
                isDown = false
                continue
            }
            let (left, top) = (SVGText.number(x(point.x)), SVGText.number(y(point.y)))
            path += "\(isDown ? "L" : "M")\(left) \(top)"
            isDown = true
            if isMarked { marks += "<circle cx=\"\(left)\" cy=\"\(top)\" r=\"2.6\" fill=\"currentColor\"/>" }
        }
        return Self.line(series, isAlone: isAlone, path: path)
            + (marks.isEmpty ? "" : "<g class=\"\(Self.colour(series))\" stroke=\"none\">\(marks)</g>")
    }

    private static func colour(_ series: Series) -> String { "s\(series.style % PageStyle.colours)" }

    private static func line(_ series: Series, isAlone: Bool, path: String) -> String {
        let dash = isAlone ? nil : dash(series.style)
        return "<path class=\"series \(colour(series))\(series.isFaint ? " faint" : "")\""
            + (dash.map { " stroke-dasharray=\"\($0)\"" } ?? "") + " d=\"\(path)\"/>"
    }

    /// Lengths of strokes and gaps, different for every style: where colours come again, dots behind the stroke count the turns.
    static func dash(_ style: Int) -> String? {
        let (turn, place) = style.quotientAndRemainder(dividingBy: PageStyle.colours)
        let strokes = [nil, "7 3", "2 3", "9 3 2 3", "4 2", "12 4"]
        let stroke = strokes[place % strokes.count]
        return turn == 0 ? stroke : ([stroke ?? "18 3"] + Array(repeating: "1 3", count: turn)).joined(separator: " ")
    }

    /// A line for each series with its last value, as many in a row as have room.
    private func legend(_ series: [Series], isAlone: Bool) -> (markup: String, height: Double) {
        var (x, y) = (Self.left, 14.0)
        var parts: [String] = []
        for one in series {
            let last = one.points.last { $0.y.isFinite }?.y ?? .nan
            let name = one.name.count > Self.longestName ? "\(one.name.prefix(Self.longestName - 1))…" : one.name
            let words = one.isFaint ? name : "\(name) \(Self.label(last))"
            let width = Self.sample + 14 + SVGText.width(words, fontSize: 12)
            if x > Self.left, x + width > Self.width {
                (x, y) = (Self.left, y + 17)
            }
            let path = "M\(SVGText.number(x)) \(SVGText.number(y - 4))h\(Int(Self.sample))"
            parts.append(
                Self.line(one, isAlone: isAlone, path: path)
                    + "<text x=\"\(SVGText.number(x + Self.sample + 5))\" y=\"\(SVGText.number(y))\">\(Markup.escaped(words))</text>"
            )
            x += width + 6
        }
        return (parts.joined(separator: "\n"), y + 6)
    }

    /// The picture in words, for who does not see it.
    private func description(_ series: [Series]) -> String {
        series.filter { !$0.isFaint }.map { one in
            let values = one.points.map(\.y).filter(\.isFinite)
            guard let first = values.first, let last = values.last, let low = values.min(), let high = values.max()
            else {
                return ""
            }
            return
                "\(one.name): from \(Self.label(first)) to \(Self.label(last)), lowest \(Self.label(low)), highest \(Self.label(high))"
        }.joined(separator: ". ")
    }

    /// Means of neighbours where there are more points than pixels.
    private static func thinned(_ points: [(x: Double, y: Double)]) -> [(x: Double, y: Double)] {
        guard points.count > mostPoints else { return points }
        let size = (points.count + mostPoints - 1) / mostPoints
        return stride(from: 0, to: points.count, by: size).map { start in
            let part = points[start..<min(start + size, points.count)]
            return (part[part.index(before: part.endIndex)].x, part.reduce(0) { $0 + $1.y } / Double(part.count))
        }
    }

    /// Round numbers, and the range from the first to the last of them.
    static func ticks(
        _ low: Double, _ high: Double, within limits: ClosedRange<Double>?, whole: Bool = false
    ) -> (ticks: [Double], range: ClosedRange<Double>) {
        let spread = high - low
        let usable = spread > smallest ? spread : max(abs(high), 1e-9) * 0.2
        let raw = usable / 4
        let power = pow(10, log10(raw).rounded(.down))
        let factors: [Double] = [1, 2, 2.5, 5, 10]
        var step = (factors.first { factor in factor * power >= raw * 0.999 } ?? 10) * power
        if whole { step = max(1, step.rounded()) }
        var first = (low / step).rounded(.down)
        var last = (high / step).rounded(.up)
        if first == last { (first, last) = (first - 1, last + 1) }
        var (bottom, top) = (first * step, last * step)
        if let limits {
            bottom = max(bottom, min(limits.lowerBound, low))
            top = min(top, max(limits.upperBound, high))
        }
        let tolerance = step * 1e-6
        let multiples: [Double] = (Int(first)...Int(last)).map { Double($0) * step }
        let ticks: [Double] = multiples.filter { tick in tick >= bottom - tolerance && tick <= top + tolerance }
        return (ticks, bottom...max(top, bottom + step * 1e-3))
    }

    /// Powers of ten around the values, with 2 and 5 between them where there are few.
    static func decades(_ low: Double, _ high: Double) -> (ticks: [Double], range: ClosedRange<Double>) {
        let (first, last) = (Int(log10(low).rounded(.down)), Int(log10(high).rounded(.up)))
        let factors: [Double] = last - first <= 2 ? [1, 2, 5] : [1]
        let powers: [Double] = (first...last).map { pow(10, Double($0)) }
        let all: [Double] = powers.flatMap { power in factors.map { $0 * power } }
        let bottom = all.last { $0 <= low } ?? low
        let top = all.first { $0 >= high } ?? high
        return (all.filter { $0 >= bottom && $0 <= top }, bottom...max(top, bottom * 1.001))
    }

    /// Ticks that are `alike` have as many decimals as the steps between them need.
    private static func labels(_ ticks: [Double], alike: Bool) -> [String] {
        guard alike, ticks.count > 1, let most = ticks.map(abs).max() else { return ticks.map(label) }
        guard most < 10_000 else {
            let isThousands = most < 1e6 && ticks.allSatisfy { $0.truncatingRemainder(dividingBy: 1_000) == 0 }
            return ticks.map { isThousands ? $0 == 0 ? "0" : "\(Int($0 / 1_000))k" : label($0) }
        }
        let step = ticks[1] - ticks[0]
        let decimals = (0...6).first { place in
            let scaled = step * pow(10, Double(place))
            return abs(scaled - scaled.rounded()) < 1e-6 * scaled && scaled >= 0.5
        }
        guard let decimals else { return ticks.map(label) }
        return ticks.map { NumberText.decimal(abs($0) < step * 1e-6 ? 0 : $0, decimals) }
    }

    static func label(_ value: Double) -> String {
        guard value.isFinite else { return "–" }
        if abs(value) >= 10_000 { return NumberText.compact(value) }
        return value != 0 && abs(value) < 1e-3 ? NumberText.significant(value, 3) : NumberText.significant(value, 4)
    }
}
