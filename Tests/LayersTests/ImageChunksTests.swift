import Testing

@testable import Layers

@Suite("Image chunks")
struct ImageChunksTests {
    private func expectPartition(_ chunks: ImageChunks, counts: [Int32]) {
        let slots = (0..<chunks.units).flatMap { Array(chunks.slots(of: $0, counts: counts)) }
        let expected = counts.indices.flatMap { shard in
            (0..<Int(counts[shard])).map { shard * chunks.imagesPerShard + $0 }
        }
        #expect(slots == expected, "\(chunks), \(counts)")
    }

    @Test("the units of full, short and empty shards hold every image once and in order")
    func partition() {
        for imagesPerShard in 1...40 {
            let all = Int32(imagesPerShard)
            for counts in [[all, all], [all, 0], [all, 1], [max(0, all - 1), 0], [0, 0], [all / 2, all / 3]] {
                for imagesPerChunk in [1, 4, 16, 100] {
                    expectPartition(
                        ImageChunks(shards: 2, imagesPerShard: imagesPerShard, imagesPerChunk: imagesPerChunk),
                        counts: counts)
                }
                for leaves in [1, 2, 4, 8] {
                    expectPartition(
                        ImageChunks(shards: 2, imagesPerShard: imagesPerShard, treeLeaves: leaves, minimumImages: 4),
                        counts: counts)
                }
            }
        }
    }

    @Test("leaves are a power of two, no more than asked and none below the minimum of images")
    func leaves() {
        for imagesPerShard in 1...300 {
            for asked in 1...9 {
                let chunks = ImageChunks(
                    shards: 4, imagesPerShard: imagesPerShard, treeLeaves: asked, minimumImages: 4)
                #expect(chunks.chunksPerShard.nonzeroBitCount == 1 && chunks.chunksPerShard <= asked)
                #expect(chunks.chunksPerShard == 1 || imagesPerShard / chunks.chunksPerShard >= 4)
                #expect(chunks.units == 4 * chunks.chunksPerShard)
            }
        }
    }

    @Test("how a shard is cut does not depend on how many shards there are")
    func shardCount() {
        let alone = ImageChunks(shards: 1, imagesPerShard: 28, treeLeaves: 8, minimumImages: 4)
        let together = ImageChunks(shards: 8, imagesPerShard: 28, treeLeaves: 8, minimumImages: 4)
        #expect(alone.chunksPerShard == 4 && alone.imagesPerChunk == 7)
        #expect(together.chunksPerShard == 4 && together.imagesPerChunk == 7)
    }
}
