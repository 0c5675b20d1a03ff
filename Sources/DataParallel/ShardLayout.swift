package import Diagnostics
internal import Tensors

/// Which logical shards a rank owns: V shards in R contiguous runs, of which none is more than one shard longer than another.
///
/// Throws: `Failure(.configuration)` unless 1 ≤ R ≤ V.
package struct ShardLayout: Equatable, Sendable {
    package let shards: Int
    package let ranks: Int
    package let rank: Int

    package init(shards: Int, ranks: Int, rank: Int) throws(Failure) {
        guard shards >= 1 else { throw Failure(.configuration, "shards: \(shards), expected at least 1") }
        guard ranks <= shards else {
            throw Failure(
                .configuration,
                "\(ranks) ranks with shards: \(shards), expected at most \(shards) ranks, for each needs a shard. Start at most "
                    + "\(shards), or raise shards to \(ranks) or more, to a number that divides batch_size")
        }
        precondition((0..<ranks).contains(rank), "rank \(rank) of \(ranks)")
        self.shards = shards
        self.ranks = ranks
        self.rank = rank
    }

    /// This rank's shards.
    package var range: Range<Int> { Self.range(ofRank: rank, ranks: ranks, shards: shards) }

    /// The shards of the rank that has most.
    package var largestShare: Int { (shards + ranks - 1) / ranks }

    /// The largest subtrees of the tree over all shards that lie in this rank's, in order; one where all ranks have the same power
    /// of two of them.
    package var subtrees: [Range<Int>] { BinaryTree.subtrees(in: range, of: shards) }

    package static func range(ofRank rank: Int, ranks: Int, shards: Int) -> Range<Int> {
        rank * shards / ranks..<(rank + 1) * shards / ranks
    }

    /// The rank that owns a shard.
    package static func owner(ofShard shard: Int, ranks: Int, shards: Int) -> Int {
        ((shard + 1) * ranks - 1) / shards
    }

    /// Where shares differ: how much, what it costs, and what would be even. nil where they are even.
    package func unevenness(batchSize: Int) -> String? {
        let more = shards % ranks
        guard more > 0 else { return nil }
        let idle = Int((100 * (1 - Double(shards) / Double(ranks * largestShare))).rounded())
        let enough = (shards + largestShare - 1) / largestShare
        let cost =
            enough < ranks
            ? "a step takes as long as on \(enough) ranks" : "\(idle) % of the ranks' time is spent waiting"
        let evenRanks = Self.nearest(to: ranks) { $0 <= shards && shards % $0 == 0 }
        let evenShards = Self.nearest(to: shards) { $0 % ranks == 0 && $0 <= batchSize && batchSize % $0 == 0 }
        return
            "\(ranks) ranks share \(shards) shards: \(largestShare) on \(more) of them, \(largestShare - 1) on "
            + "\(ranks - more), so \(cost). Even: \(Self.words(evenRanks)) ranks"
            + (evenShards.isEmpty ? "" : "; or shards: \(Self.words(evenShards)), which gives other weights")
    }

    /// The nearest numbers below and above one that are as asked for.
    private static func nearest(to number: Int, _ isWanted: (Int) -> Bool) -> [Int] {
        let below = stride(from: number - 1, to: 0, by: -1).first(where: isWanted)
        let above = (number + 1...max(number + 1, 65_536)).first(where: isWanted)
        return [below, above].compactMap { $0 }
    }

    /// "2", "2 or 4".
    private static func words(_ numbers: [Int]) -> String { numbers.map(String.init).joined(separator: " or ") }
}
