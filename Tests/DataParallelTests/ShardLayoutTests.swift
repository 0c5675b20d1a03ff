import Diagnostics
import Testing

@testable import DataParallel

@Suite("Shards of a rank")
struct ShardLayoutTests {
    @Test("ranks share the shards in contiguous runs")
    func ranges() throws {
        #expect(try ShardLayout(shards: 8, ranks: 4, rank: 3).range == 6..<8)
        #expect(try ShardLayout(shards: 8, ranks: 1, rank: 0).range == 0..<8)
        #expect(try ShardLayout(shards: 4, ranks: 4, rank: 1).range == 1..<2)
        #expect(try (0..<3).map { try ShardLayout(shards: 8, ranks: 3, rank: $0).range } == [0..<2, 2..<5, 5..<8])
    }

    @Test("every shard has one owner, and no rank has two more than another")
    func owners() throws {
        for shards in 1...40 {
            for ranks in 1...shards {
                let layouts = try (0..<ranks).map { try ShardLayout(shards: shards, ranks: ranks, rank: $0) }
                let owners = layouts.flatMap { layout in layout.range.map { _ in layout.rank } }
                #expect(owners == (0..<shards).map { ShardLayout.owner(ofShard: $0, ranks: ranks, shards: shards) })
                let shares = layouts.map(\.range.count)
                #expect(shares.max() == layouts[0].largestShare && shares.max()! - shares.min()! <= 1)
            }
        }
    }

    @Test("the largest subtrees of a rank's shards are aligned, and an odd end counts as complete")
    func subtrees() throws {
        #expect(try ShardLayout(shards: 8, ranks: 3, rank: 0).subtrees == [0..<2])
        #expect(try ShardLayout(shards: 8, ranks: 3, rank: 1).subtrees == [2..<4, 4..<5])
        #expect(try ShardLayout(shards: 8, ranks: 3, rank: 2).subtrees == [5..<6, 6..<8])
        #expect(try ShardLayout(shards: 6, ranks: 1, rank: 0).subtrees == [0..<6])
        #expect(try ShardLayout(shards: 7, ranks: 2, rank: 1).subtrees == [3..<4, 4..<7])
        #expect(try ShardLayout(shards: 8, ranks: 2, rank: 1).subtrees == [4..<8])
    }

    @Test("more ranks than shards are a configuration error that says what would do", arguments: [5, 8, 16])
    func refused(ranks: Int) throws {
        let failure = try #require(throws: Failure.self) { try ShardLayout(shards: 4, ranks: ranks, rank: 0) }
        #expect(failure.code == .configuration)
        #expect(failure.message.contains("\(ranks) ranks") && failure.message.contains("at most 4"))
        #expect(failure.message.contains("raise shards to \(ranks)"))
    }

    @Test("no shards are a configuration error", arguments: [-4, 0])
    func shards(shards: Int) throws {
        let failure = try #require(throws: Failure.self) { try ShardLayout(shards: shards, ranks: 1, rank: 0) }
        #expect(failure.code == .configuration)
    }

    @Test("uneven shares are named with their cost and what would be even")
    func unevenness() throws {
        func words(_ shards: Int, _ ranks: Int, batch: Int) throws -> String? {
            try ShardLayout(shards: shards, ranks: ranks, rank: 0).unevenness(batchSize: batch)
        }
        #expect(try words(8, 4, batch: 64) == nil && words(6, 3, batch: 6) == nil && words(1, 1, batch: 1) == nil)
        #expect(
            try words(8, 3, batch: 96)
                == "3 ranks share 8 shards: 3 on 2 of them, 2 on 1, so 11 % of the ranks' time is spent waiting. "
                + "Even: 2 or 4 ranks; or shards: 6 or 12, which gives other weights")
        #expect(
            try words(8, 6, batch: 64)
                == "6 ranks share 8 shards: 2 on 2 of them, 1 on 4, so a step takes as long as on 4 ranks. Even: 4 or 8 ranks"
        )
    }
}
