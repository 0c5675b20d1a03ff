internal import Tensors

/// How the images of a rank's shards fill groups of sixteen lanes: the leaves of the gradient tree, and its subtrees that are
/// units of work.
///
/// A shard of b < 16 images takes w lanes, b rounded up to a power of two, and a group holds neighbouring shards; a larger
/// one takes whole groups, a power of two of them, of which those behind its last image stay empty. Nothing of this decides
/// bits but b: groups and units are nodes of one binary tree, whose lowest levels run over lanes.
struct LaneGroups {
    let shards, imagesPerShard: Int
    let lanesPerShard: Int
    let shardsPerGroup, groupsPerShard: Int
    /// Groups of all shards.
    let leaves: Int
    let leavesPerUnit: Int

    /// Enough units for eight threads; the fewer there are, the fewer sums have to be joined at the end.
    private static let unitsWanted = 8

    init(shards: Int, imagesPerShard: Int, mode: ExecutionPlan.Mode) {
        let laneCount = KernelSet.laneCount
        let lanesPerShard = min(laneCount, Self.powerOfTwo(from: imagesPerShard))
        let groupsPerShard = Self.powerOfTwo(from: (imagesPerShard + laneCount - 1) / laneCount)
        var shardsPerGroup = 1
        while shardsPerGroup * 2 <= min(shards, laneCount / lanesPerShard) { shardsPerGroup *= 2 }
        leaves = (shards + shardsPerGroup - 1) / shardsPerGroup * groupsPerShard
        leavesPerUnit = mode == .evaluation ? 1 : max(1, Self.powerOfTwo(from: leaves) / Self.unitsWanted)
        self.shards = shards
        self.imagesPerShard = imagesPerShard
        self.lanesPerShard = lanesPerShard
        self.groupsPerShard = groupsPerShard
        self.shardsPerGroup = shardsPerGroup
    }

    var units: Int { leaves / leavesPerUnit }
    var lanes: Int { lanesPerShard * shardsPerGroup }
    /// Levels of the tree inside a unit.
    var levels: Int { leavesPerUnit.trailingZeroBitCount }

    /// The slot in a lane of a group; nil where the lane holds no image.
    func slot(leaf: Int, lane: Int, counts: UnsafePointer<Int32>) -> Int? {
        guard lane < lanes else { return nil }
        let shard = leaf / groupsPerShard * shardsPerGroup + lane / lanesPerShard
        let image = leaf % groupsPerShard * lanesPerShard + lane % lanesPerShard
        guard shard < shards, image < Int(counts[shard]) else { return nil }
        return shard * imagesPerShard + image
    }

    /// Puts the images of a leaf into a group; false where there are none.
    func fill(_ group: LaneGroup, leaf: Int, context: StepContext, imageByteCount: Int) -> Bool {
        group.clear(lanesPerShard: lanesPerShard, lanes: lanes)
        var holdsImages = false
        for lane in 0..<lanes {
            guard let slot = slot(leaf: leaf, lane: lane, counts: context.counts) else { continue }
            group.place(context.images + slot * imageByteCount, label: context.labels[slot], in: lane)
            holdsImages = true
        }
        return holdsImages
    }

    private static func powerOfTwo(from count: Int) -> Int {
        var power = 1
        while power < count { power *= 2 }
        return power
    }
}
