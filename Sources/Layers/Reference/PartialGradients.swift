internal import Tensors

/// Weight gradients of a layer as they come out of the units of a pass: a power of two of leaves, shard by shard, each
/// holding all the layer's parameters in order.
package struct PartialGradients: Sendable {
    package let leaves: Int
    package let count: Int
    /// Elements a unit joins: enough to be worth a unit, few enough to stay in the first-level cache.
    private static let blockLength = 2_048

    package init(leaves: Int, count: Int) {
        self.leaves = leaves
        self.count = count
    }

    /// Joins the leaves in one binary tree into the layer's part of the gradient vector.
    package func pass(at site: BoundSite) -> Pass {
        let blocks = VectorBlocks(elements: count, length: Self.blockLength)
        let partials = site.partialGradients.assumingMemoryBound(to: Float.self)
        let context = site.context
        let (leaves, count, offset) = (leaves, count, site.parameterOffsets[0])
        return Pass("\(site.plan.path) gradient tree", units: blocks.count) { number, _ in
            let block = blocks[number]
            TreeSum.sum(
                leafArrays: partials + block.lowerBound, leaves: leaves, stride: count,
                count: block.count, into: context.gradients + offset + block.lowerBound)
        }
    }
}
