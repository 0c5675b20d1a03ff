package import Tensors

/// Stacks values along the channel axis, in order.
///
/// Shapes: [C₁, …], [C₂, …] … with equal further extents → [C₁ + C₂ + …, …]. Source: torch.cat(dim = 1).
package struct Concatenation: Layer {
    package init() {}

    package var typeName: String { "Concatenation" }
    package func operation(for inputs: [Shape]) -> Operation { .concatenation }

    package func outputShape(for inputs: [Shape]) throws -> Shape {
        guard let first = inputs.first, first.rank >= 1,
            inputs.allSatisfy({ $0.rank == first.rank && $0.dimensions.dropFirst() == first.dimensions.dropFirst() })
        else { throw ShapeMismatch("Concatenation takes values that differ in channels only, found \(inputs)") }
        return Shape([inputs.reduce(0) { $0 + $1[0] }] + first.dimensions.dropFirst())
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        let (parts, total) = (Self.parts(site.plan), site.plan.output.count)
        return [
            site.pass("forward", elementsPerImage: total) { slots in
                for slot in slots {
                    for (x, part) in zip(site.xs, parts) {
                        (site.y + slot * total + part.lowerBound).update(
                            from: x + slot * part.count, count: part.count)
                    }
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy else { return [] }
        let (parts, total) = (Self.parts(site.plan), site.plan.output.count)
        return [
            site.pass("backward", elementsPerImage: total) { slots in
                for slot in slots {
                    for case (let dx?, let part) in zip(site.dxs, parts) {
                        (dx + slot * part.count).update(from: dy + slot * total + part.lowerBound, count: part.count)
                    }
                }
            }
        ]
    }

    /// Where each input's elements lie in one sample of the output.
    private static func parts(_ site: PlanSite) -> [Range<Int>] {
        var start = 0
        return site.inputs.map { input in
            defer { start += input.count }
            return start..<start + input.count
        }
    }
}
