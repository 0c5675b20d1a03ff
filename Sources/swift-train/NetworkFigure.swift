internal import Foundation
internal import Layers
internal import Pictures
internal import Report
internal import Tensors

/// A network as a row of stacks of maps: the higher, the larger the maps; the deeper, the more of them.
///
/// What keeps shapes as they are (normalisation, activation, dropout) belongs to the layer in front of it. Shortcuts are lines
/// above the stacks.
struct NetworkFigure {
    private struct Stack {
        let words: [String]
        let shape: Shape
        let kind: Kind
        /// The last value that it makes.
        var value: Int
        /// Values that are added or joined here, besides the one before.
        var joined: [Int] = []
    }

    private enum Kind {
        case image, weighted, pooling, other

        var fill: UInt32 {
            switch self {
            case .image: 0xFFFFFF
            case .weighted: 0xA9C9E8
            case .pooling: 0xF2C894
            case .other: 0xDDDDDD
            }
        }
    }

    private let stacks: [Stack]
    private let title: String

    private static let stroke: UInt32 = 0x33475B
    private static let ink: UInt32 = 0x222222
    private static let quiet: UInt32 = 0x6E6E6E
    private static let shortcut: UInt32 = 0xB5482A
    /// Between the ends of two shortcuts at one stack.
    private static let spread = 5
    private static let margin = 16
    private static let largestWidth = 1240
    private static let tallest = 112
    private static let depths = 2...9
    /// Between the layers of a stack.
    private static let offset = 3

    init(_ network: Network) {
        var stacks = [Stack(words: ["image"], shape: network.description.input, kind: .image, value: 0)]
        for (index, stage) in network.stages.enumerated() {
            let value = index + 1
            switch stage.operation {
            case .activation, .batchNormalization, .dropout, .softmax:
                if stage.inputValues == [stacks[stacks.count - 1].value] {
                    stacks[stacks.count - 1].value = value
                    continue
                }
            case .add:
                if let last = stage.inputValues.firstIndex(of: stacks[stacks.count - 1].value) {
                    var others = stage.inputValues
                    others.remove(at: last)
                    stacks[stacks.count - 1].value = value
                    stacks[stacks.count - 1].joined += others
                    continue
                }
            case .reshape:
                if stage.inputValues == [stacks[stacks.count - 1].value], index + 1 < network.stages.count {
                    stacks[stacks.count - 1].value = value
                    continue
                }
            default: break
            }
            let before = stacks[stacks.count - 1].value
            let others = stage.inputValues.filter { $0 != before }
            stacks.append(
                Stack(
                    words: Self.words(stage), shape: stage.output, kind: Self.kind(stage.operation), value: value,
                    joined: others))
        }
        self.stacks = stacks
        let parameters = NumberText.grouped(network.parameterList.parameterCount)
        title = "\(network.description.name), images \(network.description.input), \(parameters) parameters"
    }

    private static func kind(_ operation: Layers.Operation) -> Kind {
        switch operation {
        case .convolution, .transposedConvolution, .affine: .weighted
        case .pooling: .pooling
        default: .other
        }
    }

    private static func words(_ stage: Network.Stage) -> [String] {
        func windows(_ window: Window) -> [String] {
            let kernel = window.axes.map { "\($0.kernel)" }.joined(separator: "×")
            let strides = Set(window.axes.map(\.stride))
            return [kernel + (strides == [1] ? "" : " /\(window.axes.map { "\($0.stride)" }.first ?? "")")]
        }
        let type = stage.layer.typeName
        return switch stage.operation {
        case .convolution(let padded, _): ["conv"] + windows(padded.convolution.window)
        case .transposedConvolution(let convolution, _): ["convT"] + windows(convolution.window)
        case .affine: ["linear"]
        case .pooling(let function, .sliding(let window, _)):
            [function == .maximum ? "max" : function == .minimum ? "min" : "mean"] + windows(window)
        case .pooling(let function, .adaptive): [function == .maximum ? "max" : "mean", "adapt."]
        default: [String(type.prefix(9))]
        }
    }

    // MARK: Drawing

    var drawing: Drawing {
        let line = Drawing.character.height
        let places = stacks.map(Place.init)
        // Rows of stacks.
        var rows: [[Int]] = [[]]
        var x = Self.margin
        for (index, place) in places.enumerated() {
            if x + place.width > Self.largestWidth - Self.margin, !rows[rows.count - 1].isEmpty {
                rows.append([])
                x = Self.margin
            }
            rows[rows.count - 1].append(index)
            x += place.width
        }
        /// Room for shortcuts, and for the tallest stack, in each row.
        let heights = rows.map { row in
            (
                above: row.contains { !stacks[$0].joined.isEmpty } ? 34 : 6,
                stack: row.map { places[$0].height }.max() ?? 0
            )
        }
        let legend = "blue: with weights   orange: pooling   red: shortcut or branch   /n: stride"
        let texts = max(title.count, legend.count) * Drawing.character.width + 2 * Self.margin
        let width = max(rows.map { $0.reduce(2 * Self.margin) { $0 + places[$1].width } }.max() ?? 0, texts)
        let below = 4 * line + 12
        var drawing = Drawing(
            width: width,
            height: heights.reduce(2 * Self.margin + 2 * line + 8) { $0 + $1.above + $1.stack + below }, title: title)
        func write(_ text: String, top: Int, _ colour: UInt32) {
            drawing.add(
                .text(text, middle: Self.margin + text.count * Drawing.character.width / 2, top: top, colour: colour))
        }
        write(title, top: Self.margin, Self.ink)
        var top = Self.margin + line + 8
        for (row, height) in zip(rows, heights) {
            draw(row, places, bottom: top + height.above + height.stack, on: &drawing)
            top += height.above + height.stack + below
        }
        write(legend, top: top, Self.quiet)
        return drawing
    }

