internal import Layers
internal import Models
internal import Pictures
internal import Report
internal import Tensors

/// What came of an image, in words, as JSON and as a picture.
struct FilterReport {
    struct Input {
        let name: String
        /// [C, H, W]
        let shape: Shape
        /// [H, W, C]
        let pixels: [Float]

        /// The image as planes.
        var step: ImageFilter.Step {
            let (channels, area) = (shape[0], shape[1] * shape[2])
            let planes = (0..<channels).flatMap { channel in (0..<area).map { pixels[$0 * channels + channel] } }
            return ImageFilter.Step(name: "input", shape: shape, values: planes, formulas: [], unused: [0, 0])
        }
    }

    struct Result {
        let kernel: FilterKernel?
        let steps: [ImageFilter.Step]
        let columns: ImageColumns?
    }

    let input: Input
    let filter: ImageFilter
    let results: [Result]
    /// Numbers of large matrices too.
    let showsAll: Bool
    let showsSteps: Bool
    /// The values of black and white, where they were given.
    let range: (low: Float, high: Float)?

    /// Of a side; larger matrices are not printed unless that is wanted.
    private static let printedSide = 12
    /// Sums that are written out.
    private static let shownSums = 25

    // MARK: Text

    var text: String {
        let start = input.step
        return (lines(of: start, "\(size(start.shape)), \(input.name)") + results.flatMap(lines(of:))).joined(
            separator: "\n")
    }

    private func lines(of result: Result) -> [String] {
        var lines: [String] = []
        if let kernel = result.kernel {
            let isMatrix = kernel.name.contains(",")
            let sum = NumberText.significant(Double(kernel.values.reduce(0, +)))
            lines.append(
                "kernel     \(kernel.rows)×\(kernel.columns)\(isMatrix ? "" : ", \(kernel.name)"), its sum is \(sum)")
            if prints([1, kernel.rows, kernel.columns]) {
                lines += MatrixText.lines(kernel.values, columns: kernel.columns)
            }
        }
        for (index, step) in result.steps.enumerated() {
            let before = index == 0 ? input.step : result.steps[index - 1]
            let sizes = zip(["height", "width"], step.formulas).map { "\($0) \($1)" }.joined(separator: ", ")
            lines += self.lines(of: step, "\(size(step.shape))\(manner(step)): \(sizes)", unused: step.unused)
            if step.name == "convolved", let columns = result.columns { lines += self.lines(of: columns, step) }
            if step.name == "convolved", showsSteps, let kernel = result.kernel {
                lines += sums(of: step, kernel, before).prefix(Self.shownSums).map { "  \($0.text)" }
                let count = step.shape[1] * step.shape[2]
                if count > Self.shownSums { lines.append("  and \(count - Self.shownSums) more") }
            }
        }
        return lines
    }

    private func lines(of step: ImageFilter.Step, _ words: String, unused: [Int] = [0, 0]) -> [String] {
        let name = step.name + String(repeating: " ", count: max(1, 11 - step.name.count))
        var lines = ["\(name)\(words); values \(NumberText.extremes(step.values))"]
        let dropped = zip(unused, ["row", "column"]).filter { $0.0 > 0 }.map { NumberText.counted($0, $1) }
        if !dropped.isEmpty {
            lines.append("           in no window: \(dropped.joined(separator: " and ")) at the end")
        }
        guard prints(step.shape) else { return lines }
        let area = step.shape[1] * step.shape[2]
        for channel in 0..<step.shape[0] {
            if step.shape[0] > 1 { lines.append("  channel \(channel)") }
            lines += MatrixText.lines(step.values[channel * area..<(channel + 1) * area], columns: step.shape[2])
        }
        return lines
    }

    private func lines(of columns: ImageColumns, _ convolved: ImageFilter.Step) -> [String] {
        let difference = zip(columns.product, convolved.values).map { abs($0 - $1) }.max() ?? 0
        var lines = ["im2col     \(columns.rows)×\(columns.columns): each of \(columns.columns) windows is a column"]
        if showsAll || columns.columns <= 2 * Self.printedSide {
            lines += MatrixText.lines(columns.values, columns: columns.columns)
        }
        lines.append(
            "           the kernel as a row times these columns is what the convolution gives; largest difference "
                + NumberText.significant(Double(difference)))
        return lines
    }

