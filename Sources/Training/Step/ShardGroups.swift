internal import DataParallel
internal import Datasets
internal import Diagnostics
internal import Layers
internal import Tensors

/// Runs the shards of a rank, all at once or in groups one after the other, to the same bits.
///
/// Memory: the plans', one for each size of group, and those vectors of `ShardCut` that wait; what it is given holds them.
final class ShardGroups {
    let plans: [ExecutionPlan]
    /// Bytes that the plans would have if they kept everything that their passes backward read.
    let uncutBytes: Int
    private let cut: ShardCut
    private let gradients: VectorRows<Float>
    /// The score's fields, and from `sumsOffset` on what the layers leave for their buffers.
    private let statistics: VectorRows<Double>
    private let sumsOffset: Int
    private let pool: ThreadPool
    private let addition: Addition
    private let losses: UnsafeMutableBufferPointer<Double>
    /// What plans that run side by side bring to a sum over ranks, by their groups' vectors.
    private var meeting: Meeting?

    /// Adds the statistics of a rank's largest subtrees, the first rows, over the ranks.
    typealias AddOverRanks = (VectorRows<Double>) throws -> Void

    /// `gradients` and `statistics` have a row for each vector of the cut; sums end in the first ones.
    ///
    /// Throws: `ShapeMismatch`, `Arena.OutOfMemory`.
    init(
        _ cut: ShardCut, network: Network, imagesPerShard: Int, options: PlanOptions,
        gradients: VectorRows<Float>, statistics: VectorRows<Double>, sumsOffset: Int, input: PixelConversion,
        pool: ThreadPool, addOverRanks: @escaping AddOverRanks
    ) throws {
        precondition(
            gradients.rows == cut.vectors && statistics.rows == cut.vectors,
            "\(gradients.rows) and \(statistics.rows) rows for \(cut.vectors) vectors")
        let plans = try cut.planShards.map { shards in
            try network.plan(
                imagesPerShard: imagesPerShard, shards: shards, mode: .training, options: options, input: input,
                pool: pool)
        }
        self.plans = plans
        uncutBytes =
            options.segments == 1
            ? plans.reduce(0) { $0 + $1.arenaBytes }
            : try cut.planBytes(network, imagesPerShard: imagesPerShard, options: options.uncut, threads: pool.threads)
        self.cut = cut
        self.gradients = gradients
        self.statistics = statistics
        self.sumsOffset = sumsOffset
        self.pool = pool
        addition = Addition(count: gradients.count)
        let shards = cut.groups.last?.shards.upperBound ?? 0
        losses = .allocate(capacity: cut.groups.count > 1 ? shards * imagesPerShard : 0)
        losses.initialize(repeating: 0)
        guard cut.isTogether else {
            for plan in plans { plan.addOverRanks = { try addOverRanks(VectorRows($0)) } }
            return
        }
        // No layer sums more than a gradient sum and a square for each of its statistics, and a count.
        let meeting = Meeting(cut, capacity: 2 * network.statisticCount + 1, addOverRanks)
        self.meeting = meeting
        for group in cut.groups {
            plans[group.plan].addOverRanks = { meeting.take($0, of: group.vector) }
        }
    }

    deinit {
        losses.deallocate()
    }

    /// The largest.
    var plan: ExecutionPlan { plans.max { $0.shards < $1.shards } ?? plans[0] }
    var arenaBytes: Int { plans.reduce(0) { $0 + $1.arenaBytes } }

    /// Forward and backward passes of a batch: leaves the gradients' sums over each of the rank's largest subtrees, and the sums of
    /// scores and of what the layers leave for their buffers, in the first rows. Throws: what the plans throw.
    func run(_ batch: Batch, seed: UInt64, epoch: Int, weights: UnsafePointer<Float>) throws {
        if cut.isTogether {
            for group in cut.groups { prepare(group, batch, seed, epoch, weights) }
            try runTogether()
            for group in cut.groups { finish(group) }
        } else {
            for group in cut.groups {
                prepare(group, batch, seed, epoch, weights)
                let plan = plans[group.plan]
                for pass in 0..<plan.passCount {
                    plan.work(pass)
                    try plan.exchange(after: pass)
                }
                finish(group)
            }
        }
    }

    private func prepare(
        _ group: ShardCut.Group, _ batch: Batch, _ seed: UInt64, _ epoch: Int, _ weights: UnsafePointer<Float>
    ) {
        let plan = plans[group.plan]
        let slot = group.shards.lowerBound * plan.imagesPerShard
        plan.prepare(
            images: batch.images + slot * batch.imageBytes, labels: batch.labels + slot,
            counts: batch.counts + group.shards.lowerBound,
            targets: batch.targets.map { UnsafePointer($0 + slot * batch.classes) },
            randomness: StepRandomness(seed: seed, epoch: UInt32(epoch), ids: batch.keys + slot), weights: weights,
            gradients: gradients[group.vector].baseAddress)
    }

