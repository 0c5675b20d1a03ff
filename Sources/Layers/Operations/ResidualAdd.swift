package import Tensors

/// y = a + b, element by element: where a shortcut meets the main path.
///
/// Shapes: two values of one shape → the same shape. Source: He, Zhang, Ren, Sun 2016.
package struct ResidualAdd: Layer {
    package init() {}

    package var typeName: String { "ResidualAdd" }
    package func operation(for inputs: [Shape]) -> Operation { .add }

    package func outputShape(for inputs: [Shape]) throws -> Shape {
        guard inputs.count == 2, inputs[0] == inputs[1] else {
            throw ShapeMismatch("ResidualAdd takes two values of one shape, found \(inputs)")
        }
        return inputs[0]
    }

    package func forwardPasses(at site: BoundSite) -> [Pass] {
        let count = site.plan.output.count
        return [
            site.pass("forward", elementsPerImage: count) { slots in
                let start = slots.lowerBound * count
                ElementwiseSum.sum(
                    site.xs[0] + start, site.xs[1] + start, count: slots.count * count, into: site.y + start)
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) -> [Pass] {
        guard let dy = site.dy else { return [] }
        let count = site.plan.output.count
        return [
            site.pass("backward", elementsPerImage: count) { slots in
                let start = slots.lowerBound * count
                for case let dx? in site.dxs { (dx + start).update(from: dy + start, count: slots.count * count) }
            }
        ]
    }
}
