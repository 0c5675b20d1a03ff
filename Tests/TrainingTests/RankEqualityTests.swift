import DataParallel
import Datasets
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

/// Batch normalisation in both modes, dropout and partial batches: the same bits on any number of ranks and threads.
@Suite("Equal bits of layers that look at the whole batch or draw random numbers")
struct RankEqualityTests {
    private static let rankCounts = [2, 3, 4, 5, 6, 7, 8, 12, 16]

    private static func model(dropout: Double) -> ModelDescription {
        var model = ModelDescription(name: "normal", input: TinyModel.input, classes: TinyModel.classes)
        model.append("conv1", Conv2d(outChannels: 3, kernel: 3, padding: 1, bias: false))
        model.append("bn1", BatchNorm2d())
        model.append("relu1", ActivationLayer(.relu))
        let trunk = model.append("drop1", Dropout(probability: dropout))
        let branch = model.append("conv2", Conv2d(outChannels: 3, kernel: 3, padding: 1), from: trunk)
        model.append("add", ResidualAdd(), from: trunk, branch)
        model.append("pool", AvgPool2d(kernel: 2))
        model.append("flatten", Flatten())
        model.append("fc1", Linear(outputs: 5))
        model.append("bn2", BatchNorm1d(momentum: 0.3))
        model.append("tanh", ActivationLayer(.tanh))
        model.append("drop2", Dropout(probability: dropout))
        model.append("fc2", Linear(outputs: TinyModel.classes))
        return model
    }

    private struct Trained: Equatable, Sendable {
        var weights: [UInt32]
        var losses: [UInt64]
        /// Running mean and variance of the first normalisation.
        var firstBuffers: [UInt32]
    }

    private func train(
        ranks: Int, shards: Int = TinyModel.shards, threads: Int = 1, shardsInFlight: Int? = nil,
        statistics: BatchStatistics, dropout: Double, seed: UInt64 = 1, epoch: Int = 0, steps: Int = 5,
        model: ModelDescription? = nil, engine: EngineChoice = .auto
    ) throws -> [Trained] {
        // As many images a step as shards of three hold; the last step of five leaves the last shards short or empty.
        let batchSize = 3 * shards
        let geometry = BatchGeometry(sampleCount: 4 * batchSize + 2 * shards + 1, batchSize: batchSize, shards: shards)
        return try InProcessWorld(size: ranks).run { communicator in
            var settings = TrainingStep.Settings()
            (settings.options.batchStatistics, settings.options.engine) = (statistics, engine)
            (settings.shardsInFlight, settings.seed) = (shardsInFlight, seed)
            let step = try TrainingStep(
                settings, network: Network(model ?? Self.model(dropout: dropout)), geometry: geometry,
                layout: ShardLayout(shards: shards, ranks: communicator.size, rank: communicator.rank),
                input: PixelConversion(pixelType: .float32, image: TinyModel.input, mean: [0.4], std: [0.3]),
                communicator: communicator, pool: ThreadPool(threads: threads))
            step.state.initialize(seed: 1)
            var losses: [UInt64] = []
            for number in 0..<steps {
                let batch = TinyModel.batch(step: number, layout: step.layout, geometry: geometry)
                for slot in 0..<batch.shards * batch.imagesPerShard {
                    batch.keys[slot] = Int64(
                        number * batchSize + step.layout.range.lowerBound * batch.imagesPerShard + slot)
                }
                let outcome = try step.run(batch, epoch: epoch, learningRate: 0.05, stopRequested: false)
                #expect(outcome.isFinite)
                losses.append(outcome.score.loss.bitPattern)
            }
            let buffers = step.state.parameterList.parameters.filter { $0.key.hasPrefix("bn1.running") }
            return Trained(
                weights: step.state.weights.map(\.bitPattern), losses: losses,
                firstBuffers: buffers.flatMap { step.state.weights[$0.range].map(\.bitPattern) })
        }
    }

    @Test(
        "1, 2, 4 and 8 ranks, 1 and 3 threads, a short last batch with short and empty shards",
        arguments: BatchStatistics.allCases, [0, 0.4])
    func ranks(statistics: BatchStatistics, dropout: Double) throws {
        let expected = try train(ranks: 1, statistics: statistics, dropout: dropout)[0]
        #expect(try train(ranks: 1, threads: 3, statistics: statistics, dropout: dropout) == [expected])
        for ranks in [2, 4, 8] {
            for (rank, found) in try train(ranks: ranks, statistics: statistics, dropout: dropout).enumerated() {
                #expect(found == expected, "rank \(rank) of \(ranks)")
            }
        }
    }