    /// Pass by pass: an exchange in the middle of the network has to have what all groups bring.
    private func runTogether() throws {
        for pass in 0..<plans[0].passCount {
            for plan in plans { plan.work(pass) }
            guard plans[0].exchanges(after: pass), let meeting else { continue }
            meeting.gathers = true
            for plan in plans { try plan.exchange(after: pass) }
            try meeting.add()
            meeting.gathers = false
            for plan in plans { try plan.exchange(after: pass) }
        }
    }

    /// Joins what a group has left with the subtrees that wait for it.
    private func finish(_ group: ShardCut.Group) {
        let plan = plans[group.plan]
        let row = statistics[group.vector]
        row.update(repeating: 0)
        BinaryTree.sum(plan.scores, +).write(to: row)
        if let base = row.baseAddress { plan.addedStatistics(into: base + sumsOffset) }
        if !losses.isEmpty {
            let slot = group.shards.lowerBound * plan.imagesPerShard
            for place in 0..<plan.shards * plan.imagesPerShard { losses[slot + place] = plan.loss(ofSlot: place) }
        }
        let (gradients, statistics, addition, pool) = (gradients, statistics, addition, pool)
        cut.join(group) { lower, upper, sum in
            if let lower = statistics[lower].baseAddress, let upper = statistics[upper].baseAddress,
                let sum = statistics[sum].baseAddress
            {
                ElementwiseSum.sum(lower, upper, count: statistics.count, into: sum)
            }
            addition.run(gradients[lower], gradients[upper], into: gradients[sum], pool)
        }
    }

    /// The loss of one of the rank's slots in the last run.
    func loss(ofSlot slot: Int) -> Double { losses.isEmpty ? plans[0].loss(ofSlot: slot) : losses[slot] }
}

/// Adds one gradient vector to another on all threads; made once, so that a step allocates nothing.
private final class Addition {
    private let blocks: VectorBlocks
    private var lower: UnsafeMutablePointer<Float>!
    private var upper: UnsafeMutablePointer<Float>!
    private var sum: UnsafeMutablePointer<Float>!
    private var body: ThreadPool.Body = { _, _ in }

    init(count: Int) {
        blocks = VectorBlocks(elements: count)
        body = { [unowned self] number, _ in
            let block = self.blocks[number]
            ElementwiseSum.sum(
                self.lower + block.lowerBound, self.upper + block.lowerBound, count: block.count,
                into: self.sum + block.lowerBound)
        }
    }

    func run(
        _ lower: UnsafeMutableBufferPointer<Float>, _ upper: UnsafeMutableBufferPointer<Float>,
        into sum: UnsafeMutableBufferPointer<Float>, _ pool: ThreadPool
    ) {
        (self.lower, self.upper, self.sum) = (lower.baseAddress, upper.baseAddress, sum.baseAddress)
        pool.run(blocks.count, body)
    }
}

/// A sum over ranks in the middle of plans that run side by side.
private final class Meeting {
    /// Whether vectors are taken from the plans, or the sum is given to them.
    var gathers = true
    private let cut: ShardCut
    private let addOverRanks: ShardGroups.AddOverRanks
    private let memory: UnsafeMutableBufferPointer<Double>
    private let capacity: Int
    private var count = 0

    init(_ cut: ShardCut, capacity: Int, _ addOverRanks: @escaping ShardGroups.AddOverRanks) {
        (self.cut, self.capacity, self.addOverRanks) = (cut, capacity, addOverRanks)
        memory = .allocate(capacity: cut.vectors * capacity)
        memory.initialize(repeating: 0)
    }

    deinit {
        memory.deallocate()
    }

    private var rows: VectorRows<Double> {
        VectorRows(base: memory.baseAddress, count: count, stride: capacity, rows: cut.vectors)
    }

    func take(_ vector: UnsafeMutableBufferPointer<Double>, of row: Int) {
        precondition(vector.count <= capacity, "\(vector.count) sums, \(capacity) announced")
        count = vector.count
        if gathers { _ = rows[row].update(from: vector) } else { _ = vector.update(from: rows[0]) }
    }

    /// Over the groups, then over the ranks.
    func add() throws {
        for group in cut.groups {
            cut.join(group) { lower, upper, sum in
                guard let lower = rows[lower].baseAddress, let upper = rows[upper].baseAddress,
                    let sum = rows[sum].baseAddress
                else { return }
                ElementwiseSum.sum(lower, upper, count: count, into: sum)
            }
        }
        try addOverRanks(rows.first(cut.subtrees))
    }
}
