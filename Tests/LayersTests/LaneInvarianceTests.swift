import TestSupport
import Testing

@testable import Layers
@testable import Models
@testable import Tensors

/// A shard's gradient, losses and logits in lanes depend on its images and on nothing else, however many images share a vector
/// and however many groups share a unit.
@Suite("Lanes give the same bits")
struct LaneInvarianceTests {
    /// Tanh, a pooling of its own, a stride and odd extents.
    private static var model: ModelDescription {
        var model = ModelDescription(name: "mixed", input: [2, 11, 9], classes: 7)
        model.append("conv1", Conv2d(outChannels: 5, kernel: 3, padding: 1))
        model.append("tanh1", ActivationLayer(.tanh))
        model.append("pool1", MaxPool2d(kernel: 2))
        model.append("conv2", Conv2d(outChannels: 6, kernel: 3, stride: 2, padding: 1))
        model.append("relu2", ActivationLayer(.relu))
        model.append("pool2", MaxPool2d(kernel: 2, stride: 1))
        model.append("flatten", Flatten())
        model.append("fc1", Linear(outputs: 9))
        model.append("relu3", ActivationLayer(.relu))
        model.append("fc2", Linear(outputs: 7))
        return model
    }

    static let sizes = [1, 2, 3, 7, 8, 9, 12, 14, 16, 17, 20, 40, 56, 64]

    private static let data = TestImages(8 * 64, imageBytes: 2 * 11 * 9, classes: 7, id: 3)

    /// The images of shards in some order, in slots.
    private func images(_ order: [Int], _ size: Int) -> [UInt8] {
        order.flatMap { Self.data.images($0 * size..<($0 + 1) * size) }
    }

    private func labels(_ order: [Int], _ size: Int) -> [Int32] {
        order.flatMap { Self.data.labels($0 * size..<($0 + 1) * size) }
    }

    private func run(_ order: [Int], _ counts: [Int], size: Int, threads: Int = 1) throws -> (PlanProbe.Run, PlanProbe)
    {
        let probe = try PlanProbe(Self.model, imagesPerShard: size, shards: order.count, threads: threads)
        #expect(probe.plan.passNames.contains("groups of images"))
        let run = try probe.run(
            images: images(order, size), labels: labels(order, size), counts: order.map { Int32(counts[$0]) })
        return (run, probe)
    }

    @Test(
        "of the tree of single shards: 1 to 8 at once, in any order, short and empty ones, any threads",
        arguments: sizes)
    func shards(size: Int) throws {
        let counts = [size, size, (size + 1) / 2, size, size, 1, 0, size]
        let alone = try (0..<8).map { try run([$0], counts, size: size) }
        let zeros = [Float](repeating: 0, count: alone[0].0.gradients.count)
        #expect(sameBits(alone[6].0.gradients, zeros))
        let orders = [[0, 1], [5, 2], [6, 7], [0, 1, 2, 3], [3, 6, 0, 5], Array(0..<8), [7, 6, 5, 4, 3, 2, 1, 0]]
        for order in orders {
            for threads in [1, 2, 3] {
                let (together, probe) = try run(order, counts, size: size, threads: threads)
                let expected = treeSum(order.map { alone[$0].0.gradients }[...])
                #expect(sameBits(together.gradients, expected), "shards \(order), \(threads) threads")
                #expect(together.scores == order.map { alone[$0].0.scores[0] }, "shards \(order), \(threads) threads")
                for (place, shard) in order.enumerated() {
                    for image in 0..<counts[shard] {
                        #expect(
                            sameBits(
                                probe.logits(ofSlot: place * size + image),
                                alone[shard].1.logits(ofSlot: image)))
                    }
                }
            }
        }
    }

    @Test("for training and evaluation", arguments: [3, 16, 40])
    func evaluation(size: Int) throws {
        let counts: [Int32] = [Int32(size), Int32(size), 2, 0]
        let plans = try [ExecutionPlan.Mode.training, .evaluation].map { mode in
            let probe = try PlanProbe(Self.model, imagesPerShard: size, shards: 4, mode: mode)
            let run = try probe.run(
                images: images([0, 1, 2, 3], size), labels: labels([0, 1, 2, 3], size), counts: counts)
            return (run, probe)
        }
        #expect(plans[0].0.scores == plans[1].0.scores)
        for shard in 0..<4 {
            for slot in shard * size..<shard * size + Int(counts[shard]) {
                #expect(sameBits(plans[0].1.logits(ofSlot: slot), plans[1].1.logits(ofSlot: slot)))
            }
            let losses = (shard * size..<shard * size + Int(counts[shard])).map { plans[0].1.plan.loss(ofSlot: $0) }
            #expect(losses.reduce(0, +) == plans[0].0.scores[shard].loss)
        }
    }

    @Test("whatever lies in the slots that no image fills, and whatever the plan ran before", arguments: [3, 14, 40])
    func leftovers(size: Int) throws {
        let counts: [Int32] = [Int32(size), 2, 1, 0]
        let probe = try PlanProbe(Self.model, imagesPerShard: size, shards: 4, threads: 2)
        var (images, labels) = (images([0, 1, 2, 3], size), labels([0, 1, 2, 3], size))
        let fresh = try probe.run(images: images, labels: labels, counts: counts)
        let bytes = 2 * 11 * 9
        for shard in 0..<4 {
            for slot in shard * size + Int(counts[shard])..<(shard + 1) * size {
                labels[slot] = 6 - labels[slot]
                for pixel in slot * bytes..<(slot + 1) * bytes { images[pixel] = 255 - images[pixel] }
            }
        }
        let full = [Int32](repeating: Int32(size), count: 4)
        _ = try probe.run(images: images.reversed(), labels: labels.reversed(), counts: full)
        let again = try probe.run(images: images, labels: labels, counts: counts)
        #expect(sameBits(again.gradients, fresh.gradients) && again.scores == fresh.scores)
    }
}
