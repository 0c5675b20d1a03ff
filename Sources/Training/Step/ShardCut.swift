internal import DataParallel
internal import Diagnostics
internal import Layers
internal import Tensors

/// How the shards of a rank are cut into groups that a plan runs at once, and how the groups' sums are joined: the lower levels of
/// the gradient tree.
///
/// A group is an aligned power of two of shards, and so a subtree. The groups of one of the rank's largest subtrees are joined as they
/// come, like the digits of a counter: a sum waits until its neighbour is there, and the last group takes all that wait.
struct ShardCut {
    struct Group {
        /// Counted from the rank's first.
        let shards: Range<Int>
        /// Which plan runs it.
        let plan: Int
        /// The vector that the plan writes.
        let vector: Int
        /// Vectors that wait and come before it in the tree, the nearest first. The sum ends in the last of them, where it waits on,
        /// or, of a group that completes a largest subtree, in the group's own vector.
        let joins: [Int]
        let completesSubtree: Bool
    }

    let groups: [Group]
    /// Shards of each plan. Plans have memory of their own; groups of one size share one unless they run together.
    let planShards: [Int]
    /// Vectors in all, those of the rank's largest subtrees first.
    let vectors: Int
    let subtrees: Int
    /// Whether the groups run side by side, because statistics in the middle of the network are the whole batch's.
    let isTogether: Bool

    /// At most `limit` shards in memory at once, a power of two; nil: all.
    ///
    /// Throws: `Failure(.configuration)` where fewer at once leave statistics of the whole batch without a value.
    init(_ layout: ShardLayout, limit: Int?, network: Network, options: PlanOptions) throws(Failure) {
        let isGlobal = options.batchStatistics == .global && network.statisticCount > 0
        self.init(layout, limit: limit, isTogether: isGlobal)
        // All ranks refuse, or none.
        guard isGlobal, let limit, limit < layout.largestShare else { return }
        throw Failure(
            .configuration,
            "shards_in_flight = \(limit) with batch_norm: global, whose statistics need all \(layout.largestShare) shards of a "
                + "rank at once; use batch_norm: shard, shards_in_flight: all, or more ranks")
    }

    init(_ layout: ShardLayout, limit: Int?, isTogether: Bool) {
        self.init(layout, groupsOf: limit, isTogether: isTogether)
        // Plans of different sizes are in memory side by side.
        var size = limit ?? .max
        while let limit, !isTogether, size > 1, planShards.reduce(0, +) > limit {
            size /= 2
            self.init(layout, groupsOf: size, isTogether: false)
        }
    }

    private init(_ layout: ShardLayout, groupsOf limit: Int?, isTogether: Bool) {
        let (subtrees, base) = (layout.subtrees, layout.range.lowerBound)
        var (groups, planShards, vectors): ([Group], [Int], Int) = ([], [], subtrees.count)
        for (number, subtree) in subtrees.enumerated() {
            var waiting: [(vector: Int, level: Int)] = []
            var first = subtree.lowerBound
            while first < subtree.upperBound {
                let size = Self.size(from: first, in: subtree, limit: limit ?? .max)
                let isLast = first + size == subtree.upperBound
                let vector = isLast ? number : isTogether ? vectors : subtrees.count + waiting.count
                if !isLast { vectors = max(vectors, vector + 1) }
                var (joins, level): ([Int], Int) = ([], size.trailingZeroBitCount)
                while let lower = waiting.last, isLast || lower.level == level {
                    waiting.removeLast()
                    joins.append(lower.vector)
                    level += 1
                }
                if !isLast { waiting.append((joins.last ?? vector, level)) }
                let plan: Int
                if !isTogether, let known = planShards.firstIndex(of: size) {
                    plan = known
                } else {
                    plan = planShards.count
                    planShards.append(size)
                }
                groups.append(
                    Group(
                        shards: first - base..<first + size - base, plan: plan, vector: vector, joins: joins,
                        completesSubtree: isLast))
                first += size
            }
        }
        (self.groups, self.planShards, self.vectors) = (groups, planShards, vectors)
        self.subtrees = subtrees.count
        self.isTogether = isTogether && groups.count > 1
    }

    /// The largest aligned power of two of shards that begins there.
    private static func size(from first: Int, in subtree: Range<Int>, limit: Int) -> Int {
        var size = 1
        while 2 * size <= limit, (first - subtree.lowerBound) % (2 * size) == 0, first + 2 * size <= subtree.upperBound
        {
            size *= 2
        }
        return size
    }

    /// Bytes of all plans' arenas. Throws: `ShapeMismatch`.
    func planBytes(_ network: Network, imagesPerShard: Int, options: PlanOptions, threads: Int) throws -> Int {
        try planShards.reduce(0) { sum, shards in
            let bytes = try network.planBytes(
                imagesPerShard: imagesPerShard, shards: shards, mode: .training, options: options, threads: threads)
            return sum + min(bytes, Int.largestProduct)
        }
    }

    /// Calls `add` for every sum of a group that its vector joins: lower operand, upper operand, where the sum goes.
    func join(_ group: Group, _ add: (_ lower: Int, _ upper: Int, _ sum: Int) -> Void) {
        for (number, lower) in group.joins.enumerated() {
            let isEnd = number == group.joins.count - 1 && !group.completesSubtree
            add(lower, group.vector, isEnd ? lower : group.vector)
        }
    }
}
