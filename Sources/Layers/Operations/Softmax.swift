package import Tensors

/// Softmax over the channels of every place. Source: torch.nn.Softmax(dim = 1).
///
/// Shapes: x [N, C, …] → y likewise. Training takes logits and the loss its own softmax; this layer is for heads inside a
/// network.
package struct Softmax: SingleInputLayer {
    package init() {}

    package var typeName: String { "Softmax" }
    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }
    package func operation(for inputs: [Shape]) -> Operation { .softmax }

    package func outputShape(for input: Shape) throws -> Shape {
        guard input.rank >= 1 else { throw ShapeMismatch("Softmax takes [C, …], found \(input)") }
        return input
    }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.backwardReadsOutput = true
        return demand
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        let (context, chunks, shape) = (site.context, chunks(at: site.plan), site.plan.input)
        let area = shape.count / max(1, shape[0])
        return [
            Pass("\(site.plan.path) forward", units: chunks.units) { unit, _ in
                for slot in chunks.slots(of: unit, counts: context.counts) {
                    ChannelSoftmax.forward(
                        x: site.x + slot * shape.count, classes: shape[0], area: area, y: site.y + slot * shape.count)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let (context, chunks, shape) = (site.context, chunks(at: site.plan), site.plan.input)
        let area = shape.count / max(1, shape[0])
        return [
            Pass("\(site.plan.path) backward", units: chunks.units) { unit, _ in
                for slot in chunks.slots(of: unit, counts: context.counts) {
                    let start = slot * shape.count
                    ChannelSoftmax.backward(
                        y: site.y + start, dy: dy + start, classes: shape[0], area: area, dx: dx + start)
                }
            }
        ]
    }

    private func chunks(at site: PlanSite) -> ImageChunks {
        ImageChunks(shards: site.shards, imagesPerShard: site.imagesPerShard, imagesPerChunk: 8)
    }
}
