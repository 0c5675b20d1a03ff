internal import Tensors

/// A convolution of images in blocks of channels, or, at the front of a network, of planes.
///
/// Weights are brought into the order of the kernels once a pass over the batch. Weight gradients are finished for runs of images,
/// the leaves of a tree that shapes alone decide, and joined in it.
struct BlockConvolutionWork: StageWork {
    let convolution: BlockConvolution
    let hasBias: Bool
    let kernels: KernelSet

    /// Weights stay in a second-level cache for as many images as lie there beside them.
    private var imagesPerChunk: Int { max(1, min(4, 131_072 / convolution.inputCount)) }
    private var parameterCount: Int { convolution.weightCount + (hasBias ? convolution.outChannels : 0) }
    private static let bytes = MemoryLayout<Float>.stride

    private func leaves(at site: PlanSite) -> ImageChunks {
        ImageGradients.chunks(at: site, parameterCount: parameterCount)
    }

    /// Bytes of all leaves; behind them lie the weights in the order of the input gradient.
    private func leafBytes(at site: PlanSite) -> Int {
        site.trainsParameters ? Int.product(leaves(at: site).units, parameterCount, Self.bytes) : 0
    }

    func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        let packedBytes = Int.product(convolution.packedCount, Self.bytes)
        demand.backwardReadsInput = site.trainsParameters
        demand.workspaceBytes = Int.product(
            convolution.workspaceCount(images: site.trainsParameters ? max(1, site.imagesPerShard) : 0), Self.bytes)
        demand.forwardBytes = packedBytes
        demand.partialGradientBytes = leafBytes(at: site) + (site.needsInputGradients[0] ? packedBytes : 0)
        return demand
    }

    func forwardPasses(at site: BoundSite) -> [Pass] {
        let (context, convolution, kernels) = (site.context, convolution, kernels)
        let packed = site.forwardScratch.assumingMemoryBound(to: Float.self)
        let weightOffset = site.parameterOffsets[0]
        let biasOffset = hasBias ? site.parameterOffsets[1] : nil
        return [
            Pass("\(site.plan.path) weights", units: convolution.outBlocks) { block, _ in
                convolution.pack(kernels, block: block, weight: context.weights + weightOffset, into: packed)
            },
            site.pass("forward", imagesPerChunk: imagesPerChunk) { slots, worker in
                convolution.forward(
                    kernels, images: slots.count, x: site.x + slots.lowerBound * convolution.inputCount, packed: packed,
                    bias: biasOffset.map { context.weights + $0 }, workspace: site.workspace(of: worker),
                    y: site.y + slots.lowerBound * convolution.outputCount)
            },
        ]
    }

    func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy else { return [] }
        let weightPasses = site.plan.trainsParameters ? weightGradientPasses(at: site, dy: dy) : []
        return weightPasses + (site.dx.map { inputGradientPasses(at: site, dy: dy, dx: $0) } ?? [])
    }

    private func weightGradientPasses(at site: BoundSite, dy: UnsafeMutablePointer<Float>) -> [Pass] {
        let (context, convolution, kernels, count) = (site.context, convolution, kernels, parameterCount)
        let (chunks, hasBias) = (leaves(at: site.plan), hasBias)
        let partials = site.partialGradients.assumingMemoryBound(to: Float.self)
        let offset = site.parameterOffsets[0]
        let biasOffset = hasBias ? site.parameterOffsets[1] : 0
        let weightCount = convolution.weightCount
        let blockCount = weightCount / convolution.outBlocks
        return [
            Pass("\(site.plan.path) weight gradient", units: chunks.units) { unit, worker in
                let slots = chunks.slots(of: unit, counts: context.counts)
                let leaf = partials + unit * count
                convolution.weightGradient(
                    kernels, images: slots.count, x: site.x + slots.lowerBound * convolution.inputCount,
                    dy: dy + slots.lowerBound * convolution.outputCount, workspace: site.workspace(of: worker),
                    dweight: leaf, dbias: hasBias ? leaf + weightCount : nil)
            },
            // The last unit is the bias.
            Pass("\(site.plan.path) gradient tree", units: convolution.outBlocks + (hasBias ? 1 : 0)) { block, _ in
                let isBias = block == convolution.outBlocks
                let part = partials + (isBias ? weightCount : block * blockCount)
                BinaryTree.sum(
                    leafArrays: part, leaves: chunks.units, stride: count,
                    count: isBias ? convolution.outChannels : blockCount,
                    into: isBias ? context.gradients + biasOffset : part, kernels: kernels)
                if isBias { return }
                convolution.unpackGradient(kernels, block: block, packed: partials, into: context.gradients + offset)
            },
        ]
    }

    private func inputGradientPasses(
        at site: BoundSite, dy: UnsafeMutablePointer<Float>, dx: UnsafeMutablePointer<Float>
    ) -> [Pass] {
        let (context, convolution, kernels) = (site.context, convolution, kernels)
        let packed = (site.partialGradients + leafBytes(at: site.plan)).assumingMemoryBound(to: Float.self)
        let weightOffset = site.parameterOffsets[0]
        return [
            Pass("\(site.plan.path) weights backward", units: convolution.inBlocks) { block, _ in
                convolution.packTransposed(kernels, block: block, weight: context.weights + weightOffset, into: packed)
            },
            site.pass("input gradient", imagesPerChunk: imagesPerChunk) { slots, worker in
                convolution.inputGradient(
                    kernels, images: slots.count, dy: dy + slots.lowerBound * convolution.outputCount, packed: packed,
                    workspace: site.workspace(of: worker), dx: dx + slots.lowerBound * convolution.inputCount)
            },
        ]
    }
}
