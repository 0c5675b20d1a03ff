import DataParallel
import Diagnostics
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite("Shards in flight")
struct ShardGroupsTests {
    private struct Trained: Equatable, Sendable {
        var weights: [UInt32]
        var outcomes: [UInt64]
        var losses: [UInt64]
    }

    /// A network whose layers keep running statistics and draw random numbers.
    private static func model() -> ModelDescription {
        var model = ModelDescription(name: "tiny", input: TinyModel.input, classes: TinyModel.classes)
        model.append("conv", Conv2d(outChannels: 4, kernel: 3))
        model.append("bn", BatchNorm2d())
        model.append("relu", ActivationLayer(.relu))
        model.append("dropout", Dropout(probability: 0.25))
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: TinyModel.classes))
        return model
    }

    /// Five steps of eight shards, the last of them short and empty in the fifth.
    private func train(ranks: Int, inFlight: Int?, threads: Int = 1) throws -> [Trained] {
        try InProcessWorld(size: ranks).run { communicator in
            var configuration = Configuration()
            configuration.shardsInFlight = inFlight
            let step = try TinyModel.step(
                communicator, threads: threads, configuration: configuration, model: Self.model())
            var outcomes: [UInt64] = []
            for number in 0..<5 {
                let batch = TinyModel.batch(step: number, layout: step.layout)
                for slot in 0..<batch.shards * batch.imagesPerShard { batch.keys[slot] = Int64(batch.labels[slot]) }
                let outcome = try step.run(batch, epoch: number, learningRate: 0.05, stopRequested: false)
                outcomes += [outcome.score.loss.bitPattern, outcome.gradientNorm.bitPattern]
            }
            // The slots behind a short shard's images have no loss.
            let last = TinyModel.batch(step: 4, layout: step.layout)
            let slots = (0..<last.shards * last.imagesPerShard).filter {
                $0 % last.imagesPerShard < Int(last.counts[$0 / last.imagesPerShard])
            }
            return Trained(
                weights: step.state.weights.map(\.bitPattern), outcomes: outcomes,
                losses: slots.map { step.loss(ofSlot: $0).bitPattern })
        }
    }

    @Test("1, 2 or 4 of a rank's shards at a time give the bits of all at once, on 1, 2 and 4 ranks")
    func sameBits() throws {
        let expected = try train(ranks: 1, inFlight: nil)
        #expect(expected[0].weights.contains { $0 != 0 })
        for inFlight in [1, 2, 4, 8] {
            #expect(try train(ranks: 1, inFlight: inFlight) == expected, "\(inFlight) at once")
        }
        #expect(try train(ranks: 1, inFlight: 2, threads: 2) == expected)
        for (ranks, inFlight) in [(2, 1), (2, 4), (4, 1), (4, 2), (8, 4)] {
            let found = try train(ranks: ranks, inFlight: inFlight)
            #expect(found.allSatisfy { $0.weights == expected[0].weights && $0.outcomes == expected[0].outcomes })
            #expect(found.flatMap(\.losses) == expected[0].losses, "\(ranks) ranks, \(inFlight) at once")
        }
    }

    @Test("fewer shards at once take less memory for activations")
    func memory() throws {
        func bytes(_ inFlight: Int?) throws -> Int {
            var configuration = Configuration()
            configuration.shardsInFlight = inFlight
            return try TinyModel.step(SingleCommunicator(), configuration: configuration).plan.arenaBytes
        }
        #expect(try bytes(1) < bytes(4) && bytes(4) < bytes(nil))
    }

    @Test("statistics over the whole batch need all shards of a rank at once")
    func globalStatistics() throws {
        var options = PlanOptions()
        options.batchStatistics = .global
        let network = try Network(Self.model())
        func make(_ limit: Int) throws {
            let gradients = UnsafeMutableBufferPointer<Float>.allocate(capacity: network.parameterList.trainedCount)
            defer { gradients.deallocate() }
            _ = try ShardGroups(
                network: network, imagesPerShard: 3, shards: 4, limit: limit, options: options, gradients: gradients,
                input: PixelConversion(pixelType: .float32, image: TinyModel.input, mean: [0.4], std: [0.3]),
                pool: ThreadPool(threads: 1))
        }
        try make(4)
        let failure = #expect(throws: Failure.self) { try make(2) }
        #expect(failure?.code == .configuration && failure?.message.contains("shards_in_flight = 2") == true)
    }
}
