import TestSupport
import Testing

@testable import Layers
@testable import Tensors

/// What the plan promises: a shard's gradients, losses and logits depend on its images and on nothing else.
@Suite("Plans give the same bits")
struct PlanInvarianceTests {
    private let shards = 4
    private let imagesPerShard = 28
    private let data = TestImages(112)

    private func slots(of shard: Int) -> Range<Int> { shard * imagesPerShard..<(shard + 1) * imagesPerShard }

    /// One plan of one shard for each shard.
    private func oneByOne(_ counts: [Int32]) throws -> [PlanProbe.Run] {
        let probe = try PlanProbe.fashion(imagesPerShard: imagesPerShard)
        return try counts.indices.map { shard in
            let slots = slots(of: shard)
            return try probe.run(images: data.images(slots), labels: data.labels(slots), counts: [counts[shard]])
        }
    }

    @Test("with 1, 2, 3 and 4 threads")
    func threads() throws {
        let counts: [Int32] = [28, 28, 28, 28]
        let runs = try (1...4).map { threads in
            try PlanProbe.fashion(imagesPerShard: imagesPerShard, shards: shards, threads: threads)
                .run(images: data.images, labels: data.labels, counts: counts)
        }
        #expect(runs[0].gradients.allSatisfy { $0.isFinite })
        for run in runs[1...] {
            #expect(sameBits(run.gradients, runs[0].gradients))
            #expect(run.scores == runs[0].scores)
        }
    }

    @Test("for four shards at once and for the tree of four plans of one shard", arguments: [1, 2])
    func shardsAtOnce(threads: Int) throws {
        let counts: [Int32] = [28, 28, 28, 28]
        let together = try PlanProbe.fashion(imagesPerShard: imagesPerShard, shards: shards, threads: threads)
            .run(images: data.images, labels: data.labels, counts: counts)
        let alone = try oneByOne(counts)
        #expect(sameBits(together.gradients, treeSum(alone.map(\.gradients)[...])))
        #expect(together.scores == alone.map { $0.scores[0] })
    }

    @Test("for short and empty shards, whose part of the tree is +0", arguments: [1, 2])
    func shortShards(threads: Int) throws {
        let counts: [Int32] = [28, 28, 24, 0]
        let together = try PlanProbe.fashion(imagesPerShard: imagesPerShard, shards: shards, threads: threads)
            .run(images: data.images, labels: data.labels, counts: counts)
        let alone = try oneByOne(counts)
        let zeros = [Float](repeating: 0, count: together.gradients.count)
        #expect(sameBits(alone[3].gradients, zeros))
        let leaves = [alone[0].gradients, alone[1].gradients, alone[2].gradients, zeros]
        #expect(sameBits(together.gradients, treeSum(leaves[...])))
        #expect(together.scores == alone.map { $0.scores[0] })
        #expect(together.scores.map(\.samples) == [28, 28, 24, 0] && together.scores[3] == Score())
    }

    @Test("wherever a shard stands among the others")
    func position() throws {
        let order = [2, 0, 3, 1]
        let probe = try PlanProbe.fashion(imagesPerShard: imagesPerShard, shards: shards, threads: 2)
        let alone = try oneByOne([28, 28, 28, 28])
        let moved = try probe.run(
            images: order.flatMap { data.images(slots(of: $0)) }, labels: order.flatMap { data.labels(slots(of: $0)) },
            counts: [28, 28, 28, 28])
        #expect(moved.scores == order.map { alone[$0].scores[0] })
        #expect(sameBits(moved.gradients, treeSum(order.map { alone[$0].gradients }[...])))
    }

    @Test("whatever lies in the slots that no image fills, and whatever the plan ran before")
    func leftovers() throws {
        let counts: [Int32] = [28, 9, 1, 0]
        let probe = try PlanProbe.fashion(imagesPerShard: imagesPerShard, shards: shards, threads: 2)
        let fresh = try probe.run(images: data.images, labels: data.labels, counts: counts)
        var (images, labels) = (data.images, data.labels)
        for shard in 0..<shards {
            for slot in slots(of: shard).dropFirst(Int(counts[shard])) {
                labels[slot] = 9 - labels[slot]
                for pixel in slot * 784..<(slot + 1) * 784 { images[pixel] = 255 - images[pixel] }
            }
        }
        _ = try probe.run(images: images.reversed(), labels: labels.reversed(), counts: [28, 28, 28, 28])
        let again = try probe.run(images: images, labels: labels, counts: counts)
        #expect(sameBits(again.gradients, fresh.gradients) && again.scores == fresh.scores)
    }

    @Test("for the logits and losses of training and evaluation, after the run too")
    func evaluation() throws {
        let counts: [Int32] = [28, 28, 24, 0]
        let training = try PlanProbe.fashion(imagesPerShard: imagesPerShard, shards: shards, threads: 2)
        let evaluation = try PlanProbe.fashion(imagesPerShard: imagesPerShard, shards: shards, mode: .evaluation)
        let trained = try training.run(images: data.images, labels: data.labels, counts: counts)
        let evaluated = try evaluation.run(images: data.images, labels: data.labels, counts: counts)
        #expect(trained.scores == evaluated.scores)
        for shard in 0..<shards {
            for slot in slots(of: shard).prefix(Int(counts[shard])) {
                #expect(sameBits(training.logits(ofSlot: slot), evaluation.logits(ofSlot: slot)), "slot \(slot)")
            }
            let losses = slots(of: shard).prefix(Int(counts[shard])).map { training.plan.loss(ofSlot: $0) }
            #expect(losses.reduce(0, +) == trained.scores[shard].loss)
        }
    }

    @Test("in less memory for evaluation than for training")
    func memory() throws {
        // Enough images that the difference is more than the two megabytes to which arenas are rounded.
        let training = try PlanProbe.fashion(imagesPerShard: 200, shards: shards)
        let evaluation = try PlanProbe.fashion(imagesPerShard: 200, shards: shards, mode: .evaluation)
        #expect(evaluation.plan.arenaBytes < training.plan.arenaBytes)
    }
}
