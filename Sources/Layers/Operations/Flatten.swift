package import Tensors

/// Turns a sample of any shape into a vector; costs nothing, since samples are stored row-major. Source: torch.nn.Flatten.
package struct Flatten: SingleInputLayer {
    package init() {}

    package var typeName: String { "Flatten" }
    package func outputShape(for input: Shape) -> Shape { [input.count] }

    package func operation(for inputs: [Shape]) -> Operation { .reshape }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.sharing = .sameBytes
        return demand
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        site.copyPasses("forward", from: site.x, to: site.y)
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        return site.copyPasses("backward", from: dy, to: dx)
    }
}
