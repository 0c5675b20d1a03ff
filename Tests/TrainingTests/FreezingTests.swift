import DataParallel
import Datasets
import Diagnostics
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

/// Frozen layers, groups of parameters and unfreezing: against PyTorch, over ranks and threads, and in two parts.
@Suite("Freezing")
struct FreezingTests {
    /// With batch normalisation; of the traces' channels, which fill no blocks.
    static func model(channels first: Int = 4, _ second: Int = 6) -> ModelDescription {
        var model = ModelDescription(name: "small", input: TinyModel.input, classes: TinyModel.classes)
        model.append("conv1", Conv2d(outChannels: first, kernel: 3, padding: 1))
        model.append("bn1", BatchNorm2d())
        model.append("relu1", ActivationLayer(.relu))
        model.append("conv2", Conv2d(outChannels: second, kernel: 3))
        model.append("bn2", BatchNorm2d())
        model.append("relu2", ActivationLayer(.relu))
        model.append("pool", MaxPool2d(kernel: 2))
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: TinyModel.classes))
        return model
    }

    /// Without: the lane engine's.
    static func plainModel() -> ModelDescription {
        var model = ModelDescription(name: "plain", input: TinyModel.input, classes: TinyModel.classes)
        model.append("conv1", Conv2d(outChannels: 4, kernel: 3, padding: 1))
        model.append("relu1", ActivationLayer(.relu))
        model.append("conv2", Conv2d(outChannels: 6, kernel: 3))
        model.append("relu2", ActivationLayer(.relu))
        model.append("pool", MaxPool2d(kernel: 2))
        model.append("flatten", Flatten())
        model.append("fc1", Linear(outputs: 7))
        model.append("tanh", ActivationLayer(.tanh))
        model.append("fc", Linear(outputs: TinyModel.classes))
        return model
    }

    /// The first weights of the traces.
    static func fill(_ state: ModelState) {
        for (number, parameter) in state.parameterList.parameters.enumerated() {
            let isAroundOne =
                parameter.key.hasPrefix("bn") && !["bias", "running_mean"].contains { parameter.key.hasSuffix($0) }
            for element in 0..<parameter.count {
                let mixed = UInt64(element + 1_000_000 * (number + 2)) &* 0x9E37_79B9_7F4A_7C15
                let value = (Float(mixed >> 40) / Float(1 << 24) - 0.5) * 0.25
                state.weights[parameter.offset + element] = isAroundOne ? value + 1 : value
            }
        }
        _ = state.average?.update(from: state.weights)
    }

    /// A run of steps through its periods, as `Trainer` goes through them.
    final class Run {
        private let configuration: Configuration
        private let communicator: any Communicator
        private let shards, threads: Int
        private let periods: TrainingPeriods
        private let geometry: BatchGeometry
        private var period: Int
        private(set) var step: TrainingStep
        private(set) var losses: [Double] = []
        private var done: Int

        init(
            _ configuration: Configuration, model: ModelDescription = model(),
            over communicator: any Communicator = SingleCommunicator(), shards: Int = 1, threads: Int = 1,
            from checkpoint: Checkpoint? = nil
        ) throws {
            self.configuration = configuration
            self.communicator = communicator
            (self.shards, self.threads) = (shards, threads)
            geometry = BatchGeometry(sampleCount: 113, batchSize: 24, shards: shards)
            done = checkpoint?.header.step ?? 0
            periods = try TrainingPeriods(configuration, Network(model))
            period = periods.number(afterSteps: done, perEpoch: geometry.stepsPerEpoch)
            step = try Self.step(
                configuration, periods[period].network, geometry, communicator, shards, threads)
            if let checkpoint {
                try checkpoint.restore(step.state, path: "c.h5")
            } else {
                FreezingTests.fill(step.state)
            }
        }

        private static func step(
            _ configuration: Configuration, _ network: Network, _ geometry: BatchGeometry,
            _ communicator: any Communicator, _ shards: Int, _ threads: Int
        ) throws -> TrainingStep {
            try TrainingStep(
                TrainingStep.Settings(configuration), network: network, geometry: geometry,
                layout: ShardLayout(shards: shards, ranks: communicator.size, rank: communicator.rank),
                input: PixelConversion(pixelType: .float32, image: TinyModel.input, mean: [0.4], std: [0.3]),
                communicator: communicator, pool: ThreadPool(threads: threads))
        }

        func advance(to count: Int) throws {
            for number in done..<count {
                let epoch = number / geometry.stepsPerEpoch
                if periods.number(inEpoch: epoch) != period {
                    period = periods.number(inEpoch: epoch)
                    let former = step.state
                    step = try Self.step(
                        configuration, periods[period].network, geometry, communicator, shards, threads)
                    step.state.takeOver(former)
                }
                let batch = TinyModel.batch(step: number, layout: step.layout, geometry: geometry)
                let outcome = try step.run(
                    batch, epoch: epoch, learningRate: configuration.optimizer.learningRate, stopRequested: false)
                #expect(outcome.verdict == .updated)
                losses.append(outcome.score.meanLoss)
            }
            done = count
        }

        var checkpoint: Checkpoint {
            var header = Checkpoint.Header()
            header.step = done
            return Checkpoint(header: header, state: step.state)
        }

        var tensors: [String: [Float]] {
            Dictionary(uniqueKeysWithValues: checkpoint.weights.map { ($0.key, $0.values) })
        }
    }

    static func configuration(_ assignments: String...) throws -> Configuration {
        try Configuration(
            yaml: nil, file: "test", assignments: assignments, models: ["fashion-classifier"],
            defaults: Configuration())
    }

    // ---- Against PyTorch

    @Test(
        "20 steps follow PyTorch with requires_grad, eval() and groups as closely as its own float32 does",
        arguments: try GoldenFile("freezing.h5").cases())
    func traces(name: String) throws {
        let golden = try GoldenFile("freezing.h5")
        let run = try Run(golden.configuration(of: name))
        let first = run.tensors
        try run.advance(to: golden.number("steps", of: "/"))
        // Of tensors with three elements PyTorch's own distance is chance.
        try OptimizerTests().expectAsGood(run.losses, "losses", of: name, golden, units: 2)
        for (key, values) in run.tensors {
            try OptimizerTests().expectAsGood(values.map { Double($0) }, "weights/\(key)", of: name, golden, units: 2)
            // What PyTorch leaves as it was has the same bits.
            let theirs = try golden.doubles("\(name)/single/weights/\(key)").map { Float($0) }
            if let before = first[key], theirs == before { #expect(sameBits(values, before), "\(key)") }
        }
    }

    // ---- Against the reference engine

    @Test(
        "by channel blocks as by the reference engine, normalisations fixed or renewed",
        arguments: ["fixed", "renewed"], ["conv1", "bn1", "bn2", "until conv2"])
    func blocks(batchNorm: String, frozen: String) throws {
        func run(_ engine: String) throws -> Run {
            let freeze = frozen.hasPrefix("until") ? "freeze=\(frozen)" : "freeze=[\(frozen).*]"
            let run = try Run(
                Self.configuration(
                    freeze, "frozen_batch_norm=\(batchNorm)", "engine=\(engine)", "optimizer.learning_rate=0.01"),
                model: Self.model(channels: 16, 32), shards: 2)
            try run.advance(to: 8)
            return run
        }
        let (found, expected) = (try run("blocks"), try run("reference"))
        #expect(found.step.plan.engine == "blocks" && expected.step.plan.engine.hasPrefix("reference"))
        for (key, values) in expected.tensors {
            let own = try #require(found.tensors[key])
            #expect(own.count == values.count && zip(own, values).allSatisfy { abs($0 - $1) < 1e-4 }, "\(key)")
        }
    }

    // ---- Against what is not frozen

    /// Gradients of the first batch by key, bit for bit.
    private func gradients(_ model: ModelDescription, _ freezing: Freezing, _ engine: EngineChoice) throws
        -> (values: [String: [UInt32]], engine: String)
    {
        let network = try Network(model, freezing: freezing)
        var options = PlanOptions()
        options.engine = engine
        let geometry = BatchGeometry(sampleCount: 113, batchSize: 24, shards: 4)
        let plan = try network.plan(
            imagesPerShard: geometry.imagesPerShard, shards: 4, mode: .training, options: options,
            input: PixelConversion(pixelType: .float32, image: TinyModel.input, mean: [0.4], std: [0.3]),
            pool: ThreadPool(threads: 1))
        let state = ModelState(parameterList: network.parameterList)
        Self.fill(state)
        let batch = TinyModel.batch(step: 0, layout: try ShardLayout(shards: 4, ranks: 1, rank: 0), geometry: geometry)
        var vector = [Float](repeating: .nan, count: network.parameterList.trainedCount)
        _ = try plan.run(
            images: batch.images, labels: batch.labels, counts: batch.counts,
            weights: UnsafePointer(state.weights.baseAddress!), gradients: &vector)
        let pairs = network.parameterList.trained.map { ($0.key, vector[$0.range].map(\.bitPattern)) }
        return (Dictionary(uniqueKeysWithValues: pairs), plan.engine)
    }

    @Test(
        "the gradients of what is trained do not change by what is frozen, whatever the engine",
        arguments: [["conv1"], ["conv2"], ["fc1"], ["fc"], ["conv1", "conv2"], ["conv1", "fc1"], ["conv2", "fc"]],
        [EngineChoice.auto, .reference])
    func unchangedGradients(layers: [String], engine: EngineChoice) throws {
        let whole = try gradients(Self.plainModel(), Freezing(), engine)
        let part = try gradients(Self.plainModel(), Freezing(layers: Set(layers)), engine)
        #expect(part.engine == whole.engine)
        #expect(
            Set(part.values.keys)
                == Set(whole.values.keys.filter { key in !layers.contains { key.hasPrefix("\($0).") } }))
        for (key, values) in part.values { #expect(values == whole.values[key], "\(key)") }
    }

    @Test("frozen layers at the beginning have no backward pass, no gradient and no optimizer state")
    func nothingToDo() throws {
        let (whole, part) = (
            try Network(Self.model()), try Network(Self.model(), freezing: Freezing(layers: ["conv1", "bn1"]))
        )
        func plan(_ network: Network) throws -> ExecutionPlan {
            try network.plan(
                imagesPerShard: 4, shards: 2, mode: .training,
                input: PixelConversion(pixelType: .float32, image: TinyModel.input, mean: [0.4], std: [0.3]),
                pool: ThreadPool(threads: 1))
        }
        let names = try plan(part).passNames
        #expect(
            !names.contains {
                ($0.hasPrefix("conv1") || $0.hasPrefix("bn1") || $0.hasPrefix("relu1")) && !$0.contains("forward")
            })
        #expect(
            try plan(whole).passNames.filter { $0.hasPrefix("conv1") }.count
                > names.filter { $0.hasPrefix("conv1") }.count)
        #expect(part.parameterList.trainedCount == whole.parameterList.trainedCount - 40 - 8)
        #expect(part.parameterList.parameterCount == whole.parameterList.parameterCount)
        #expect(part.statisticCount == 12 && whole.statisticCount == 20)
        #expect(try plan(part).arenaBytes < plan(whole).arenaBytes)
        let state = ModelState(parameterList: part.parameterList, optimizerVectors: ["momentum"])
        #expect(state.optimizerVectors[0].vector.count == part.parameterList.trainedCount)
    }

    // ---- The same bits

    static let cases = [
        ["freeze=backbone"], ["freeze=backbone", "frozen_batch_norm=renewed"], ["freeze=[conv2]", "ema.decay=0.5"],
        ["freeze=until conv2", "optimizer.name=adam", "clip.norm=0.3"],
        ["freeze=backbone", "unfreeze={conv2: 1 epoch, \"*\": 2 epochs}", "optimizer.name=adam"],
        ["freeze=backbone", "unfreeze={\"*\": 1 epoch}", "optimizer.groups=[{match: fc, learning_rate: ×10}]"],
    ]

    @Test(
        "frozen runs give the same bits on 1, 2 and 4 ranks, with two threads, and after a stop at any step",
        arguments: cases, [true, false])
    func equality(assignments: [String], isNormalised: Bool) throws {
        let configuration = try Configuration(
            yaml: nil, file: "test", assignments: assignments, models: ["fashion-classifier"],
            defaults: Configuration())
        let model = isNormalised ? Self.model() : Self.plainModel()
        func train(ranks: Int, threads: Int = 1, stops: [Int] = []) throws -> [String] {
            try InProcessWorld(size: ranks).run { communicator in
                var checkpoint: Checkpoint?
                for end in stops + [13] {
                    let run = try Run(
                        configuration, model: model, over: communicator, shards: 4, threads: threads, from: checkpoint)
                    try run.advance(to: end)
                    checkpoint = run.checkpoint
                }
                let kept = checkpoint!.optimizer.map { name, tensors in "\(name) \(tensors.map(\.values))" }
                return "\(checkpoint!.weightsDigest()) \(checkpoint!.averageDigest() ?? "") \(kept)"
            }
        }
        let one = try train(ranks: 1)
        #expect(try train(ranks: 1, threads: 2) == one)
        #expect(try train(ranks: 2) == one + one)
        #expect(try train(ranks: 4) == one + one + one + one)
        for stop in [4, 5, 6, 10, 11] { #expect(try train(ranks: 1, stops: [stop]) == one, "stopped after \(stop)") }
        #expect(try train(ranks: 2, stops: [5, 10]) == one + one)
    }

    @Test("an average follows what is trained, and begins with the weights where something was frozen")
    func average() throws {
        let run = try Run(Self.configuration("freeze=backbone", "unfreeze={conv2: 1 epoch}", "ema.decay=0.5"))
        let first = run.tensors
        try run.advance(to: 5)
        #expect(sameBits(run.checkpoint.average.first { $0.key == "conv2.weight" }!.values, first["conv2.weight"]!))
        try run.advance(to: 6)
        let (weights, average) = (
            run.tensors["conv2.weight"]!, run.checkpoint.average.first { $0.key == "conv2.weight" }!
        )
        for (index, value) in average.values.enumerated() {
            let expected = (first["conv2.weight"]![index] + weights[index]) / 2
            #expect(abs(value - expected) <= abs(expected) * 0x1p-22)
        }
    }

    // ---- What cannot be

    @Test(
        "what fits nothing, or leaves nothing, is said",
        arguments: [
            (["freeze=[conv3]"], "freeze: conv3 fits no layer of the network, did you mean conv1?"),
            (["freeze=until qqqqqq"], "expected a name or a pattern of conv1, bn1, conv2, bn2, fc"),
            (["freeze=[\"*\"]"], "nothing is left to train"),
            (["freeze=[conv1.weight]"], "fits a part of conv1, without conv1.bias"),
            (["freeze=until conv1"], "no layer comes before conv1"),
            (["freeze=backbone", "unfreeze={fc: 1 epoch}"], "fc is not frozen after 1 epoch,"),
            (["freeze=[conv1]", "unfreeze={conv1: 1 epoch, conv2: 2 epochs}"], "conv2 is not frozen"),
            (["optimizer.groups=[{match: fc2, learning_rate: 1}]"], "optimizer.groups[0].match: fc2 fits no layer"),
        ])
    func refused(assignments: [String], words: String) throws {
        let configuration = try Configuration(
            yaml: nil, file: "test", assignments: assignments, models: ["fashion-classifier"],
            defaults: Configuration())
        let failure = #expect(throws: Failure.self) { try TrainingPeriods(configuration, Network(Self.model())) }
        #expect(
            failure?.code == .configuration && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
    }

    @Test(
        "settings that mean nothing are refused with their place",
        arguments: [
            ("unfreeze={conv1: 1 epoch}", "needs frozen layers"), ("freeze=backbon", "did you mean backbone?"),
            ("unfreeze={conv1: 3 steps}", "expected N epochs"),
            ("optimizer.groups=[{learning_rate: 1}]", "optimizer.groups[0].match is missing"),
            ("optimizer.groups=[{match: fc}]", "changes nothing"),
            ("optimizer.groups=[{match: fc, learning_rate: ×-1}]", "expected a number from 0, or ×10"),
            ("optimizer.groups=[{match: fc, lr: 1}]", "unknown key optimizer.groups[0].lr"),
        ])
    func badSettings(assignment: String, words: String) {
        let failure = #expect(throws: Failure.self) { try Self.configuration(assignment) }
        #expect(
            failure?.code == .configuration && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
    }

    @Test("a checkpoint whose updates do not go with the trained parameters is refused")
    func missedUpdates() throws {
        let run = try Run(Self.configuration("freeze=backbone", "unfreeze={conv2: 1 epoch}"))
        try run.advance(to: 6)
        var checkpoint = run.checkpoint
        #expect(checkpoint.header.updatesMissed == [5, 5, 0, 0])
        checkpoint.header.updatesMissed = [5]
        let failure = #expect(throws: Failure.self) { try checkpoint.restore(run.step.state, path: "c.h5") }
        #expect(failure?.code == .badData && failure?.message.contains("updates_missed") == true)
        checkpoint.header.updatesMissed = [7, 0, 0, 0]
        #expect(throws: Failure.self) { try checkpoint.header.check(path: "c.h5") }
    }
}
