import CAllocationCounter
import DataParallel
import Datasets
import Layers
import Models
import Tensors
import Testing

@testable import Training

/// In a process of its own, where no other test allocates.
@Suite("Allocations of a training step")
struct TrainingStepAllocationTests {
    /// Allocations of 100 steps on one rank, after some in which every thread's buffers have come into being.
    private static func allocations(
        threads: Int, _ optimizer: OptimizerKind = .sgd, clip: Configuration.Clip = .none,
        averaging: Configuration.Averaging? = nil, shardsInFlight: Int? = nil
    ) throws -> Int {
        var settings = TrainingStep.Settings()
        settings.optimizer = Configuration.Optimizer(optimizer)
        (settings.clip, settings.averaging, settings.shardsInFlight) = (clip, averaging, shardsInFlight)
        let step = try TrainingStep(
            settings, network: try Network(FashionClassifier.description(input: [1, 28, 28], classes: 10)),
            geometry: BatchGeometry(sampleCount: 1_000, batchSize: 112, shards: 4),
            layout: try ShardLayout(shards: 4, ranks: 1, rank: 0),
            input: PixelConversion(pixelType: .uint8, image: [1, 28, 28], mean: [0], std: [1]),
            communicator: SingleCommunicator(), pool: try ThreadPool(threads: threads))
        step.state.initialize(seed: 1)
        let batch = Batch(shards: 4, imagesPerShard: 28, imageBytes: 784)
        for (shard, count) in [28, 28, 24, 0].enumerated() { batch.counts[shard] = Int32(count) }
        for _ in 0..<20 { _ = try step.run(batch, epoch: 0, learningRate: 0.001, stopRequested: false) }
        let before = CAllocationCounter_count()
        for _ in 0..<100 { _ = try step.run(batch, epoch: 0, learningRate: 0.001, stopRequested: false) }
        return Int(CAllocationCounter_count() - before)
    }

    @Test("100 steps allocate nothing, with one thread and with two")
    func steps() async {
        await #expect(processExitsWith: .success) {
            let withOne = try TrainingStepAllocationTests.allocations(threads: 1)
            #expect(withOne == 0)
            let withTwo = try TrainingStepAllocationTests.allocations(threads: 2)
            #expect(withTwo == 0)
        }
    }

    @Test("neither do the other optimizers, clipping, an average of the weights, and shards one after the other")
    func optimizers() async {
        await #expect(processExitsWith: .success) {
            for optimizer in OptimizerKind.all {
                let found = try TrainingStepAllocationTests.allocations(
                    threads: 2, optimizer, clip: .norm(1e-3), averaging: Configuration.Averaging(decay: 0.9),
                    shardsInFlight: 1)
                #expect(found == 0)
            }
        }
    }
}
