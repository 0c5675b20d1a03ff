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
            BinaryTree.sum(
                leafArrays: partials + block.lowerBound, leaves: leaves, stride: count,
                count: block.count, into: context.gradients + offset + block.lowerBound)
        }
    }
}

/// The backward passes of a layer that adds up its weight gradients image after image: runs of images are the leaves of the
/// tree over the shards.
struct ImageGradients {
    private let chunks: ImageChunks
    private let parameterCount: Int

    init(at site: PlanSite, parameterCount: Int) {
        chunks = Self.chunks(at: site, parameterCount: parameterCount)
        self.parameterCount = parameterCount
    }

    /// Up to eight leaves a shard let eight threads work on one shard; layers of many weights take fewer, so that the leaves
    /// of a shard stay below 16 MiB.
    static func chunks(at site: PlanSite, parameterCount: Int) -> ImageChunks {
        let bytes = Int.product(parameterCount, MemoryLayout<Float>.stride)
        return ImageChunks(
            shards: site.shards, imagesPerShard: site.imagesPerShard, treeLeaves: min(8, max(1, (16 << 20) / bytes)),
            minimumImages: 4)
    }

    /// Of the leaves.
    var byteCount: Int { Int.product(chunks.units, parameterCount, MemoryLayout<Float>.stride) }

    /// `perImage` adds one image's part to a leaf, which holds the layer's parameters in order and starts from zeros.
    func passes(
        at site: BoundSite,
        perImage:
            @escaping (
                _ slot: Int, _ weight: UnsafePointer<Float>, _ gradient: UnsafeMutablePointer<Float>,
                _ workspace: UnsafeMutablePointer<Float>
            ) -> Void
    ) -> [Pass] {
        let (chunks, count, context) = (chunks, parameterCount, site.context)
        let weightOffset = site.parameterOffsets[0]
        let partials = site.partialGradients.assumingMemoryBound(to: Float.self)
        let images = Pass("\(site.plan.path) backward", units: chunks.units) { unit, worker in
            let gradient = partials + unit * count
            gradient.update(repeating: 0, count: count)
            for slot in chunks.slots(of: unit, counts: context.counts) {
                perImage(slot, context.weights + weightOffset, gradient, site.workspace(of: worker))
            }
        }
        return [images, PartialGradients(leaves: chunks.units, count: count).pass(at: site)]
    }
}