    /// Where a stack is drawn, relative to its left end.
    private struct Place {
        /// Of the front map, and how many are drawn behind each other.
        let front: (width: Int, height: Int)
        let depth: Int
        let shapeText: String
        let words: [String]
        let width: Int
        var height: Int { front.height + (depth - 1) * NetworkFigure.offset }

        init(_ stack: Stack) {
            let shape = stack.shape
            if shape.rank == 1 {
                depth = 1
                front = (12, max(16, min(tallest, Int(14 * log2(Double(shape[0]) + 1)))))
            } else {
                let extents = Array(shape.dimensions.dropFirst())
                let (rows, columns) = (extents.count > 1 ? extents[extents.count - 2] : 1, extents[extents.count - 1])
                func side(_ extent: Int) -> Int { max(6, min(84, Int(10.5 * log2(Double(extent) + 1)))) }
                front = (side(columns), side(rows))
                depth = min(
                    depths.upperBound, max(shape[0] == 1 ? 1 : depths.lowerBound, Int(log2(Double(shape[0])).rounded()))
                )
            }
            shapeText = shape.dimensions.map(String.init).joined(separator: "×")
            words = stack.words
            let texts = ([shapeText] + words).map { $0.count * Drawing.character.width }.max() ?? 0
            width = max(texts, front.width + (depth - 1) * NetworkFigure.offset) + 12
        }
    }

    private func draw(_ row: [Int], _ places: [Place], bottom: Int, on drawing: inout Drawing) {
        let line = Drawing.character.height
        var x = Self.margin
        /// The middle and the top of each stack of the row.
        var tops: [Int: (x: Int, y: Int)] = [:]
        for index in row {
            let (place, stack) = (places[index], stacks[index])
            let middle = x + (place.width - 12) / 2
            let reach = (place.depth - 1) * Self.offset
            let left = middle - (place.front.width + reach) / 2
            for layer in (0..<place.depth).reversed() {
                drawing.add(
                    .box(
                        x: left + layer * Self.offset, y: bottom - place.front.height - layer * Self.offset,
                        width: place.front.width, height: place.front.height, fill: stack.kind.fill, stroke: Self.stroke
                    ))
            }
            tops[stack.value] = (middle, bottom - place.front.height - reach)
            for (number, text) in ([place.shapeText] + place.words).enumerated() {
                drawing.add(
                    .text(
                        text, middle: middle, top: bottom + 4 + number * line,
                        colour: number == 0 ? Self.ink : Self.quiet
                    ))
            }
            x += place.width
        }
        let values = row.map { stacks[$0].value }
        for index in row {
            for other in stacks[index].joined {
                guard let end = tops[stacks[index].value] else { continue }
                // A value inside a stack is that stack's.
                let source = values.first { $0 >= other }
                let isHere =
                    source.map { value in value < stacks[index].value && stacks[row[0]].value <= value } ?? false
                let start =
                    isHere && (row[0] == 0 || other >= stacks[row[0] - 1].value + 1) ? source.flatMap { tops[$0] } : nil
                let from = start ?? (x: Self.margin - 8, y: end.y)
                let (left, right) = (start == nil ? from.x : from.x + Self.spread, end.x - Self.spread)
                let level = min(from.y, end.y) - 12
                if start != nil {
                    drawing.add(.line(from: (left, from.y - 2), to: (left, level), colour: Self.shortcut))
                }
                drawing.add(.line(from: (left, level), to: (right, level), colour: Self.shortcut))
                drawing.add(.line(from: (right, level), to: (right, end.y - 2), colour: Self.shortcut))
            }
        }
    }
}

extension Canvas {
    /// A drawing in pixels.
    init(_ drawing: Drawing) {
        func colour(_ value: UInt32) -> Colour {
            Colour(UInt8(value >> 16 & 255), UInt8(value >> 8 & 255), UInt8(value & 255))
        }
        self.init(width: min(1 << 15, drawing.width), height: min(1 << 15, drawing.height))
        for item in drawing.items {
            switch item {
            case .box(let x, let y, let width, let height, let fill, let stroke):
                self.fill(x: x, y: y, width: width, height: height, colour(fill))
                frame(x: x, y: y, width: width, height: height, colour(stroke))
            case .line(let start, let end, let stroke):
                line(from: start, to: end, colour(stroke))
            case .text(let text, let middle, let top, let fill):
                self.text(text, x: middle - Canvas.size(of: text).width / 2, y: top, colour(fill))
            }
        }
    }
}