    private func manner(_ step: ImageFilter.Step) -> String {
        switch step.name {
        case "padded":
            filter.paddingMode != .zeros
                ? " (\(filter.paddingMode.rawValue))"
                : filter.paddingValue == 0 ? "" : " (\(NumberText.significant(Double(filter.paddingValue))))"
        case "convolved": filter.flipsKernel ? " (true convolution, the kernel turned by 180°)" : ""
        case "pooled": filter.pool.map { " (\($0.kind.rawValue))" } ?? ""
        default: ""
        }
    }

    private func prints(_ shape: Shape) -> Bool {
        showsAll || shape[0] == 1 && shape.dimensions.allSatisfy { $0 <= Self.printedSide }
    }

    private func size(_ shape: Shape) -> String {
        (shape[0] == 1 ? "" : "\(shape[0])×") + "\(shape[1])×\(shape[2])"
    }

    // MARK: The kernel on its way

    private struct Sum {
        let text: String
        let row, column: Int
        let window: (rows: Range<Int>, columns: Range<Int>)
    }

    /// Each place of the first channel as the sum that it is.
    private func sums(of step: ImageFilter.Step, _ kernel: FilterKernel, _ source: ImageFilter.Step) -> [Sum] {
        let weights = filter.flipsKernel ? kernel.values.reversed() : kernel.values
        return (0..<step.shape[1] * step.shape[2]).prefix(Self.shownSums + 1).map { place in
            let (row, column) = (place / step.shape[2], place % step.shape[2])
            let (top, left) = (row * filter.stride, column * filter.stride)
            let terms = weights.enumerated().filter { $0.element != 0 }.map { index, weight in
                let (y, x) = (
                    top + index / kernel.columns * filter.dilation, left + index % kernel.columns * filter.dilation
                )
                let value = source.values[y * source.shape[2] + x]
                return "\(NumberText.significant(Double(weight)))·\(NumberText.significant(Double(value)))"
            }
            let height = WindowArithmetic.reach(kernel: kernel.rows, dilation: filter.dilation)
            let width = WindowArithmetic.reach(kernel: kernel.columns, dilation: filter.dilation)
            return Sum(
                text: "y[\(row), \(column)] = \(terms.joined(separator: " + ")) = "
                    + NumberText.significant(Double(step.values[place])), row: row, column: column,
                window: (top..<top + height, left..<left + width))
        }
    }

    // MARK: Picture

    /// What the gray of results means.
    var legend: String {
        if let range {
            return "in results black is \(NumberText.significant(Double(range.low))) and below, white "
                + "\(NumberText.significant(Double(range.high))) and above"
        }
        let isSigned = results.contains { $0.steps.contains { $0.values.contains { $0 < 0 } } }
        return isSigned
            ? "each result from its smallest to its largest value, zero in the middle where there are negative ones; what keeps "
                + "a picture (sharpen, emboss, pooling alone) on its scale"
            : "each result from its smallest value, black, to its largest, white"
    }

    /// The image on the left; for each kernel a column with the kernel on top and what comes of it below.
    var sheet: Canvas {
        let kernels: [ContactSheet.Cell?] = results.map { result in result.kernel.map(cell(of:)) }
        let start = input.step
        let first = ContactSheet.Cell(
            image: inputLevels.image(
                planes: start.values, channels: start.shape[0], height: start.shape[1], width: start.shape[2]),
            captions: [input.name, size(start.shape)], labels: labels(of: start))
        var rows: [[ContactSheet.Cell?]] = []
        if kernels.contains(where: { $0 != nil }) { rows.append([nil] + kernels) }
        let shown = results.map { $0.steps.filter { $0.name != "padded" || $0.name == results[0].steps.last?.name } }
        for index in 0..<(shown.map(\.count).max() ?? 0) {
            rows.append(
                [index == 0 ? first : nil]
                    + zip(shown, results).map { index < $0.count ? cell(of: $0[index], $1.kernel) : nil })
        }
        if rows.isEmpty { rows.append([first]) }
        if showsSteps { rows += steps }
        return ContactSheet(rows: rows, smallestSide: 180, largestSide: 300).canvas
    }

