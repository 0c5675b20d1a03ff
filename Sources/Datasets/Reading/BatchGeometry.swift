/// How the samples of an epoch fall into steps, shards and slots; the same for every number of ranks.
package struct BatchGeometry: Sendable, Equatable {
    /// Samples in the split.
    package let sampleCount: Int
    /// Samples of a full step, over all ranks.
    package let batchSize: Int
    package let shards: Int

    /// Traps: a batch that is no multiple of the shards.
    package init(sampleCount: Int, batchSize: Int, shards: Int) {
        precondition(
            sampleCount > 0 && batchSize > 0 && batchSize % shards == 0, "batch \(batchSize), shards \(shards)")
        self.sampleCount = sampleCount
        self.batchSize = batchSize
        self.shards = shards
    }

    package var imagesPerShard: Int { batchSize / shards }
    package var stepsPerEpoch: Int { (sampleCount + batchSize - 1) / batchSize }

    /// Samples of a step, 0 ..< stepsPerEpoch; only the last one may be short.
    package func samples(inStep step: Int) -> Int { min(batchSize, sampleCount - step * batchSize) }

    /// Images of one shard in a step: slots are filled from the front, so later shards run short or empty.
    package func images(inShard shard: Int, ofStep step: Int) -> Int {
        max(0, min(imagesPerShard, samples(inStep: step) - shard * imagesPerShard))
    }

    /// The position in the epoch's order of the first slot of a shard.
    package func firstPosition(ofShard shard: Int, inStep step: Int) -> Int {
        step * batchSize + shard * imagesPerShard
    }
}
