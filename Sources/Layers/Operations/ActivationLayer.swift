package import Tensors

/// A function applied element by element; in place where the plan allows it. Source: torch.nn.ReLU, LeakyReLU, Tanh …
package struct ActivationLayer: SingleInputLayer {
    package let activation: Activation

    package init(_ activation: Activation) { self.activation = activation }

    package var typeName: String { activation.layerName }
    package func outputShape(for input: Shape) -> Shape { input }

    package func operation(for inputs: [Shape]) -> Operation { .activation(activation) }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.sharing = .mayOverwriteInput
        demand.backwardReadsInput = activation.backwardReadsInput
        demand.backwardReadsOutput = !activation.backwardReadsInput
        return demand
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        let (count, activation) = (site.plan.input.count, activation)
        return [
            site.pass("forward", elementsPerImage: count) { slots in
                let start = slots.lowerBound * count
                activation.forward(x: site.x + start, count: slots.count * count, y: site.y + start)
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let (count, activation) = (site.plan.input.count, activation)
        let xOrY = activation.backwardReadsInput ? site.x : site.y
        return [
            site.pass("backward", elementsPerImage: count) { slots in
                let start = slots.lowerBound * count
                activation.backward(xOrY: xOrY + start, dy: dy + start, count: slots.count * count, dx: dx + start)
            }
        ]
    }
}
