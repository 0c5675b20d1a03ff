import DataParallel
import Datasets
import Foundation
import HDF5
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

/// Optimizers through the training step: against PyTorch, over ranks and threads, and in two parts.
@Suite("Optimizers")
struct OptimizerTests {
    /// Two linear layers, of which one holds more than a block of 4,096 elements.
    static func linearModel() -> ModelDescription {
        var model = ModelDescription(name: "linear", input: TinyModel.input, classes: TinyModel.classes)
        model.append("flatten", Flatten())
        model.append("fc1", Linear(outputs: 128))
        model.append("fc2", Linear(outputs: TinyModel.classes))
        return model
    }

    /// The first weights of the traces.
    static func fill(_ state: ModelState) {
        for (number, parameter) in state.parameterList.parameters.enumerated() {
            for element in 0..<parameter.count {
                let mixed = UInt64(element + 1_000_000 * (number + 1)) &* 0x9E37_79B9_7F4A_7C15
                state.weights[parameter.offset + element] = (Float(mixed >> 40) / Float(1 << 24) - 0.5) * 0.25
            }
        }
    }

    static func step(
        _ configuration: Configuration, _ communicator: any Communicator = SingleCommunicator(), shards: Int = 1,
        threads: Int = 1
    ) throws -> TrainingStep {
        let step = try TinyModel.step(
            communicator, shards: shards, threads: threads, configuration: configuration, model: linearModel())
        fill(step.state)
        return step
    }

    static func batch(_ number: Int, _ step: TrainingStep) -> Batch {
        let geometry = BatchGeometry(sampleCount: 113, batchSize: 24, shards: step.layout.shards)
        return TinyModel.batch(step: number, layout: step.layout, geometry: geometry)
    }

    /// Accepted is four times PyTorch's own distance from float64, or one unit of float32 of the tensor's largest magnitude
    /// where that is more.
    @Test(
        "100 steps follow PyTorch as closely as its own float32 does",
        arguments: try GoldenFile("optimizers.h5").cases())
    func traces(name: String) throws {
        let golden = try GoldenFile("optimizers.h5")
        let configuration = try golden.configuration(of: name)
        let step = try Self.step(configuration)
        var losses: [Double] = []
        for number in 0..<(try golden.number("steps", of: "/")) {
            let outcome = try step.run(
                Self.batch(number, step), epoch: 0, learningRate: configuration.optimizer.learningRate,
                stopRequested: false)
            losses.append(outcome.score.meanLoss)
        }
        try expectAsGood(losses, "losses", of: name, golden)
        let stride = try golden.number("stride", of: "/")
        for parameter in step.state.parameterList.parameters {
            let values = step.state.evaluated[parameter.range].map { Double($0) }
            let sampled = Swift.stride(from: 0, to: values.count, by: stride).map { values[$0] }
            try expectAsGood(sampled, "weights/\(parameter.key)", of: name, golden)
        }
    }

