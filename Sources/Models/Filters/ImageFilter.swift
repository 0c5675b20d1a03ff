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
        let layers = try layers(on: shape)
        guard !layers.isEmpty else { return [] }
        let fragment = try FragmentRun(layers: layers.map { ($0.name, $0.layer) }, input: shape) { network in
            network.parameterList.parameters.flatMap { parameter in
                (0..<parameter.shape[0]).flatMap { _ in kernel?.values ?? [] }
            }
        }
        return try layers.enumerated().map { index, layer in
            let (input, output) = (fragment.network.shape(ofValue: index), fragment.network.shape(ofValue: index + 1))
            return Step(
                name: layer.name, shape: output, values: try fragment.value(index + 1, of: pixels, pool: threads),
                formulas: (0..<2).map { "\(layer.formula(input[$0 + 1], $0)) = \(output[$0 + 1])" },
                unused: (0..<2).map { layer.unused(input[$0 + 1], $0) })
        }
    }

    private struct Planned {
        let name: String
        let layer: any Layer
        /// What gives the output's extent, from the input's along an axis.
        let formula: (_ extent: Int, _ axis: Int) -> String
        var unused: (_ extent: Int, _ axis: Int) -> Int = { _, _ in 0 }
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
            }, unused: { ($0 - reach[$1]) % stride })
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
            unused: { extent, _ in pool.ceilMode ? 0 : (extent + 2 * pool.padding - pool.size) % pool.stride })
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
