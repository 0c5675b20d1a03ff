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
    }

    @Test(
        "another number of ranks is a configuration error that names the allowed ones", arguments: [3, 5, 6, 7, 8, 16])
    func refused(ranks: Int) throws {
        let failure = try #require(throws: Failure.self) { try ShardLayout(shards: 4, ranks: ranks, rank: 0) }
        #expect(failure.code == .configuration)
        #expect(failure.message.contains("\(ranks) ranks"))
        #expect(failure.message.contains("1, 2 or 4"))
    }

    @Test("a number of shards that is no power of two is a configuration error", arguments: [-4, 0, 3, 6])
    func shards(shards: Int) throws {
        let failure = try #require(throws: Failure.self) { try ShardLayout(shards: shards, ranks: 1, rank: 0) }
        #expect(failure.code == .configuration)
    }
}