    func expectAsGood(
        _ values: [Double], _ path: String, of name: String, _ golden: GoldenFile, units: Double = 1
    ) throws {
        let exact = try golden.doubles("\(name)/double/\(path)")
        let theirs = try golden.doubles("\(name)/single/\(path)")
        try #require(values.count == exact.count && theirs.count == exact.count)
        let ourError = zip(values, exact).reduce(0) { max($0, abs($1.0 - $1.1)) }
        let theirError = zip(theirs, exact).reduce(0) { max($0, abs($1.0 - $1.1)) }
        let largest = exact.reduce(0) { max($0, abs($1)) }
        #expect(
            ourError <= max(4 * theirError, units * 0x1p-23 * largest),
            "\(path): off by \(ourError), PyTorch by \(theirError), largest \(largest)")
    }

    /// Every kind with its defaults and with the settings of its traces; all of them with weight decay.
    static var every: [Configuration.Optimizer] {
        get throws {
            let golden = try GoldenFile("optimizers.h5")
            let traced = try golden.cases().map { try golden.configuration(of: $0).optimizer }
            return (OptimizerKind.all.map { Configuration.Optimizer($0) } + traced).reduce(into: []) {
                every, optimizer in
                var optimizer = optimizer
                (optimizer.learningRate, optimizer.weightDecay) = (0.001, 0.01)
                if !every.contains(optimizer) { every.append(optimizer) }
            }
        }
    }

    @Test("every kind of optimizer has a trace")
    func traced() throws {
        let golden = try GoldenFile("optimizers.h5")
        let traced = try golden.cases().map { try golden.configuration(of: $0).optimizer.kind.name }
        #expect(Set(traced) == Set(OptimizerKind.all.map(\.name)))
    }

    /// Every optimizer alone, and some with bounds on the gradient and an average of the weights.
    static var configurations: [Configuration] {
        get throws {
            var all = try every.map {
                var configuration = Configuration()
                configuration.optimizer = $0
                return configuration
            }
            for (kind, clip) in [
                (.sgd, .norm(0.2)), (.lars, .norm(0.3)), (.lars, .value(0.01)), (.adam, .value(0.01)),
            ] as [(OptimizerKind, Configuration.Clip)] {
                var configuration = Configuration()
                configuration.optimizer = Configuration.Optimizer(kind)
                configuration.clip = clip
                configuration.averaging = Configuration.Averaging(decay: 0.9)
                all.append(configuration)
            }
            return all
        }
    }

    private struct Trained: Equatable, Sendable {
        var weights: [UInt32]
        var vectors: [[UInt32]]
        var average: [UInt32]?

        init(_ state: ModelState) {
            weights = state.weights.map(\.bitPattern)
            vectors = state.optimizerVectors.map { $0.vector.map(\.bitPattern) }
            average = state.average?.map(\.bitPattern)
        }
    }

    private func train(_ configuration: Configuration, ranks: Int, threads: Int) throws -> [Trained] {
        try InProcessWorld(size: ranks).run { communicator in
            let step = try Self.step(configuration, communicator, shards: 4, threads: threads)
            for number in 0..<7 {
                _ = try step.run(Self.batch(number, step), epoch: 0, learningRate: 0.01, stopRequested: false)
            }
            return Trained(step.state)
        }
    }

    @Test("every optimizer gives the same bits on 1, 2 and 4 ranks and with two threads", arguments: try configurations)
    func ranks(configuration: Configuration) throws {
        let one = try train(configuration, ranks: 1, threads: 1)
        #expect(one[0].vectors.count == configuration.optimizer.vectors.count)
        #expect((one[0].average == nil) == (configuration.averaging == nil) && one[0].average != one[0].weights)
        #expect(try train(configuration, ranks: 1, threads: 2) == one)
        #expect(try train(configuration, ranks: 2, threads: 1) == one + one)
        #expect(try train(configuration, ranks: 4, threads: 1) == one + one + one + one)
    }

    @Test(
        "a checkpoint in the middle gives the same bits as no stop, for every optimizer", arguments: try configurations)
    func resume(configuration: Configuration) throws {
        func advance(_ step: TrainingStep, _ numbers: Range<Int>) throws {
            for number in numbers {
                _ = try step.run(Self.batch(number, step), epoch: 0, learningRate: 0.01, stopRequested: false)
            }
        }
        let whole = try Self.step(configuration)
        try advance(whole, 0..<9)
        let first = try Self.step(configuration)
        try advance(first, 0..<4)
        var header = Checkpoint.Header()
        // Six steps, two of which were left out.
        (header.step, header.skippedSteps) = (6, 2)
        let checkpoint = Checkpoint(header: header, state: first.state)
        let second = try Self.step(configuration)
        try checkpoint.restore(second.state, path: "c.h5")
        try advance(second, 4..<9)
        #expect(Trained(second.state) == Trained(whole.state))
    }

    @Test("weight decay leaves the named groups alone, and biases and normalisations always under LARS")
    func decayGroups() throws {
        var optimizer = Configuration.Optimizer(.adamw)
        var model = ModelDescription(name: "roles", input: [5], classes: TinyModel.classes)
        model.append("fc", Linear(outputs: TinyModel.classes))
        model.append("bn", BatchNorm1d())
        let roles = try Network(model).parameterList.trained.filter { $0.key != "bn.bias" }
        #expect(roles.map(optimizer.weightDecay(of:)) == [0.01, 0.01, 0.01])
        optimizer.noDecay = [.normalization]
        #expect(roles.map(optimizer.weightDecay(of:)) == [0.01, 0.01, 0])
        optimizer.noDecay = [.normalization, .bias]
        #expect(roles.map(optimizer.weightDecay(of:)) == [0.01, 0, 0])
        var lars = Configuration.Optimizer(.lars)
        lars.weightDecay = 0.5
        #expect(roles.map(lars.weightDecay(of:)) == [0.5, 0, 0])
    }
}
