internal import Tensors

/// Cuts the images of every shard into runs, the units of work of a pass.
///
/// The cut depends on the images per shard alone, never on how many shards or threads this process has.
package struct ImageChunks: Sendable {
    package let shards: Int
    package let imagesPerShard: Int
    package let chunksPerShard: Int
    package let imagesPerChunk: Int

    /// Elements that make a unit worth its thread where little is done with each.
    static let elements = 32_768

    /// Runs of at most `imagesPerChunk` images.
    package init(shards: Int, imagesPerShard: Int, imagesPerChunk: Int) {
        self.shards = shards
        self.imagesPerShard = imagesPerShard
        self.imagesPerChunk = max(1, min(imagesPerChunk, imagesPerShard))
        chunksPerShard = (imagesPerShard + self.imagesPerChunk - 1) / self.imagesPerChunk
    }

    /// A power of two of runs a shard, at most `chunks`, each of about `minimumImages` or more: leaves of a tree.
    package init(shards: Int, imagesPerShard: Int, treeLeaves chunks: Int, minimumImages: Int) {
        var leaves = 1
        while leaves * 2 <= chunks && imagesPerShard >= leaves * 2 * minimumImages { leaves *= 2 }
        self.shards = shards
        self.imagesPerShard = imagesPerShard
        chunksPerShard = leaves
        imagesPerChunk = (imagesPerShard + leaves - 1) / leaves
    }

    package var units: Int { shards * chunksPerShard }

    /// The slots of one unit's images, for shards that hold `counts[shard]` images; may be empty.
    package func slots(of unit: Int, counts: UnsafePointer<Int32>) -> Range<Int> {
        let shard = unit / chunksPerShard
        let first = unit % chunksPerShard * imagesPerChunk
        let last = min(first + imagesPerChunk, Int(counts[shard]))
        let start = shard * imagesPerShard
        return start + min(first, last)..<start + last
    }
}

extension BoundSite {
    /// A pass over runs of at most `imagesPerChunk` images.
    func pass(
        _ name: String, imagesPerChunk: Int, _ body: @escaping (_ slots: Range<Int>, _ worker: Int) -> Void
    ) -> Pass {
        let chunks = ImageChunks(
            shards: plan.shards, imagesPerShard: plan.imagesPerShard, imagesPerChunk: imagesPerChunk)
        let context = context
        return Pass("\(plan.path) \(name)", units: chunks.units) { unit, worker in
            body(chunks.slots(of: unit, counts: context.counts), worker)
        }
    }

    /// A pass that does little with each element: over runs of as many images as hold about `ImageChunks.elements`.
    func pass(
        _ name: String, elementsPerImage count: Int, _ body: @escaping (_ slots: Range<Int>) -> Void
    ) -> Pass {
        pass(name, imagesPerChunk: ImageChunks.elements / max(1, count)) { slots, _ in body(slots) }
    }

    /// Passes that move a value to where its other shape lies; none where both lie in one place.
    func copyPasses(
        _ name: String, from source: UnsafeMutablePointer<Float>, to target: UnsafeMutablePointer<Float>
    ) -> [Pass] {
        guard source != target else { return [] }
        let count = plan.output.count
        return [
            pass(name, elementsPerImage: count) { slots in
                (target + slots.lowerBound * count).update(
                    from: source + slots.lowerBound * count, count: slots.count * count)
            }
        ]
    }
}
