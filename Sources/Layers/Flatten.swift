package import Tensors

/// Turns a sample of any shape into a vector; costs nothing, since samples are stored row-major. Source: torch.nn.Flatten.
package struct Flatten: Layer {
    package init() {}

    package var typeName: String { "Flatten" }
    package func outputShape(for input: Shape) -> Shape { [input.count] }
    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        demand.sharing = .sameBytes
        return demand
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] { [] }
    package func backwardPasses(at site: BoundSite) -> [Pass] { [] }
}
