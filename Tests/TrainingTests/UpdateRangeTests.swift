import DataParallel
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

/// Weights, optimizer state, average and buffers hold finite numbers whatever the settings.
@Suite("Updates stay within float32")
struct UpdateRangeTests {
    private static func bits(_ state: ModelState) -> [UInt32] {
        ([state.weights] + state.optimizerVectors.map(\.vector) + [state.average].compactMap { $0 })
            .flatMap { $0.map(\.bitPattern) }
    }

    private static func areFinite(_ bits: [UInt32]) -> Bool { bits.allSatisfy { Float(bitPattern: $0).isFinite } }

    private static func configuration(_ optimizer: Configuration.Optimizer) -> Configuration {
        var configuration = Configuration()
        configuration.optimizer = optimizer
        configuration.averaging = Configuration.Averaging(decay: 0.5)
        return configuration
    }

    @Test(
        "no rate takes a number out of the range, on any number of ranks",
        arguments: try OptimizerTests.every, [1e-30, 1e6, 1e12, 1e18, 1e24, 1e30, 1e36, 3e38])
    func rates(optimizer: Configuration.Optimizer, rate: Double) throws {
        let one = try Self.train(optimizer, rate, ranks: 1)
        #expect(Self.areFinite(one[0].bits))
        #expect(try Self.train(optimizer, rate, ranks: 2) == one + one)
    }

    private struct Trained: Equatable, Sendable {
        let bits: [UInt32]
        let verdicts: [TrainingStep.Verdict]
    }

    private static func train(_ optimizer: Configuration.Optimizer, _ rate: Double, ranks: Int) throws -> [Trained] {
        try InProcessWorld(size: ranks).run { communicator in
            let step = try OptimizerTests.step(configuration(optimizer), communicator, shards: 2)
            var verdicts: [TrainingStep.Verdict] = []
            for number in 0..<6 {
                let before = bits(step.state)
                let outcome = try step.run(
                    OptimizerTests.batch(number, step), epoch: 0, learningRate: rate, stopRequested: false)
                verdicts.append(outcome.verdict)
                if outcome.verdict != .updated { #expect(bits(step.state) == before) }
            }
            return Trained(bits: bits(step.state), verdicts: verdicts)
        }
    }

    @Test("a step that overflows is not made, and names the parameter; the next one, with a smaller rate, is")
    func named() throws {
        for optimizer in try OptimizerTests.every where optimizer.kind != .lars {
            let step = try OptimizerTests.step(Self.configuration(optimizer))
            func run(_ number: Int, _ rate: Double) throws -> TrainingStep.Outcome {
                try step.run(OptimizerTests.batch(number, step), epoch: 0, learningRate: rate, stopRequested: false)
            }
            #expect(try run(0, 0.001).verdict == .updated)
            let before = Self.bits(step.state)
            let outcome = try run(1, 1e300)
            #expect(outcome.isFinite && outcome.verdict == .beyondRange(key: "fc1.weight"), "\(optimizer.kind.name)")
            #expect(Self.bits(step.state) == before && step.state.updates == 1)
            #expect(try run(1, 0.001).verdict == .updated)
            #expect(Self.bits(step.state) != before && Self.areFinite(Self.bits(step.state)))
        }
    }

    @Test(
        "0/0 of a weight without gradient does not reach the weights",
        arguments: OptimizerKind.all.filter { OptimizerKind.names(with: "eps").contains($0.name) })
    func noEpsilon(kind: OptimizerKind) throws {
        var optimizer = Configuration.Optimizer(kind)
        optimizer.epsilon = 0
        let step = try OptimizerTests.step(Self.configuration(optimizer))
        let batch = OptimizerTests.batch(0, step)
        // Black pixels: no gradient for the weights behind them.
        for place in 0..<24 * 36 { batch.images.storeBytes(of: 0.4, toByteOffset: 4 * place, as: Float.self) }
        let before = Self.bits(step.state)
        let outcome = try step.run(batch, epoch: 0, learningRate: 0.001, stopRequested: false)
        #expect(outcome.verdict == .beyondRange(key: "fc1.weight") && Self.bits(step.state) == before)
    }

    @Test("what the bounds cannot tell is tried, to the same bits")
    func tried() throws {
        // With so small an epsilon the bound of a step is beyond the range, the step itself is not.
        var optimizer = Configuration.Optimizer(.adam)
        optimizer.epsilon = 2e-38
        let step = try OptimizerTests.step(Self.configuration(optimizer))
        for number in 0..<3 {
            let outcome = try step.run(
                OptimizerTests.batch(number, step), epoch: 0, learningRate: 1, stopRequested: false)
            #expect(outcome.verdict == .updated)
        }
        #expect(Self.areFinite(Self.bits(step.state)))
    }

    @Test("a batch whose labels have no class weight changes nothing")
    func weightless() throws {
        var configuration = Self.configuration(Configuration.Optimizer(.adam))
        configuration.loss = .crossEntropy(classWeights: [0, 0, 1])
        let step = try OptimizerTests.step(configuration)
        let batch = OptimizerTests.batch(0, step)
        for slot in 0..<24 { batch.labels[slot] = Int32(slot % 2) }
        let before = Self.bits(step.state)
        let outcome = try step.run(batch, epoch: 0, learningRate: 0.1, stopRequested: false)
        #expect(outcome.verdict == .weightless && outcome.isFinite && Self.bits(step.state) == before)
        batch.labels[5] = 2
        #expect(try step.run(batch, epoch: 0, learningRate: 0.1, stopRequested: false).verdict == .updated)
    }

    @Test("running statistics beyond float32 leave the step out")
    func buffers() throws {
        var model = ModelDescription(name: "bn", input: TinyModel.input, classes: TinyModel.classes)
        model.append("bn", BatchNorm2d())
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: TinyModel.classes))
        let step = try TinyModel.step(SingleCommunicator(), model: model)
        let batch = TinyModel.batch(step: 0, layout: step.layout)
        for slot in 0..<24 * 36 {
            let value = batch.images.load(fromByteOffset: 4 * slot, as: Float.self)
            batch.images.storeBytes(of: value * 1e30, toByteOffset: 4 * slot, as: Float.self)
        }
        let before = Self.bits(step.state)
        let outcome = try step.run(batch, epoch: 0, learningRate: 0.1, stopRequested: false)
        #expect(outcome.isFinite && outcome.verdict == .beyondRange(key: "bn.running_var"))
        #expect(Self.bits(step.state) == before)
    }

    @Test("class weights whose sum has no inverse in float32 leave the step out")
    func largeClassWeights() throws {
        var configuration = Self.configuration(Configuration.Optimizer())
        configuration.loss = .crossEntropy(classWeights: [3e38, 3e38, 3e38])
        let step = try OptimizerTests.step(configuration)
        let outcome = try step.run(
            OptimizerTests.batch(0, step), epoch: 0, learningRate: 0.1, stopRequested: false)
        #expect(outcome.verdict == .notFinite)
    }
}