    /// From 0 to 1, or farther where the image goes farther.
    private var inputLevels: GrayLevels { .picture(input.pixels) }

    private func cell(of kernel: FilterKernel) -> ContactSheet.Cell {
        ContactSheet.Cell(
            image: GrayLevels(of: kernel.values).image(
                planes: kernel.values, channels: 1, height: kernel.rows, width: kernel.columns),
            captions: [kernel.name], labels: kernel.values.map { NumberText.significant(Double($0), 2) })
    }

    private func cell(of step: ImageFilter.Step, _ kernel: FilterKernel?) -> ContactSheet.Cell {
        let levels =
            range.map { GrayLevels(low: $0.low, high: $0.high) }
            ?? (kernel.map(\.keepsPictures) ?? true ? inputLevels : GrayLevels(of: step.values))
        return ContactSheet.Cell(
            image: levels.image(
                planes: step.values, channels: step.shape[0], height: step.shape[1], width: step.shape[2]),
            captions: ["\(step.name) \(size(step.shape))", NumberText.extremes(step.values)],
            labels: labels(of: step))
    }

    /// The numbers of a small matrix.
    private func labels(of step: ImageFilter.Step) -> [String] {
        guard step.shape[0] == 1, step.values.count <= Self.printedSide * Self.printedSide else { return [] }
        return step.values.map { NumberText.significant(Double($0), 2) }
    }

    /// The windows of the first kernel, one after the other.
    private var steps: [[ContactSheet.Cell?]] {
        guard let result = results.first, let kernel = result.kernel,
            let step = result.steps.first(where: { $0.name == "convolved" })
        else { return [] }
        let source = result.steps.first { $0.name == "padded" } ?? input.step
        let plane = Array(source.values.prefix(source.shape[1] * source.shape[2]))
        let picture = GrayLevels(of: plane).image(
            planes: plane, channels: 1, height: source.shape[1], width: source.shape[2])
        let cells = sums(of: step, kernel, source).prefix(Self.shownSums).map { sum in
            ContactSheet.Cell(
                image: picture,
                captions: [
                    "y[\(sum.row), \(sum.column)] = "
                        + NumberText.significant(Double(step.values[sum.row * step.shape[2] + sum.column]))
                ],
                labels: plane.count <= 144 ? plane.map { NumberText.significant(Double($0), 2) } : [],
                window: sum.window)
        }
        let across = min(max(results.count + 1, 5), max(1, cells.count))
        return stride(from: 0, to: cells.count, by: across).map { Array(cells[$0..<min($0 + across, cells.count)]) }
    }

    // MARK: JSON

    var json: JSON {
        [
            "input": .string(input.name), "shape": .integers(input.shape.dimensions),
            "values": Self.matrices(input.step),
            "results": .array(
                results.map { result in
                    var members =
                        result.kernel.map {
                            [
                                JSON.Member("kernel", .string($0.name)),
                                JSON.Member("kernel_values", Self.matrix($0.values, columns: $0.columns)),
                            ]
                        } ?? []
                    members.append(JSON.Member("steps", .array(result.steps.map(Self.json))))
                    if let columns = result.columns {
                        members.append(JSON.Member("im2col", Self.matrix(columns.values, columns: columns.columns)))
                        members.append(
                            JSON.Member("im2col_product", .array(columns.product.map { .number(Double($0)) })))
                    }
                    return .object(members)
                }),
        ]
    }

    private static func json(of step: ImageFilter.Step) -> JSON {
        [
            "name": .string(step.name), "shape": .integers(step.shape.dimensions),
            "formulas": .array(step.formulas.map(JSON.string)),
            "values": matrices(step),
        ]
    }

    /// One for each channel.
    private static func matrices(_ step: ImageFilter.Step) -> JSON {
        let area = step.shape[1] * step.shape[2]
        return .array(
            (0..<step.shape[0]).map {
                matrix(Array(step.values[$0 * area..<($0 + 1) * area]), columns: step.shape[2])
            })
    }

    private static func matrix(_ values: [Float], columns: Int) -> JSON {
        .array(
            stride(from: 0, to: values.count, by: columns).map { start in
                .array(values[start..<start + columns].map { .number(Double($0)) })
            })
    }
}
