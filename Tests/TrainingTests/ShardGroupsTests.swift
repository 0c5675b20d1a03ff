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
    private func train(
        ranks: Int, inFlight: Int?, threads: Int = 1, checkpointing: ActivationCheckpointing = .off,
        engine: EngineChoice = .auto
    ) throws -> [Trained] {
        try InProcessWorld(size: ranks).run { communicator in
            var configuration = Configuration()
            (configuration.shardsInFlight, configuration.engine) = (inFlight, engine)
            let step = try TinyModel.step(
                communicator, threads: threads, configuration: configuration, model: Self.model(),
                segments: checkpointing.segments(localRanks: ranks) { $0 })
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

    @Test("shards are cut into aligned powers of two, and sums wait like the digits of a counter")
    func cuts() throws {
        func cut(_ shards: Int, _ ranks: Int, _ rank: Int, limit: Int? = nil, isTogether: Bool = false) throws
            -> ShardCut
        {
            ShardCut(
                try ShardLayout(shards: shards, ranks: ranks, rank: rank), limit: limit, isTogether: isTogether)
        }
        let even = try cut(8, 2, 1)
        #expect(even.groups.map(\.shards) == [0..<4] && even.vectors == 1 && even.planShards == [4])
        let odd = try cut(7, 1, 0)
        #expect(odd.groups.map(\.shards) == [0..<4, 4..<6, 6..<7] && odd.planShards == [4, 2, 1])
        #expect(odd.groups.map(\.vector) == [1, 2, 0] && odd.groups.map(\.joins) == [[], [], [2, 1]])
        let uneven = try cut(8, 3, 1)
        #expect(uneven.groups.map(\.shards) == [0..<2, 2..<3] && uneven.groups.map(\.vector) == [0, 1])
        #expect(uneven.subtrees == 2 && uneven.vectors == 2 && uneven.groups.allSatisfy { $0.joins.isEmpty })
        let single = try cut(8, 1, 0, limit: 1)
        #expect(single.groups.map(\.joins) == [[], [1], [], [2, 1], [], [2], [], [3, 2, 1]] && single.vectors == 4)
        // Plans of different sizes are in memory together: no more shards than asked for.
        for (shards, ranks) in [(8, 1), (8, 3), (7, 1), (12, 5), (24, 7)] {
            for limit in [1, 2, 4, 8] {
                for rank in 0..<ranks {
                    let sizes = try cut(shards, ranks, rank, limit: limit).planShards
                    #expect(sizes.reduce(0, +) <= limit, "\(shards) shards, rank \(rank) of \(ranks): \(sizes)")
                }
            }
        }
        let together = try cut(7, 1, 0, isTogether: true)
        #expect(together.isTogether && together.planShards == [4, 2, 1] && together.vectors == 3)
        #expect(try !cut(8, 1, 0, isTogether: true).isTogether)
    }

    @Test(
        "activations that are computed again give the bits of those that are kept, running statistics included",
        arguments: [EngineChoice.auto, .reference])
    func checkpointedActivations(engine: EngineChoice) throws {
        let expected = try train(ranks: 1, inFlight: nil, engine: engine)[0]
        for choice in [ActivationCheckpointing.auto, .segments(2), .segments(4)] {
            for (ranks, threads) in [(1, 1), (1, 2), (2, 1), (4, 2)] {
                let trained = try train(
                    ranks: ranks, inFlight: ranks == 2 ? 2 : nil, threads: threads, checkpointing: choice,
                    engine: engine)
                for own in trained {
                    #expect(own.weights == expected.weights && own.outcomes == expected.outcomes, "\(choice), \(ranks)")
                }
            }
        }
    }

    @Test("auto keeps all where memory allows it, else takes the fewest segments that fit or those that need least")
    func automaticSegments() {
        let need = { (segments: Int) in segments < 9 ? 1000 / segments : 200 }
        #expect(ActivationCheckpointing.fewest(within: 1000, need) == 1)
        #expect(ActivationCheckpointing.fewest(within: 999, need) == 2)
        #expect(ActivationCheckpointing.fewest(within: 260, need) == 4)
        #expect(ActivationCheckpointing.fewest(within: 50, need) == 8)
    }

    @Test("fewer shards at once take less memory for activations")
    func memory() throws {
        func bytes(_ inFlight: Int?) throws -> Int {
            var configuration = Configuration()
            configuration.shardsInFlight = inFlight
            return try TinyModel.step(SingleCommunicator(), configuration: configuration).arenaBytes
        }
        #expect(try bytes(1) < bytes(4) && bytes(4) < bytes(nil))
    }

    @Test("statistics over the whole batch need all shards of a rank at once")
    func globalStatistics() throws {
        var options = PlanOptions()
        options.batchStatistics = .global
        let network = try Network(Self.model())
        func make(_ limit: Int, shards: Int = 4, ranks: Int = 1, rank: Int = 0) throws {
            _ = try ShardCut(
                ShardLayout(shards: shards, ranks: ranks, rank: rank), limit: limit, network: network,
                options: options)
        }
        try make(4)
        let failure = #expect(throws: Failure.self) { try make(2) }
        // Shares of 1, 1 and 2 shards: all ranks refuse.
        for rank in 0..<3 {
            #expect(throws: Failure.self) { try make(1, ranks: 3, rank: rank) }
            try make(2, ranks: 3, rank: rank)
        }
        #expect(failure?.code == .configuration && failure?.message.contains("shards_in_flight = 2") == true)
    }
}
