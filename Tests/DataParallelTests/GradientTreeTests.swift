import TestSupport
import Testing

@testable import DataParallel

@Suite("Gradient tree between ranks")
struct GradientTreeTests {
    /// Sums shard vectors on R in-process ranks the way a training step does; returns each rank's result and bytes sent.
    private func allReduced(
        _ floats: [[Float]], _ doubles: [[Double]], ranks: Int
    ) throws -> [(floats: [Float], doubles: [Double], bytes: Int)] {
        try InProcessWorld(size: ranks).run { communicator in
            let layout = try ShardLayout(shards: floats.count, ranks: ranks, rank: communicator.rank)
            var gradients = layout.subtrees.flatMap { referenceTree(Array(floats[$0])) }
            var statistics = layout.subtrees.flatMap { referenceTree(Array(doubles[$0])) }
            let (rows, count, sums) = (layout.subtrees.count, floats[0].count, doubles[0].count)
            let tree = GradientTree(
                communicator: communicator, layout: layout, gradientCount: count, statisticCount: sums)
            try gradients.withUnsafeMutableBufferPointer { gradients in
                try statistics.withUnsafeMutableBufferPointer { statistics in
                    try tree.allReduce(
                        gradients: VectorRows(base: gradients.baseAddress, count: count, stride: count, rows: rows),
                        statistics: VectorRows(base: statistics.baseAddress, count: sums, stride: sums, rows: rows))
                }
            }
            return (Array(gradients.prefix(count)), Array(statistics.prefix(sums)), communicator.bytesSent)
        }
    }

    @Test(
        "any number of shards gives the bits of the reference tree on any number of ranks",
        arguments: [1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 16])
    func anyNumbers(shards: Int) throws {
        for count in [1, 5, 40, 20_011] {
            let floats = shardVectors(shards, count: count, seed: shards + count)
            let doubles = floats.map { $0.prefix(37).map { Double($0) / 3 } }
            for ranks in 1...shards {
                for result in try allReduced(floats, doubles, ranks: ranks) {
                    #expect(sameBits(result.floats, referenceTree(floats)), "\(count) on \(ranks) ranks")
                    #expect(sameBits(result.doubles, referenceTree(doubles)), "\(count) on \(ranks) ranks")
                }
            }
        }
    }

    @Test("eight shards give the bits of the reference tree on 1, 2, 4 and 8 ranks", arguments: lengths, [1, 2, 4, 8])
    func equalBits(count: Int, ranks: Int) throws {
        let floats = shardVectors(8, count: count, seed: count + 1)
        let doubles = floats.map { $0.prefix(37).map { Double($0) / 3 } }
        for result in try allReduced(floats, doubles, ranks: ranks) {
            #expect(sameBits(result.floats, referenceTree(floats)))
            #expect(sameBits(result.doubles, referenceTree(doubles)))
        }
    }

    @Test("a rank sends at most 2(R-1)/R of the bytes", arguments: lengths, [1, 2, 4, 8])
    func traffic(count: Int, ranks: Int) throws {
        let floats = shardVectors(8, count: count, seed: 3)
        let doubles = floats.map { $0.prefix(9).map(Double.init) }
        let bytes = count * 4 + min(count, 9) * 8
        let oddElements = 2 * ranks.trailingZeroBitCount * (4 + 8)
        for result in try allReduced(floats, doubles, ranks: ranks) {
            #expect(result.bytes <= 2 * (ranks - 1) * bytes / ranks + oddElements)
            if ranks == 1 { #expect(result.bytes == 0) }
        }
    }

    @Test(
        "on any number of ranks the communicator counts the schedule's bytes: at most one subtree more a level than even shares send",
        arguments: [3, 4, 5, 6, 8, 12, 16])
    func anyTraffic(shards: Int) throws {
        let (count, sums) = (5_003, 9)
        let floats = shardVectors(shards, count: count, seed: 4)
        let doubles = floats.map { $0.prefix(sums).map(Double.init) }
        let levels = (0...).first { 1 << $0 >= shards } ?? 0
        for ranks in 1...shards {
            let schedule = ExchangeSchedule(shards: shards, ranks: ranks)
            let bytes = count * 4 + sums * 8
            let even = 2 * (ranks - 1) * bytes / ranks
            for (rank, result) in try allReduced(floats, doubles, ranks: ranks).enumerated() {
                var (expected, pieces) = (0, 0)
                for case .meet(let meeting) in schedule.actions[rank] {
                    for piece in meeting.sends {
                        expected += piece.span.elements(of: count).count * 4 + piece.span.elements(of: sums).count * 8
                        pieces += 1
                    }
                }
                #expect(result.bytes == expected, "rank \(rank) of \(ranks)")
                #expect(result.bytes <= even + levels * bytes + pieces * (4 + 8), "rank \(rank) of \(ranks)")
            }
        }
    }

    @Test("statistics alone and gradients alone are summed too")
    func onePartAlone() throws {
        let floats = shardVectors(8, count: 1001, seed: 5)
        let doubles = floats.map { $0.map(Double.init) }
        let none = [[Float]](repeating: [], count: 8)
        let noDoubles = [[Double]](repeating: [], count: 8)
        for result in try allReduced(floats, noDoubles, ranks: 4) {
            #expect(sameBits(result.floats, referenceTree(floats)))
        }
        for result in try allReduced(none, doubles, ranks: 4) {
            #expect(sameBits(result.doubles, referenceTree(doubles)))
        }
    }

    @Test("a vector reduced in buckets has the bits of the whole")
    func buckets() throws {
        let floats = shardVectors(4, count: 5000, seed: 6)
        let results = try InProcessWorld(size: 4).run { communicator in
            var gradients = floats[communicator.rank]
            let tree = GradientTree(
                communicator: communicator,
                layout: try ShardLayout(shards: 4, ranks: 4, rank: communicator.rank), gradientCount: 3001,
                statisticCount: 0)
            for bucket in [0..<1999, 1999..<2000, 2000..<5000] {
                try gradients[bucket].withUnsafeMutableBufferPointer {
                    try tree.allReduce(gradients: VectorRows($0), statistics: .none)
                }
            }
            return gradients
        }
        for result in results { #expect(sameBits(result, referenceTree(floats))) }
    }

    @Test("random numbers tell the tree from a running sum and from another pairing")
    func orderShows() {
        let floats = shardVectors(4, count: 1000, seed: 7, ordinary: true)
        let runningSum = zip(zip(floats[0], floats[1]).map { $0 + $1 }, zip(floats[2], floats[3])).map {
            $0 + $1.0 + $1.1
        }
        let otherPairs = referenceTree([floats[0], floats[2], floats[1], floats[3]])
        #expect(!sameBits(referenceTree(floats), runningSum))
        #expect(!sameBits(referenceTree(floats), otherPairs))
    }

    @Test("+0 stays +0 and -0 survives only where every shard holds -0")
    func signedZeros() throws {
        let floats: [[Float]] = [[-0.0, 0, -0.0], [-0.0, 0, 0], [-0.0, -0.0, -0.0], [-0.0, 0, -0.0]]
        for result in try allReduced(floats, [[], [], [], []], ranks: 4) {
            #expect(result.floats.map(\.bitPattern) == [Float(-0.0).bitPattern, 0, 0])
        }
    }
}
