/// Cuts the images of every shard into runs, the units of work of a pass.
///
/// The cut depends on the images per shard alone, never on how many shards or threads this process has.
package struct ImageChunks: Sendable {
    package let shards: Int
    package let imagesPerShard: Int
    package let chunksPerShard: Int
    package let imagesPerChunk: Int

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
