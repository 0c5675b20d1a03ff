package import Diagnostics
internal import Tensors

/// Which logical shards a rank owns: V shards in R equal, contiguous runs.
///
/// Throws: `Failure(.configuration)` unless V is a power of two and R a power of two that divides it.
package struct ShardLayout: Equatable, Sendable {
    package let shards: Int
    package let ranks: Int
    package let rank: Int

    package init(shards: Int, ranks: Int, rank: Int) throws(Failure) {
        guard shards.isPowerOfTwo else {
            throw Failure(.configuration, "shards: \(shards), expected a power of two (1, 2, 4, 8, …)")
        }
        guard ranks.isPowerOfTwo, ranks <= shards else {
            let allowed = Self.words(Self.allowedRanks(shards: shards))
            let wider = ranks > shards && ranks.isPowerOfTwo ? ", or raise shards to \(ranks)" : ""
            throw Failure(
                .configuration,
                "\(ranks) ranks with shards: \(shards), expected \(allowed) ranks. Start one of these numbers\(wider)")
        }
        precondition((0..<ranks).contains(rank), "rank \(rank) of \(ranks)")
        self.shards = shards
        self.ranks = ranks
        self.rank = rank
    }

    package var shardsPerRank: Int { shards / ranks }

    /// This rank's shards.
    package var range: Range<Int> { rank * shardsPerRank..<(rank + 1) * shardsPerRank }

    /// The numbers of ranks that can share `shards` shards: 1, 2, 4 … shards.
    package static func allowedRanks(shards: Int) -> [Int] {
        (0...shards.trailingZeroBitCount).map { 1 << $0 }
    }

    /// "1", "1 or 2", "1, 2 or 4".
    private static func words(_ numbers: [Int]) -> String {
        let texts = numbers.map(String.init)
        guard let last = texts.last, texts.count > 1 else { return texts.joined() }
        return "\(texts.dropLast().joined(separator: ", ")) or \(last)"
    }
}
