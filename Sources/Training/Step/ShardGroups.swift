internal import Datasets
internal import Diagnostics
internal import Layers
internal import Tensors

/// Runs the shards of a rank through one plan, all at once or in groups one after the other, to the same bits.
///
/// A group's gradient is the root of its subtree over shards, so the groups go on in the same binary tree: the lower
/// neighbour waits for the upper one.
/// Memory: the plan's, for the shards of one group, and a gradient vector for each doubling from one group to all.
final class ShardGroups {
    let plan: ExecutionPlan
    let groups: Int
    private let pool: ThreadPool
    private let blocks: VectorBlocks
    private let gradients: UnsafeMutableBufferPointer<Float>
    /// The sums that wait at each level of the tree above the groups.
    private let waiting: [UnsafeMutableBufferPointer<Float>]
    private let additions: [Work]
    private let copies: [Work]
    private let scores: UnsafeMutableBufferPointer<Score>
    private let statistics: UnsafeMutableBufferPointer<Double>
    private let statisticCount: Int
    private let losses: UnsafeMutableBufferPointer<Double>

    /// A closure taken out of an array itself would be wrapped, and so allocate.
    private struct Work {
        let body: ThreadPool.Body
    }

    /// `limit` shards at most are in memory at once; nil: all. `gradients` is where the sums end.
    ///
    /// Throws: `Failure(.configuration)`, `ShapeMismatch`, `Arena.OutOfMemory`.
    init(
        network: Network, imagesPerShard: Int, shards: Int, limit: Int?, options: PlanOptions,
        gradients: UnsafeMutableBufferPointer<Float>, input: PixelConversion, pool: ThreadPool
    ) throws {
        let inFlight = min(limit ?? shards, shards)
        precondition(inFlight > 0 && shards % inFlight == 0, "\(inFlight) of \(shards) shards at once")
        let groups = shards / inFlight
        if groups > 1, options.batchStatistics == .global, network.statisticCount > 0 {
            throw Failure(
                .configuration,
                "shards_in_flight = \(inFlight) with batch_norm: global, whose statistics need all \(shards) shards of a rank "
                    + "at once; use batch_norm: shard, shards_in_flight: all, or more ranks")
        }
        plan = try network.plan(
            imagesPerShard: imagesPerShard, shards: inFlight, mode: .training, options: options, input: input,
            pool: pool)
        let blocks = VectorBlocks(elements: gradients.count)
        let waiting = (0..<groups.trailingZeroBitCount).map { _ in
            let vector = UnsafeMutableBufferPointer<Float>.allocate(capacity: gradients.count)
            vector.initialize(repeating: 0)
            return vector
        }
        additions = waiting.map { lower in
            Work { number, _ in
                let block = blocks[number]
                ElementwiseSum.sum(
                    lower.baseAddress! + block.lowerBound, gradients.baseAddress! + block.lowerBound,
                    count: block.count, into: gradients.baseAddress! + block.lowerBound)
            }
        }
        copies = waiting.map { target in
            Work { number, _ in
                let block = blocks[number]
                (target.baseAddress! + block.lowerBound).update(
                    from: gradients.baseAddress! + block.lowerBound, count: block.count)
            }
        }
        self.groups = groups
        self.blocks = blocks
        self.pool = pool
        self.gradients = gradients
        self.waiting = waiting
        statisticCount = network.statisticCount
        scores = .allocate(capacity: groups)
        scores.initialize(repeating: Score())
        statistics = .allocate(capacity: groups * network.statisticCount)
        statistics.initialize(repeating: 0)
        losses = .allocate(capacity: groups > 1 ? shards * imagesPerShard : 0)
        losses.initialize(repeating: 0)
    }

    deinit {
        for vector in waiting { vector.deallocate() }
        scores.deallocate()
        statistics.deallocate()
        losses.deallocate()
    }

    /// Forward and backward passes of a batch: the gradients' sum over all shards, in place, and the sums that the layers
    /// leave for their buffers. Returns the score of all shards. Throws: what the plan throws.
    func run(
        _ batch: Batch, seed: UInt64, epoch: Int, weights: UnsafePointer<Float>,
        statistics sums: UnsafeMutablePointer<Double>
    ) throws -> Score {
        for group in 0..<groups {
            let slot = group * plan.shards * plan.imagesPerShard
            scores[group] = BinaryTree.sum(
                try plan.run(
                    images: batch.images + slot * batch.imageBytes, labels: batch.labels + slot,
                    counts: batch.counts + group * plan.shards,
                    targets: batch.targets.map { UnsafePointer($0 + slot * batch.classes) },
                    randomness: StepRandomness(seed: seed, epoch: UInt32(epoch), ids: batch.keys + slot),
                    weights: weights, gradients: gradients.baseAddress!), +)
            guard groups > 1 else {
                plan.addedStatistics(into: sums)
                return scores[0]
            }
            for place in 0..<plan.shards * plan.imagesPerShard { losses[slot + place] = plan.loss(ofSlot: place) }
            if statisticCount > 0 {
                plan.addedStatistics(into: statistics.baseAddress! + group * statisticCount)
            }
            climb(from: group)
        }
        let (statistics, count) = (statistics, statisticCount)
        for index in 0..<count { sums[index] = BinaryTree.sum(0..<groups) { statistics[$0 * count + index] } }
        return BinaryTree.sum(scores, +)
    }

    /// Joins what the group has left with the subtrees that wait for it, and lets the result wait for its neighbour.
    private func climb(from group: Int) {
        let level = BinaryTree.subtreesCompleted(byLeaf: group)
        for lower in 0..<level { pool.run(blocks.count, additions[lower].body) }
        if level < copies.count { pool.run(blocks.count, copies[level].body) }
    }

    /// The loss of one of the rank's slots in the last run.
    func loss(ofSlot slot: Int) -> Double { groups == 1 ? plan.loss(ofSlot: slot) : losses[slot] }
}
