package import Tensors

/// max(x, 0), element by element; in place where the plan allows it. Source: torch.nn.ReLU.
package struct ReLU: SingleInputLayer {
    package init() {}

    package var typeName: String { "ReLU" }
    package func outputShape(for input: Shape) -> Shape { input }
    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.sharing = .mayOverwriteInput
        demand.backwardReadsOutput = true
        return demand
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        let (context, chunks, count) = (site.context, chunks(at: site.plan), site.plan.input.count)
        return [
            Pass("\(site.plan.path) forward", units: chunks.units) { unit, _ in
                let slots = chunks.slots(of: unit, counts: context.counts)
                let start = slots.lowerBound * count
                RectifiedLinear.forward(x: site.x + start, count: slots.count * count, y: site.y + start)
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let (context, chunks, count) = (site.context, chunks(at: site.plan), site.plan.input.count)
        return [
            Pass("\(site.plan.path) backward", units: chunks.units) { unit, _ in
                let slots = chunks.slots(of: unit, counts: context.counts)
                let start = slots.lowerBound * count
                RectifiedLinear.backward(y: site.y + start, dy: dy + start, count: slots.count * count, dx: dx + start)
            }
        ]
    }

    private func chunks(at site: PlanSite) -> ImageChunks {
        ImageChunks(
            shards: site.shards, imagesPerShard: site.imagesPerShard, imagesPerChunk: max(1, 32_768 / site.input.count))
    }
}
