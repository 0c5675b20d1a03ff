import CKernelCounter
import Testing

@testable import Layers
@testable import Models
@testable import Tensors

/// How often a step crosses from Swift to C.
@Suite("Kernel calls of a lane plan", .serialized)
struct LaneCallTests {
    /// Calls of one step of the Fashion classifier.
    private func calls(imagesPerShard: Int, shards: Int, mode: ExecutionPlan.Mode = .training) throws -> Int {
        var options = PlanOptions()
        options.kernels = KernelSet(table: CKernelCounter_table())
        let probe = try PlanProbe(
            FashionClassifier.description(input: [1, 28, 28], classes: 10), imagesPerShard: imagesPerShard,
            shards: shards, mode: mode, options: options)
        let data = TestImages(imagesPerShard * shards)
        let counts = [Int32](repeating: Int32(imagesPerShard), count: shards)
        _ = try probe.run(images: data.images, labels: data.labels, counts: counts)
        let before = CKernelCounter_calls()
        _ = try probe.run(images: data.images, labels: data.labels, counts: counts)
        return Int(CKernelCounter_calls() - before)
    }

    @Test("a group of sixteen images takes 17 calls, a joined gradient one a layer, the tree over units one a block")
    func training() throws {
        let blocks = (44_426 + 2_047) / 2_048
        // Pixels, five layers and the loss; one unpooling, five weight gradients, four input gradients. Weights are
        // reversed for one of the two convolutions.
        #expect(try calls(imagesPerShard: 8, shards: 4) == 1 + 2 * 17 + blocks)
        #expect(try calls(imagesPerShard: 8, shards: 1) == 1 + 17)
        // Eight units of two groups each.
        #expect(try calls(imagesPerShard: 64, shards: 4) == 1 + 16 * 17 + 8 * 5 + blocks)
    }

    @Test("a group takes seven calls in evaluation")
    func evaluation() throws {
        #expect(try calls(imagesPerShard: 256, shards: 1, mode: .evaluation) == 16 * 7)
    }
}
