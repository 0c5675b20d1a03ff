package import Tensors

package typealias Conv1d = Conv<OneAxis>
package typealias Conv2d = Conv<TwoAxes>
package typealias Conv3d = Conv<ThreeAxes>

/// Cross-correlation of images with bias (or, with `flipsKernel`, convolution as mathematics defines it).
///
/// Shapes: x [N, C, H, W] · weight [K, C/groups, R, S] · bias [K] → y [N, K, P, Q],
///         P = (H + padding before and after − dilation·(R − 1) − 1) / stride + 1, rounded down; Q likewise, and with one
///         axis less or more in one and three dimensions.
/// Source: layout and defaults of torch.nn.Conv2d.
package struct Conv<Rank: SpatialRank>: SingleInputLayer {
    package let outChannels: Int
    package let kernel, stride, dilation: Extents
    package let padding: Padding
    package let groups: Int
    package let bias: Bool
    package let paddingMode: PaddingMode
    package let flipsKernel: Bool
    package let weightInitialization, biasInitialization: Initialization

    package init(
        outChannels: Int, kernel: Extents, stride: Extents = 1, dilation: Extents = 1, padding: Padding = 0,
        groups: Int = 1, bias: Bool = true, paddingMode: PaddingMode = .zeros, flipsKernel: Bool = false,
        weightInitialization: Initialization = .pytorchDefault, biasInitialization: Initialization = .pytorchDefault
    ) {
        self.outChannels = outChannels
        self.kernel = kernel
        self.stride = stride
        self.dilation = dilation
        self.padding = padding
        self.groups = groups
        self.bias = bias
        self.paddingMode = paddingMode
        self.flipsKernel = flipsKernel
        self.weightInitialization = weightInitialization
        self.biasInitialization = biasInitialization
    }

    package var typeName: String { "Conv\(Rank.suffix)" }

    package func outputShape(for input: Shape) throws -> Shape {
        let window = try geometry(on: input).convolution.window
        return Shape([outChannels] + window.axes.map(\.output))
    }

    package func parameters(for input: Shape) -> [ParameterDescription] {
        let kernel = (try? kernel.resolved(rank: Rank.rank)) ?? []
        let shape = Shape([outChannels, input[0] / groups] + kernel)
        return ParameterDescription.weightAndBias(
            shape, outputs: outChannels, hasBias: bias, weight: weightInitialization, bias: biasInitialization)
    }

    package func multiplyAdds(for input: Shape) throws -> Int {
        let operation = try geometry(on: input).convolution
        return Int.product(operation.weightCount, operation.window.outputVolume)
    }

    package func operation(for inputs: [Shape]) throws -> Operation {
        .convolution(try geometry(on: inputs[0]), hasBias: bias)
    }

    package func demand(for site: PlanSite) throws -> MemoryDemand {
        var demand = MemoryDemand()
        demand.backwardReadsInput = site.trainsParameters
        demand.workspaceBytes = Int.product(
            try geometry(on: site.input).workspaceCount, MemoryLayout<Float>.stride)
        if site.trainsParameters { demand.partialGradientBytes = gradients(at: site).byteCount }
        return demand
    }

    package func forwardPasses(at site: BoundSite) throws -> [Pass] {
        let operation = try geometry(on: site.plan.input)
        try Rank.checkProduct(operation.convolution, typeName, site.plan.input)
        let (context, inCount, outCount) = (site.context, site.plan.input.count, site.plan.output.count)
        let weightOffset = site.parameterOffsets[0]
        let biasOffset = bias ? site.parameterOffsets[1] : nil
        return [
            site.pass("forward", imagesPerChunk: 4) { slots, worker in
                let weight = context.weights + weightOffset
                let bias = biasOffset.map { context.weights + $0 }
                let workspace = site.workspace(of: worker)
                for slot in slots {
                    operation.forward(
                        x: site.x + slot * inCount, weight: weight, bias: bias, y: site.y + slot * outCount,
                        workspace: workspace)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) throws -> [Pass] {
        guard let dy = site.dy else { return [] }
        let operation = try geometry(on: site.plan.input)
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        guard site.plan.trainsParameters else {
            let (context, offset) = (site.context, site.parameterOffsets[0])
            guard let dx = site.dx else { return [] }
            return [
                site.pass("input gradient", imagesPerChunk: 4) { slots, worker in
                    for slot in slots {
                        operation.inputGradient(
                            dy: dy + slot * outCount, weight: context.weights + offset, dx: dx + slot * inCount,
                            workspace: site.workspace(of: worker))
                    }
                }
            ]
        }
        let weightCount = operation.convolution.weightCount
        let hasBias = bias
        return gradients(at: site.plan).passes(at: site) { slot, weight, gradient, workspace in
            operation.addWeightGradient(
                x: site.x + slot * inCount, dy: dy + slot * outCount, dweight: gradient,
                dbias: hasBias ? gradient + weightCount : nil, workspace: workspace)
            if let dx = site.dx {
                operation.inputGradient(
                    dy: dy + slot * outCount, weight: weight, dx: dx + slot * inCount, workspace: workspace)
            }
        }
    }

    private func gradients(at site: PlanSite) -> ImageGradients {
        ImageGradients(at: site, parameterCount: parameters(for: site.input).reduce(0) { $0 + $1.shape.count })
    }

    /// Throws: `ShapeMismatch`.
    private func geometry(on input: Shape) throws -> PaddedConvolution {
        try Rank.check(input, for: typeName)
        guard groups >= 1, outChannels >= 1, input[0] % groups == 0, outChannels % groups == 0 else {
            throw ShapeMismatch(
                "\(typeName) on \(input): \(groups) groups of \(input[0]) input and \(outChannels) output channels, expected a "
                    + "number of groups that divides both")
        }
        return try Rank.fitting(typeName, input) { () throws(WindowArithmetic.Misfit) in
            let kernel = try kernel.resolved(rank: Rank.rank)
            let stride = try stride.resolved(rank: Rank.rank)
            let dilation = try dilation.resolved(rank: Rank.rank)
            let sides = try padding.resolved(kernel: kernel, stride: stride, dilation: dilation)
            var axes: [Window.Axis] = []
            for axis in 0..<Rank.rank {
                let output = try WindowArithmetic.outputExtent(
                    input: input[axis + 1], kernel: kernel[axis], stride: stride[axis], dilation: dilation[axis],
                    before: sides[axis].before, after: sides[axis].after)
                let isZeros = paddingMode == .zeros
                axes.append(
                    Window.Axis(
                        input: input[axis + 1] + (isZeros ? 0 : sides[axis].before + sides[axis].after),
                        kernel: kernel[axis], stride: stride[axis], dilation: dilation[axis],
                        before: isZeros ? sides[axis].before : 0, output: output))
            }
            let window = Window(channels: input[0], axes: axes, isFlipped: flipsKernel)
            let margins =
                paddingMode == .zeros ? nil : try ImagePadding(image: input, sides: sides, mode: paddingMode)
            return PaddedConvolution(
                Convolution(window: window, outChannels: outChannels, groups: groups), padding: margins)
        }
    }
}
