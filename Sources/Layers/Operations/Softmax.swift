package import Tensors

/// Softmax over the channels of every place. Source: torch.nn.Softmax(dim = 1).
///
/// Shapes: x [N, C, …] → y likewise. Training takes logits and the loss its own softmax; this layer is for heads inside a
/// network.
package struct Softmax: SingleInputLayer {
    package init() {}

    package var typeName: String { "Softmax" }
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
        let shape = site.plan.input
        let area = shape.count / max(1, shape[0])
        return [
            site.pass("forward", imagesPerChunk: 8) { slots, _ in
                for slot in slots {
                    ChannelSoftmax.forward(
                        x: site.x + slot * shape.count, classes: shape[0], area: area, y: site.y + slot * shape.count)
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let shape = site.plan.input
        let area = shape.count / max(1, shape[0])
        return [
            site.pass("backward", imagesPerChunk: 8) { slots, _ in
                for slot in slots {
                    let start = slot * shape.count
                    ChannelSoftmax.backward(
                        y: site.y + start, dy: dy + start, classes: shape[0], area: area, dx: dx + start)
                }
            }
        ]
    }
}
