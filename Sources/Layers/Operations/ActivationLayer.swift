package import Tensors

/// A function applied element by element; in place where the plan allows it.
package protocol ActivationLayer: SingleInputLayer {
    var activation: Activation { get }
}

extension ActivationLayer {
    package func outputShape(for input: Shape) -> Shape { input }
    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }

    package func operation(for inputs: [Shape]) -> Operation { .activation(activation) }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.sharing = .mayOverwriteInput
        demand.backwardReadsInput = activation.backwardReadsInput
        demand.backwardReadsOutput = !activation.backwardReadsInput
        return demand
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        let (context, chunks, count) = (site.context, chunks(at: site.plan), site.plan.input.count)
        let activation = activation
        return [
            Pass("\(site.plan.path) forward", units: chunks.units) { unit, _ in
                let slots = chunks.slots(of: unit, counts: context.counts)
                let start = slots.lowerBound * count
                activation.forward(x: site.x + start, count: slots.count * count, y: site.y + start)
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let (context, chunks, count) = (site.context, chunks(at: site.plan), site.plan.input.count)
        let activation = activation
        let xOrY = activation.backwardReadsInput ? site.x : site.y
        return [
            Pass("\(site.plan.path) backward", units: chunks.units) { unit, _ in
                let slots = chunks.slots(of: unit, counts: context.counts)
                let start = slots.lowerBound * count
                activation.backward(xOrY: xOrY + start, dy: dy + start, count: slots.count * count, dx: dx + start)
            }
        ]
    }

    private func chunks(at site: PlanSite) -> ImageChunks {
        ImageChunks(
            shards: site.shards, imagesPerShard: site.imagesPerShard,
            imagesPerChunk: max(1, 32_768 / max(1, site.input.count)))
    }
}

/// max(x, 0). Source: torch.nn.ReLU.
package struct ReLU: ActivationLayer {
    package init() {}
    package var typeName: String { "ReLU" }
    package var activation: Activation { .relu }
}

/// x, or slope · x where x is not positive. Source: torch.nn.LeakyReLU.
package struct LeakyReLU: ActivationLayer {
    package let slope: Float

    /// Traps: a negative slope.
    package init(slope: Float = 0.01) {
        precondition(slope >= 0, "a slope of \(slope)")
        self.slope = slope
    }

    package var typeName: String { "LeakyReLU" }
    package var activation: Activation { .leakyReLU(slope: slope) }
}

/// Hyperbolic tangent. Source: torch.nn.Tanh.
package struct Tanh: ActivationLayer {
    package init() {}
    package var typeName: String { "Tanh" }
    package var activation: Activation { .tanh }
}

/// 1 / (1 + e^−x). Source: torch.nn.Sigmoid.
package struct Sigmoid: ActivationLayer {
    package init() {}
    package var typeName: String { "Sigmoid" }
    package var activation: Activation { .sigmoid }
}

/// x · Φ(x), or its approximation with tanh (Hendrycks, Gimpel 2016). Source: torch.nn.GELU.
package struct GELU: ActivationLayer {
    package enum Approximation: Sendable {
        case none, tanh
    }

    package let approximation: Approximation

    package init(approximation: Approximation = .none) {
        self.approximation = approximation
    }

    package var typeName: String { "GELU" }
    package var activation: Activation { approximation == .tanh ? .geluTanh : .gelu }
}
