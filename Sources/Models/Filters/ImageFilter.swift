package import Layers
package import Tensors

/// What is done to an image by hand: margins, one kernel for every channel (or its transpose, which enlarges), pooling.
///
/// Every step is a layer, and a plan computes it: the numbers are those that a network would get.
package struct ImageFilter: Sendable {
    package struct Pool: Equatable, Sendable {
        package enum Kind: String, CaseIterable, Sendable {
            case max, min, mean
        }

        package var kind: Kind
        package var size: Int
        package var stride: Int
        package var padding = 0
        /// The last window may reach beyond the image.
        package var ceilMode = false

        package init(_ kind: Kind, size: Int, stride: Int) {
            (self.kind, self.size, self.stride) = (kind, size, stride)
        }

        fileprivate var layer: any Layer {
            let (kernel, stride, padding) = (Extents(size), Extents(stride), Extents(padding))
            return switch kind {
            case .max: MaxPool2d(kernel: kernel, stride: stride, padding: padding, ceilMode: ceilMode)
            case .min: MinPool2d(kernel: kernel, stride: stride, padding: padding, ceilMode: ceilMode)
            case .mean: AvgPool2d(kernel: kernel, stride: stride, padding: padding, ceilMode: ceilMode)
            }
        }
    }

    package var kernel: FilterKernel?
    package var padding = Padding.valid
    package var paddingMode = PaddingMode.zeros
    /// What `zeros` writes instead of 0.
    package var paddingValue: Float = 0
    package var stride = 1
    package var dilation = 1
    /// Convolution as mathematics defines it, with the kernel turned by 180°.
    package var flipsKernel = false
    /// The transpose of the convolution.
    package var isTransposed = false
    package var pool: Pool?

    package init() {}

    /// An image on its way through the filter.
    package struct Step: Sendable {
        /// "padded", "convolved", "enlarged", "pooled".
        package let name: String
        /// [C, H, W]
        package let shape: Shape
        package let values: [Float]
        /// How height and width come about: "⌊(5 + 1 + 1 − 3) / 2⌋ + 1 = 3".
        package let formulas: [String]
        /// Rows and columns at the end of the image that lie in no window.
        package let unused: [Int]

        package init(name: String, shape: Shape, values: [Float], formulas: [String], unused: [Int]) {
            (self.name, self.shape, self.values) = (name, shape, values)
            (self.formulas, self.unused) = (formulas, unused)
        }
    }

    /// All steps of an image with pixels [H, W, C]; `shape` is [C, H, W]. OpenBLAS is loaded.
    ///
    /// Throws: `ShapeMismatch` for what does not fit on the image; `Arena.OutOfMemory`.
    package func steps(of pixels: [Float], _ shape: Shape, pool threads: ThreadPool) throws -> [Step] {
        precondition(pixels.count == shape.count, "\(pixels.count) values for \(shape)")
        var (shape, pixels) = (shape, pixels)
        return try layers(on: shape).map { planned in
            let run = try LayerRun(planned.name, planned.layer, input: shape) { parameter in
                (0..<parameter.shape[0]).flatMap { _ in kernel?.values ?? [] }
            }
            let (values, input, output) = (try run.values(of: pixels, pool: threads), shape, run.output)
            (shape, pixels) = (output, Self.interleaved(values, output))
            return Step(
                name: planned.name, shape: output, values: values,
                formulas: (0..<2).map { "\(planned.formula(input[$0 + 1], $0)) = \(output[$0 + 1])" },
                unused: (0..<2).map { planned.unused(input[$0 + 1], output[$0 + 1], $0) })
        }
    }

    /// Planes [C, H, W] as pixels [H, W, C].
    private static func interleaved(_ planes: [Float], _ shape: Shape) -> [Float] {
        let (channels, area) = (shape[0], shape[1] * shape[2])
        guard channels > 1 else { return planes }
        return (0..<area).flatMap { place in (0..<channels).map { planes[$0 * area + place] } }
    }

    private struct Planned {
        let name: String
        let layer: any Layer
        /// What gives the output's extent, from the input's along an axis.
        let formula: (_ extent: Int, _ axis: Int) -> String
        /// How a window lies on the input along an axis: its reach, its stride and the margin before the input. nil for what has
        /// no windows.
        var window: ((_ axis: Int) -> (reach: Int, stride: Int, before: Int))?

        /// Places at the end of the input that the last window does not reach.
        func unused(_ extent: Int, _ output: Int, _ axis: Int) -> Int {
            guard let (reach, stride, before) = window?(axis) else { return 0 }
            return max(0, extent - ((output - 1) * stride + reach - before))
        }
    }

    /// Throws: `ShapeMismatch`.
    private func layers(on shape: Shape) throws -> [Planned] {
        var planned: [Planned] = []
        if isTransposed {
            if let kernel { planned.append(try transposed(kernel, channels: shape[0])) }
        } else {
            let sides = try sides()
            if sides.contains(where: { $0.before + $0.after > 0 }) {
                let layer = Pad<TwoAxes>(sides: sides, paddingMode, value: paddingValue)
                planned.append(
                    Planned(name: "padded", layer: layer) { "\($0) + \(sides[$1].before) + \(sides[$1].after)" })
            }
            if let kernel { planned.append(convolution(kernel, channels: shape[0], sides)) }
        }
        if let pool { planned.append(pooling(pool)) }
        return planned
    }

    private func convolution(_ kernel: FilterKernel, channels: Int, _ sides: [Padding.Side]) -> Planned {
        let (reach, stride) = (reach(of: kernel), stride)
        let layer = Conv2d(
            outChannels: channels, kernel: [kernel.rows, kernel.columns], stride: Extents(stride),
            dilation: Extents(dilation), groups: channels, bias: false, flipsKernel: flipsKernel)
        return Planned(
            name: "convolved", layer: layer,
            formula: { extent, axis in
                let (before, after) = (sides[axis].before, sides[axis].after)
                let margins = before + after > 0 ? " + \(before) + \(after)" : ""
                return "⌊(\(extent - before - after)\(margins) − \(reach[axis])) / \(stride)⌋ + 1"
            }, window: { (reach[$0], stride, 0) })
    }

    /// Throws: `ShapeMismatch`.
    private func transposed(_ kernel: FilterKernel, channels: Int) throws -> Planned {
        guard !flipsKernel else { throw ShapeMismatch("a transposed convolution has no flipped kernel") }
        let cut: Extents =
            switch padding {
            case .valid: 0
            case .symmetric(let extents): extents
            default: throw ShapeMismatch("a transposed convolution takes one number as padding, cut off on every side")
            }
        let (reach, stride) = (reach(of: kernel), stride)
        let layer = ConvTranspose2d(
            outChannels: channels, kernel: [kernel.rows, kernel.columns], stride: Extents(stride), padding: cut,
            dilation: Extents(dilation), groups: channels, bias: false)
        return Planned(name: "enlarged", layer: layer) { "(\($0) − 1)·\(stride) − 2·\(cut) + \(reach[$1])" }
    }

    private func pooling(_ pool: Pool) -> Planned {
        let (open, close) = pool.ceilMode ? ("⌈", "⌉") : ("⌊", "⌋")
        let margins = pool.padding > 0 ? " + 2·\(pool.padding)" : ""
        return Planned(
            name: "pooled", layer: pool.layer,
            formula: { extent, _ in
                let free = extent + 2 * pool.padding - pool.size + (pool.ceilMode ? pool.stride - 1 : 0)
                let beginsOutside = pool.ceilMode && free / pool.stride * pool.stride >= extent + pool.padding
                return "\(open)(\(extent)\(margins) − \(pool.size)) / \(pool.stride)\(close) + 1"
                    + (beginsOutside ? " − 1, since the last window would begin outside," : "")
            },
            window: { _ in (pool.size, pool.stride, pool.padding) })
    }

    private func reach(of kernel: FilterKernel) -> [Int] {
        [kernel.rows, kernel.columns].map { WindowArithmetic.reach(kernel: $0, dilation: dilation) }
    }

    /// Throws: `ShapeMismatch`.
    private func sides() throws -> [Padding.Side] {
        do {
            let kernel = kernel.map { [$0.rows, $0.columns] } ?? [1, 1]
            return try padding.resolved(kernel: kernel, stride: [stride, stride], dilation: [dilation, dilation]).map {
                Padding.Side(before: $0.before, after: $0.after)
            }
        } catch {
            throw ShapeMismatch("\(error)")
        }
    }
}