    @Test(
        "1 to 8, 12 and 16 ranks, any number of shards, statistics of shards and of batches, the reference engine",
        arguments: [1, 2, 3, 4, 5, 6, 7, 8, 12, 16], BatchStatistics.allCases)
    func anyRanks(shards: Int, statistics: BatchStatistics) throws {
        func run(_ ranks: Int, threads: Int = 1) throws -> [Trained] {
            try train(
                ranks: ranks, shards: shards, threads: threads, statistics: statistics, dropout: 0.4, engine: .reference
            )
        }
        let expected = try run(1)[0]
        #expect(try run(1, threads: 2) == [expected])
        for ranks in Self.rankCounts where ranks <= shards {
            #expect(try run(ranks).allSatisfy { $0 == expected }, "\(ranks) ranks")
        }
    }

    @Test(
        "1 to 8, 12 and 16 ranks, any number of shards, blocks of channels", arguments: [1, 3, 4, 5, 6, 8, 12, 16],
        BatchStatistics.allCases)
    func anyRanksInBlocks(shards: Int, statistics: BatchStatistics) throws {
        var model = ModelDescription(name: "blocks", input: TinyModel.input, classes: TinyModel.classes)
        model.append("conv1", Conv2d(outChannels: 16, kernel: 3, padding: 1, bias: false))
        let trunk = model.append("bn1", BatchNorm2d())
        model.append("conv2", Conv2d(outChannels: 16, kernel: 3, padding: 1, bias: false))
        let branch = model.append("bn2", BatchNorm2d())
        model.append("add", ResidualAdd(), from: branch, trunk)
        model.append("relu", ActivationLayer(.relu))
        model.append("pool", MaxPool2d(kernel: 2))
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: TinyModel.classes))
        func run(_ ranks: Int, threads: Int = 1) throws -> [Trained] {
            try train(ranks: ranks, shards: shards, threads: threads, statistics: statistics, dropout: 0, model: model)
        }
        let expected = try run(1)[0]
        #expect(try run(1, threads: 3) == [expected])
        for ranks in Self.rankCounts where ranks <= shards {
            #expect(try run(ranks).allSatisfy { $0 == expected }, "\(ranks) ranks")
        }
    }

    @Test(
        "1 to 8, 12 and 16 ranks, any number of shards, images in lanes", arguments: [1, 2, 3, 4, 5, 6, 7, 8, 12, 16])
    func anyRanksInLanes(shards: Int) throws {
        func run(_ ranks: Int, inFlight: Int? = nil) throws -> [Trained] {
            try train(
                ranks: ranks, shards: shards, threads: 2, shardsInFlight: inFlight, statistics: .shard, dropout: 0,
                model: TinyModel.description())
        }
        let expected = try run(1)[0]
        #expect(try run(1, inFlight: 1) == [expected] && run(1, inFlight: 2) == [expected])
        for ranks in Self.rankCounts where ranks <= shards {
            #expect(try run(ranks).allSatisfy { $0 == expected }, "\(ranks) ranks")
            #expect(try run(ranks, inFlight: 1).allSatisfy { $0 == expected }, "\(ranks) ranks, one shard at once")
        }
    }

    @Test("fewer shards in flight, where statistics are each shard's own")
    func shardsInFlight() throws {
        let expected = try train(ranks: 1, statistics: .shard, dropout: 0.4)[0]
        #expect(try train(ranks: 1, shardsInFlight: 2, statistics: .shard, dropout: 0.4) == [expected])
        #expect(try train(ranks: 2, shardsInFlight: 1, statistics: .shard, dropout: 0.4) == [expected, expected])
    }

    @Test("statistics, seed and epoch each matter")
    func differences() throws {
        let first = try train(ranks: 1, statistics: .shard, dropout: 0.4)
        #expect(try train(ranks: 1, statistics: .global, dropout: 0.4) != first)
        #expect(try train(ranks: 1, statistics: .shard, dropout: 0.4, seed: 2) != first)
        #expect(try train(ranks: 1, statistics: .shard, dropout: 0.4, epoch: 1) != first)
        #expect(try train(ranks: 1, statistics: .shard, dropout: 0.3) != first)
        #expect(try train(ranks: 1, statistics: .shard, dropout: 0) != first)
    }

    @Test("running statistics of both modes are those of the whole batch")
    func runningStatistics() throws {
        // What reaches the first normalisation in the first step does not depend on the mode.
        let results = try BatchStatistics.allCases.map { statistics in
            try train(ranks: 2, statistics: statistics, dropout: 0, steps: 1)[0]
        }
        #expect(results[0].firstBuffers == results[1].firstBuffers && results[0].firstBuffers.count == 6)
        #expect(results[0].firstBuffers[0] != Float(0).bitPattern && results[0].weights != results[1].weights)
    }
}
