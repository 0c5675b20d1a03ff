package import Tensors

package typealias ConvTranspose1d = ConvTranspose<OneAxis>
package typealias ConvTranspose2d = ConvTranspose<TwoAxes>
package typealias ConvTranspose3d = ConvTranspose<ThreeAxes>

/// Transposed convolution: the input gradient of a convolution, used forward, with bias.
///
/// Shapes: x [N, C, P, Q] · weight [C, K/groups, R, S] · bias [K] → y [N, K, H, W],
///         H = (P − 1)·stride − 2·padding + dilation·(R − 1) + 1 + outputPadding; W likewise.
/// Source: layout and defaults of torch.nn.ConvTranspose2d.
package struct ConvTranspose<Rank: SpatialRank>: SingleInputLayer {
    package let outChannels: Int
    package let kernel, stride, padding, outputPadding, dilation: Extents
    package let groups: Int
    package let bias: Bool
    package let weightInitialization, biasInitialization: Initialization

    package init(
        outChannels: Int, kernel: Extents, stride: Extents = 1, padding: Extents = 0, outputPadding: Extents = 0,
        dilation: Extents = 1, groups: Int = 1, bias: Bool = true,
        weightInitialization: Initialization = .pytorchDefault, biasInitialization: Initialization = .pytorchDefault
    ) {
        self.outChannels = outChannels
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.outputPadding = outputPadding
        self.dilation = dilation
        self.groups = groups
        self.bias = bias
        self.weightInitialization = weightInitialization
        self.biasInitialization = biasInitialization
    }

    package var typeName: String { "ConvTranspose\(Rank.suffix)" }

    package func outputShape(for input: Shape) throws -> Shape {
        Shape([outChannels] + (try geometry(on: input).window.axes.map(\.input)))
    }

    package func parameters(for input: Shape) -> [ParameterDescription] {
        let kernel = (try? kernel.resolved(rank: Rank.rank)) ?? []
        let shape = Shape([input[0], outChannels / groups] + kernel)
        return ParameterDescription.weightAndBias(
            shape, outputs: outChannels, hasBias: bias, weight: weightInitialization, bias: biasInitialization)
    }

    package func multiplyAdds(for input: Shape) throws -> Int {
        let operation = try geometry(on: input)
        return Int.product(operation.weightCount, operation.window.outputVolume)
    }

    package func operation(for inputs: [Shape]) throws -> Operation {
        .transposedConvolution(try geometry(on: inputs[0]), hasBias: bias)
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
        try Rank.checkProduct(operation, typeName, site.plan.input)
        let (context, inCount, outCount) = (site.context, site.plan.input.count, site.plan.output.count)
        let (outChannels, area) = (outChannels, operation.window.inputVolume)
        let weightOffset = site.parameterOffsets[0]
        let biasOffset = bias ? site.parameterOffsets[1] : nil
        return [
            site.pass("forward", imagesPerChunk: 4) { slots, worker in
                let workspace = site.workspace(of: worker)
                for slot in slots {
                    let y = site.y + slot * outCount
                    operation.inputGradient(
                        dy: site.x + slot * inCount, weight: context.weights + weightOffset, dx: y, workspace: workspace
                    )
                    if let biasOffset {
                        Convolution.addBias(context.weights + biasOffset, channels: outChannels, area: area, to: y)
                    }
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
                        operation.forward(
                            x: dy + slot * outCount, weight: context.weights + offset, bias: nil,
                            y: dx + slot * inCount, workspace: site.workspace(of: worker))
                    }
                }
            ]
        }
        let (outChannels, area, hasBias) = (outChannels, operation.window.inputVolume, bias)
        return gradients(at: site.plan).passes(at: site) { slot, weight, gradient, workspace in
            operation.addWeightGradient(
                x: dy + slot * outCount, dy: site.x + slot * inCount, dweight: gradient, dbias: nil,
                workspace: workspace)
            if hasBias {
                Convolution.addBiasGradient(
                    dy: dy + slot * outCount, channels: outChannels, area: area, dbias: gradient + operation.weightCount
                )
            }
            if let dx = site.dx {
                operation.forward(
                    x: dy + slot * outCount, weight: weight, bias: nil, y: dx + slot * inCount, workspace: workspace)
            }
        }
    }

    private func gradients(at site: PlanSite) -> ImageGradients {
        ImageGradients(at: site, parameterCount: parameters(for: site.input).reduce(0) { $0 + $1.shape.count })
    }

    /// The convolution that this one is the transpose of: its image is our output. Throws: `ShapeMismatch`.
    private func geometry(on input: Shape) throws -> Convolution {
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
            let padding = try padding.resolved(rank: Rank.rank)
            let outputPadding = try outputPadding.resolved(rank: Rank.rank)
            var axes: [Window.Axis] = []
            for axis in 0..<Rank.rank {
                let image = try WindowArithmetic.transposedExtent(
                    input: input[axis + 1], kernel: kernel[axis], stride: stride[axis], dilation: dilation[axis],
                    padding: padding[axis], outputPadding: outputPadding[axis])
                axes.append(
                    Window.Axis(
                        input: image, kernel: kernel[axis], stride: stride[axis], dilation: dilation[axis],
                        before: padding[axis], output: input[axis + 1]))
            }
            return Convolution(
                window: Window(channels: outChannels, axes: axes), outChannels: input[0], groups: groups)
        }
    }
}
