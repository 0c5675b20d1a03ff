import TestSupport
import Testing

@testable import Layers
@testable import Models
@testable import Tensors

/// Plans that are cut into segments, whose activations are computed again for their passes backward.
@Suite("Checkpointed activations")
struct CheckpointedActivationsTests {
    private struct Outcome: Equatable {
        let gradients: [UInt32]
        let scores: [Score]
        /// What the layers leave for their running statistics.
        let statistics: [UInt64]
    }

    private static func options(
        _ engine: EngineChoice, _ segments: Int, _ statistics: BatchStatistics = .shard
    ) -> PlanOptions {
        var options = PlanOptions()
        (options.engine, options.segments, options.batchStatistics) = (engine, segments, statistics)
        return options
    }

    /// Batch normalisation, residuals, dropout, pooling that remembers places, and layers that lie over their input.
    private static func network() -> ModelDescription {
        var model = ModelDescription(name: "residual", input: [3, 18, 18], classes: 5)
        model.append("conv", Conv2d(outChannels: 16, kernel: 3, padding: 1))
        model.append("pool", MaxPool2d(kernel: 2))
        for block in 0..<4 {
            let start = model.append("\(block).relu0", ActivationLayer(.relu))
            model.append("\(block).conv1", Conv2d(outChannels: 16, kernel: 3, padding: 1, bias: false))
            model.append("\(block).bn1", BatchNorm2d())
            model.append("\(block).relu1", ActivationLayer(.relu))
            model.append("\(block).dropout", Dropout(probability: 0.3))
            model.append("\(block).conv2", Conv2d(outChannels: 16, kernel: 3, padding: 1, bias: false))
            let main = model.append("\(block).bn2", BatchNorm2d())
            model.append("\(block).add", ResidualAdd(), from: main, start)
            model.append("\(block).relu2", ActivationLayer(.relu))
            model.append("\(block).overlap", MaxPool2d(kernel: 3, stride: 1, padding: 1))
        }
        model.append("flatten", Flatten())
        model.append("dropout", Dropout(probability: 0.5))
        model.append("fc1", Linear(outputs: 24))
        model.append("tanh", ActivationLayer(.tanh))
        model.append("fc2", Linear(outputs: 5))
        return model
    }

    private static func run(
        _ model: ModelDescription, _ options: PlanOptions, threads: Int = 1
    ) throws -> (outcome: Outcome, plan: ExecutionPlan) {
        let (shards, imagesPerShard) = (4, 4)
        let data = TestImages(shards * imagesPerShard, imageBytes: model.input.count, classes: UInt32(model.classes))
        let probe = try PlanProbe(
            model, imagesPerShard: imagesPerShard, shards: shards, threads: threads, options: options)
        // The second run meets what the first one has left in memory.
        _ = try probe.run(images: data.images.reversed(), labels: data.labels.reversed(), counts: [4, 4, 4, 4])
        let run = try probe.run(images: data.images, labels: data.labels, counts: [4, 3, 1, 0])
        let network = probe.network
        var sums = [Double](repeating: 0, count: network.statisticCount)
        sums.withUnsafeMutableBufferPointer { if let base = $0.baseAddress { probe.plan.addedStatistics(into: base) } }
        return (
            Outcome(
                gradients: run.gradients.map(\.bitPattern), scores: run.scores, statistics: sums.map(\.bitPattern)),
            probe.plan
        )
    }

    @Test(
        "give the bits of plans that keep everything, on 1 and 2 threads",
        arguments: [EngineChoice.blocks, .reference], [BatchStatistics.shard, .global])
    func sameBits(engine: EngineChoice, statistics: BatchStatistics) throws {
        let model = Self.network()
        let whole = try Self.run(model, Self.options(engine, 1, statistics)).outcome
        #expect(Set(whole.gradients).count > 100)
        for segments in [2, 3, 4, 7, 1000] {
            for threads in [1, 2] {
                let cut = try Self.run(model, Self.options(engine, segments, statistics), threads: threads)
                #expect(cut.outcome == whole, "\(segments) segments, \(threads) threads")
                #expect(segments == 1000 ? cut.plan.segments > 20 : cut.plan.segments == segments)
            }
        }
    }

    @Test("give these bits for networks drawn at random, and for frozen normalisations")
    func randomNetworks() throws {
        for number in 0..<30 {
            let model = BlockNetworks.draw(number)
            for engine in [EngineChoice.blocks, .reference] {
                let whole = try Self.run(model, Self.options(engine, 1)).outcome
                for segments in [2, 5] {
                    let cut = try Self.run(model, Self.options(engine, segments)).outcome
                    #expect(cut == whole, "\(model.name), \(engine), \(segments) segments")
                }
            }
        }
    }

    @Test("compute a stage at most once more than it is restored, and exchange nothing again")
    func passes() throws {
        let (_, whole) = try Self.run(Self.network(), Self.options(.blocks, 1, .global))
        let (_, cut) = try Self.run(Self.network(), Self.options(.blocks, 4, .global))
        func exchanges(_ plan: ExecutionPlan) -> [String] {
            (0..<plan.passCount).filter { plan.exchanges(after: $0) }.map { plan.passNames[$0] }
        }
        #expect(exchanges(cut) == exchanges(whole) && !exchanges(cut).isEmpty)
        for name in Set(cut.passNames) where name.hasSuffix(" forward") {
            #expect(cut.passNames.count { $0 == name } <= 2, "\(name)")
        }
        // The last layers are kept.
        #expect(cut.passNames.count { $0 == "fc1 forward" } == 1)
    }

    @Test("need less memory", arguments: [EngineChoice.blocks, .reference])
    func memory(engine: EngineChoice) throws {
        let request = ModelRequest(name: "resnet50", input: [3, 64, 64], classes: 10)
        let network = try Network(#require(ModelRegistry.description(request)))
        let bytes = try [1, 2, 4, 8].map {
            try network.planBytes(
                imagesPerShard: 16, shards: 1, mode: .training, options: Self.options(engine, $0), threads: 1)
        }
        #expect(bytes[1] < bytes[0] * 3 / 4 && bytes[2] < bytes[1] && bytes[3] < bytes[1], "\(bytes)")
    }

    @Test("change nothing where the lane engine computes")
    func lanes() throws {
        let model = FashionClassifier.description(input: [1, 28, 28], classes: 10)
        let (whole, plan) = try Self.run(model, Self.options(.auto, 1))
        let (cut, cutPlan) = try Self.run(model, Self.options(.auto, 4))
        #expect(plan.engine.hasPrefix("lanes") && cutPlan.segments == 1 && cutPlan.arenaBytes == plan.arenaBytes)
        #expect(cut == whole)
    }
}
