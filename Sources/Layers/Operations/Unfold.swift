package import Tensors

/// Every window of an image as a column. Source: torch.nn.Unfold.
///
/// Shapes: x [N, C, H, W] → y [N, C · R · S, L] with L windows, row by row.
package struct Unfold: SingleInputLayer {
    package let windows: SlidingWindows

    package init(kernel: Extents, dilation: Extents = 1, padding: Extents = 0, stride: Extents = 1) {
        windows = SlidingWindows(kernel: kernel, dilation: dilation, padding: padding, stride: stride)
    }

    package var typeName: String { "Unfold" }

    package func outputShape(for input: Shape) throws -> Shape {
        let window = try windows.window(on: input, layer: typeName)
        return [window.patchCount, window.outputVolume]
    }

    package func forwardPasses(at site: BoundSite) throws -> [Pass] {
        let window = try windows.window(on: site.plan.input, layer: typeName)
        return [
            site.pass("forward", imagesPerChunk: 4) { slots, _ in
                for slot in slots {
                    window.unfold(site.x + slot * site.plan.input.count, into: site.y + slot * site.plan.output.count)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) throws -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let window = try windows.window(on: site.plan.input, layer: typeName)
        return [
            site.pass("backward", imagesPerChunk: 4) { slots, _ in
                for slot in slots {
                    window.fold(dy + slot * site.plan.output.count, into: dx + slot * site.plan.input.count)
                }
            }
        ]
    }
}

/// Columns summed into an image: the transpose of `Unfold`. Source: torch.nn.Fold.
///
/// Shapes: x [N, C · R · S, L] → y [N, C, output].
package struct Fold: SingleInputLayer {
    package let output: Extents
    package let windows: SlidingWindows

    package init(output: Extents, kernel: Extents, dilation: Extents = 1, padding: Extents = 0, stride: Extents = 1) {
        self.output = output
        windows = SlidingWindows(kernel: kernel, dilation: dilation, padding: padding, stride: stride)
    }

    package var typeName: String { "Fold" }

    package func outputShape(for input: Shape) throws -> Shape {
        let window = try window(for: input)
        return Shape([window.channels] + window.axes.map(\.input))
    }

    package func forwardPasses(at site: BoundSite) throws -> [Pass] {
        let window = try window(for: site.plan.input)
        return [
            site.pass("forward", imagesPerChunk: 4) { slots, _ in
                for slot in slots {
                    window.fold(site.x + slot * site.plan.input.count, into: site.y + slot * site.plan.output.count)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) throws -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let window = try window(for: site.plan.input)
        return [
            site.pass("backward", imagesPerChunk: 4) { slots, _ in
                for slot in slots {
                    window.unfold(dy + slot * site.plan.output.count, into: dx + slot * site.plan.input.count)
                }
            }
        ]
    }

    /// Throws: `ShapeMismatch` when the columns are not those of an image of our output's extents.
    private func window(for input: Shape) throws -> Window {
        let extents = try TwoAxes.fitting(typeName, input) { () throws(WindowArithmetic.Misfit) in
            (try output.resolved(rank: 2), try windows.kernel.resolved(rank: 2).reduce(1, *))
        }
        guard input.rank == 2, input[0] % extents.1 == 0 else {
            throw ShapeMismatch("Fold takes [C · \(extents.1), L] for a kernel of \(windows.kernel), found \(input)")
        }
        let window = try windows.window(on: Shape([input[0] / extents.1] + extents.0), layer: typeName)
        guard window.outputVolume == input[1] else {
            throw ShapeMismatch(
                "Fold into \(output) has \(window.outputVolume) windows of \(windows.kernel), found \(input)")
        }
        return window
    }
}

/// The windows of `Unfold` and `Fold`.
package struct SlidingWindows: Sendable {
    package let kernel, dilation, padding, stride: Extents

    /// Throws: `ShapeMismatch`.
    func window(on image: Shape, layer: String) throws -> Window {
        try TwoAxes.check(image, for: layer)
        return try TwoAxes.fitting(layer, image) { () throws(WindowArithmetic.Misfit) in
            let kernel = try kernel.resolved(rank: 2)
            let dilation = try dilation.resolved(rank: 2)
            let padding = try padding.resolved(rank: 2)
            let stride = try stride.resolved(rank: 2)
            var axes: [Window.Axis] = []
            for axis in 0..<2 {
                let output = try WindowArithmetic.outputExtent(
                    input: image[axis + 1], kernel: kernel[axis], stride: stride[axis], dilation: dilation[axis],
                    before: padding[axis], after: padding[axis])
                axes.append(
                    Window.Axis(
                        input: image[axis + 1], kernel: kernel[axis], stride: stride[axis], dilation: dilation[axis],
                        before: padding[axis], output: output))
            }
            return Window(channels: image[0], axes: axes)
        }
    }
}
