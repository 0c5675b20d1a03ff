import Testing

@testable import Datasets

/// Small numbers from a fixed sequence (Knuth's 64-bit linear congruence), so that every run tries the same cases.
private struct Cases {
    var state: UInt64 = 1
    mutating func next(_ range: ClosedRange<Int>) -> Int {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return range.lowerBound + Int((state >> 33) % UInt64(range.count))
    }
}

@Suite("Batch geometry")
struct BatchGeometryTests {
    @Test("every sample of an epoch stands in exactly one slot, for any batch, shards and ranks")
    func exactlyOnce() {
        var cases = Cases()
        for _ in 0..<200 {
            let shards = cases.next(1...16)
            let perShard = cases.next(1...9)
            let count = cases.next(1...700)
            let geometry = BatchGeometry(sampleCount: count, batchSize: perShard * shards, shards: shards)
            var uses = [Int](repeating: 0, count: count)
            for ranks in 1...shards {
                for rank in 0..<ranks {
                    for shard in rank * shards / ranks..<(rank + 1) * shards / ranks {
                        for step in 0..<geometry.stepsPerEpoch {
                            let first = geometry.firstPosition(ofShard: shard, inStep: step)
                            for image in 0..<geometry.images(inShard: shard, ofStep: step) { uses[first + image] += 1 }
                        }
                    }
                }
            }
            #expect(uses.allSatisfy { $0 == shards }, "\(geometry)")
            let samples = (0..<geometry.stepsPerEpoch).map(geometry.samples(inStep:))
            #expect(samples.reduce(0, +) == count && samples.allSatisfy { $0 > 0 }, "\(geometry)")
            #expect(samples.dropLast().allSatisfy { $0 == geometry.batchSize }, "\(geometry)")
        }
    }

    @Test("a last batch of 80 of 112 in four shards is 28, 28, 24 and 0")
    func lastBatch() {
        let geometry = BatchGeometry(sampleCount: 60_000, batchSize: 112, shards: 4)
        let last = geometry.stepsPerEpoch - 1
        #expect(geometry.stepsPerEpoch == 536 && geometry.samples(inStep: last) == 80)
        #expect((0..<4).map { geometry.images(inShard: $0, ofStep: last) } == [28, 28, 24, 0])
        #expect((0..<4).map { geometry.images(inShard: $0, ofStep: 0) } == [28, 28, 28, 28])
    }

    @Test("a batch larger than the split is one step")
    func oneStep() {
        let geometry = BatchGeometry(sampleCount: 3, batchSize: 64, shards: 16)
        #expect(geometry.stepsPerEpoch == 1)
        #expect((0..<16).map { geometry.images(inShard: $0, ofStep: 0) } == [3] + [Int](repeating: 0, count: 15))
    }
}
