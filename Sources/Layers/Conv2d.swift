package import Tensors

/// 2-D cross-correlation of images with bias.
///
/// Shapes: x [N, C, H, W] · weight [K, C, R, S] · bias [K] → y [N, K, P, Q],
///         P = (H + 2·padding − R) / stride + 1, rounded down; Q likewise.
/// Source: layout and defaults of torch.nn.Conv2d.
package struct Conv2d: SingleInputLayer {
    package let outChannels: Int
    package let kernel: (height: Int, width: Int)
    package let stride: (height: Int, width: Int)
    package let padding: (height: Int, width: Int)
    package let bias: Bool

    package init(outChannels: Int, kernel: Int, stride: Int = 1, padding: Int = 0, bias: Bool = true) {
        self.init(
            outChannels: outChannels, kernel: (kernel, kernel), stride: (stride, stride), padding: (padding, padding),
            bias: bias)
    }

    package init(
        outChannels: Int, kernel: (height: Int, width: Int), stride: (height: Int, width: Int),
        padding: (height: Int, width: Int), bias: Bool = true
    ) {
        self.outChannels = outChannels
        self.kernel = kernel
        self.stride = stride
        self.padding = padding
        self.bias = bias
    }

    package var typeName: String { "Conv2d" }

    package func outputShape(for input: Shape) throws -> Shape {
        guard input.rank == 3 else { throw ShapeMismatch("Conv2d takes [C, H, W], found \(input)") }
        let window = try window(on: input)
        return [outChannels, window.outputHeight, window.outputWidth]
    }

    package func parameters(for input: Shape) -> [ParameterDescription] {
        let fanIn = input[0] * kernel.height * kernel.width
        let weight = ParameterDescription(
            "weight", [outChannels, input[0], kernel.height, kernel.width], .weight, .pytorchDefault(fanIn: fanIn))
        return bias
            ? [weight, ParameterDescription("bias", [outChannels], .bias, .pytorchDefault(fanIn: fanIn))] : [weight]
    }

    package func multiplyAdds(for input: Shape) throws -> Int {
        let window = try window(on: input)
        return outChannels * window.patchCount * window.outputArea
    }

    package func demand(for site: PlanSite) throws -> MemoryDemand {
        let operation = try operation(on: site.input)
        var demand = MemoryDemand()
        demand.backwardReadsInput = true
        demand.workspaceBytes = operation.workspaceCount * MemoryLayout<Float>.stride
        if site.isTraining {
            demand.partialGradientBytes =
                gradientChunks(at: site).units * parameterCount(site) * MemoryLayout<Float>.stride
        }
        return demand
    }

    package func forwardPasses(at site: BoundSite) throws -> [Pass] {
        let operation = try operation(on: site.plan.input)
        let chunks = ImageChunks(shards: site.plan.shards, imagesPerShard: site.plan.imagesPerShard, imagesPerChunk: 4)
        let (context, inCount, outCount) = (site.context, site.plan.input.count, site.plan.output.count)
        let weightOffset = site.parameterOffsets[0]
        let biasOffset = bias ? site.parameterOffsets[1] : nil
        return [
            Pass("\(site.plan.path) forward", units: chunks.units) { unit, worker in
                let weight = context.weights + weightOffset
                let bias = biasOffset.map { context.weights + $0 }
                let workspace = site.workspace(of: worker)
                for slot in chunks.slots(of: unit, counts: context.counts) {
                    operation.forward(
                        x: site.x + slot * inCount, weight: weight, bias: bias, y: site.y + slot * outCount,
                        workspace: workspace)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) throws -> [Pass] {
        guard let dy = site.dy else { return [] }
        let operation = try operation(on: site.plan.input)
        let chunks = gradientChunks(at: site.plan)
        let (context, inCount, outCount) = (site.context, site.plan.input.count, site.plan.output.count)
        let weightOffset = site.parameterOffsets[0]
        let weightCount = outChannels * operation.window.patchCount
        let count = parameterCount(site.plan)
        let hasBias = bias
        let partials = site.partialGradients.assumingMemoryBound(to: Float.self)
        let perImage = Pass("\(site.plan.path) backward", units: chunks.units) { unit, worker in
            let workspace = site.workspace(of: worker)
            let weight = context.weights + weightOffset
            let dweight = partials + unit * count
            let dbias = hasBias ? dweight + weightCount : nil
            dweight.update(repeating: 0, count: count)
            for slot in chunks.slots(of: unit, counts: context.counts) {
                operation.addWeightGradient(
                    x: site.x + slot * inCount, dy: dy + slot * outCount, dweight: dweight, dbias: dbias,
                    workspace: workspace)
                if let dx = site.dx {
                    operation.inputGradient(
                        dy: dy + slot * outCount, weight: weight, dx: dx + slot * inCount, workspace: workspace)
                }
            }
        }
        return [perImage, PartialGradients(leaves: chunks.units, count: count).pass(at: site)]
    }

    private func window(on input: Shape) throws -> Window2d {
        do {
            return try Window2d(image: input, kernel: kernel, stride: stride, padding: padding)
        } catch {
            throw ShapeMismatch("Conv2d on \(input): \(error)")
        }
    }

    private func operation(on input: Shape) throws -> Convolution2d {
        Convolution2d(window: try window(on: input), outChannels: outChannels)
    }

    private func parameterCount(_ site: PlanSite) -> Int {
        parameters(for: site.input).reduce(0) { $0 + $1.shape.count }
    }

    /// The images whose gradients are added one after the other, in runs that are the leaves of the tree over shards.
    /// Up to eight leaves a shard let eight threads work on one shard; layers of many weights take fewer, so that the
    /// leaves of a shard stay below 16 MiB.
    private func gradientChunks(at site: PlanSite) -> ImageChunks {
        let bytes = parameterCount(site) * MemoryLayout<Float>.stride
        return ImageChunks(
            shards: site.shards, imagesPerShard: site.imagesPerShard, treeLeaves: min(8, max(1, (16 << 20) / bytes)),
            minimumImages: 4)
    }
}
