package import Tensors

/// Turns a sample of any shape into a vector; costs nothing, since samples are stored row-major. Source: torch.nn.Flatten.
package struct Flatten: SingleInputLayer {
    package init() {}

    package var typeName: String { "Flatten" }
    package func outputShape(for input: Shape) -> Shape { [input.count] }
    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }

    package func operation(for inputs: [Shape]) -> Operation { .reshape }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.sharing = .sameBytes
        return demand
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        CopyPass.passes("\(site.plan.path) forward", from: site.x, to: site.y, site)
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        return CopyPass.passes("\(site.plan.path) backward", from: dy, to: dx, site)
    }
}
