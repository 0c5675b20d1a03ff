import Testing

@testable import DataParallel

@Suite("Gradient tree inside a rank")
struct ShardTreeTests {
    @Test("the binary counter gives the bits of the reference tree", arguments: [1, 2, 4, 8, 16], lengths)
    func accumulator(shards: Int, count: Int) {
        let accumulator = ShardAccumulator<Float>(count: count, shards: shards)
        for step in 0..<2 {
            let vectors = shardVectors(shards, count: count, seed: 11 + step)
            for vector in vectors {
                _ = accumulator.leaf.update(from: vector)
                accumulator.push()
            }
            #expect(sameBits(Array(accumulator.total), referenceTree(vectors)))
            accumulator.reset()
        }
    }

    @Test("doubles go through the same counter")
    func doubles() {
        let vectors = shardVectors(8, count: 77, seed: 12).map { $0.map { Double($0) / 7 } }
        let accumulator = ShardAccumulator<Double>(count: 77, shards: 8)
        for vector in vectors {
            _ = accumulator.leaf.update(from: vector)
            accumulator.push()
        }
        #expect(sameBits(Array(accumulator.total), referenceTree(vectors)))
    }

    @Test("adding whole buffers in place gives the bits of the reference tree", arguments: [1, 2, 4, 8], lengths)
    func combine(shards: Int, count: Int) {
        let vectors = shardVectors(shards, count: count, seed: 13)
        let buffers = vectors.map { vector in
            let buffer = UnsafeMutableBufferPointer<Float>.allocate(capacity: vector.count)
            _ = buffer.initialize(from: vector)
            return buffer
        }
        defer { for buffer in buffers { buffer.deallocate() } }
        ShardTree.combine(buffers)
        #expect(sameBits(Array(buffers[0]), referenceTree(vectors)))
    }
}
