import Layers
import Tensors
import Testing

@testable import Training

/// Single updates of a parameter alone: what optimizers do at the edges of float32.
@Suite("Rules of optimizers")
struct OptimizerRuleTests {
    /// An optimizer over one parameter, a linear layer's weight.
    private final class Alone {
        let optimizer: any Optimizer
        let memory: OptimizerMemory
        let state: ModelState
        let gradients: UnsafeMutableBufferPointer<Float>

        init(_ options: Configuration.Optimizer, weights: [Float], gradients values: [Float]) throws {
            var model = ModelDescription(name: "alone", input: [weights.count], classes: 1)
            model.append("fc", Linear(outputs: 1, bias: false))
            let list = try Network(model).parameterList
            state = ModelState(parameterList: list, optimizerVectors: options.vectors.map(\.name))
            _ = state.weights.update(from: weights)
            gradients = .allocate(capacity: values.count)
            _ = gradients.initialize(from: values)
            memory = OptimizerMemory(
                options, blocks: UpdateBlocks(list), gradients: UnsafePointer(gradients.baseAddress!), state: state,
                pool: try ThreadPool(threads: 1))
            optimizer = options.kind.make(options, memory)
        }

        deinit { gradients.deallocate() }

        var weights: [Float] { Array(state.weights) }
        var kept: [[Float]] { state.optimizerVectors.map { Array($0.vector) } }

        func update(_ number: Int = 1, rate: Double) {
            optimizer.prepare(Update(number: number, learningRate: rate, gradientScale: 1))
            for block in memory.blocks.blocks { optimizer.apply(to: block, memory.vectors + block.start) }
        }
    }

    /// 37 elements: whole vectors and a rest.
    private static let count = 37
    private static let none = [Float](repeating: 0, count: count)
    private static let ones = [Float](repeating: 1, count: count)

    @Test(
        "what is remembered of a weight without gradient stays, or decays through normal numbers to zero",
        arguments: try OptimizerTests.every)
    func decay(options: Configuration.Optimizer) throws {
        var options = options
        // So that 1,200 updates pass from 1 below the smallest number there is.
        options.betas = [0.9, 0.9]
        (options.alpha, options.momentum, options.weightDecay) = (0.9, min(options.momentum, 0.9), 0)
        let alone = try Alone(options, weights: Self.ones, gradients: Self.none)
        let first = (0..<Self.count).map { Float($0) * 0.01 }
        for kept in alone.state.optimizerVectors { _ = kept.vector.update(from: first) }
        for number in 1...1_200 {
            alone.update(number, rate: 0.001)
            #expect(!alone.kept.joined().contains { $0.isSubnormal })
        }
        for kept in alone.kept { #expect(kept == Self.none || kept == first) }
        #expect(alone.weights.allSatisfy { $0.isFinite })
    }

    @Test("the smallest normal number is kept, and a NaN stays one")
    func edges() throws {
        var options = Configuration.Optimizer(.sgd)
        options.momentum = 1
        let least = Float.leastNormalMagnitude
        var velocities: [Float] = [least, -least, least.nextDown, -least.nextDown, .nan, .infinity]
        // Twenty elements: the six in a vector, and again in what is left over.
        velocities += [Float](repeating: 1, count: 10) + velocities.prefix(4)
        let none = [Float](repeating: 0, count: velocities.count)
        let alone = try Alone(options, weights: none, gradients: none)
        _ = alone.state.optimizerVectors[0].vector.update(from: velocities)
        alone.update(2, rate: 0)
        let kept = alone.kept[0]
        #expect(kept[..<4] == [least, -least, 0, 0] && kept[16...] == [least, -least, 0, 0])
        #expect(kept[4].isNaN && kept[5] == .infinity)
    }

    @Test("LARS moves a tensor of zeros, or one without a gradient, at the global rate")
    func zeroNorms() throws {
        var options = Configuration.Optimizer(.lars)
        options.trust = 0.5
        let lars = try #require(try Alone(options, weights: [1], gradients: [0]).optimizer as? LARS)
        #expect(lars.localRate(weightNorm: 0, gradientNorm: 3, weightDecay: 0.1) == 1)
        #expect(lars.localRate(weightNorm: 2, gradientNorm: 0, weightDecay: 0.1) == 1)
        #expect(lars.localRate(weightNorm: 2, gradientNorm: 3, weightDecay: 0.5) == 0.25)
    }

    @Test("a LARS rate beyond float32 keeps a parameter without gradient finite")
    func largeLocalRate() throws {
        let alone = try Alone(Configuration.Optimizer(.lars), weights: [1], gradients: [0])
        alone.update(rate: 1e60)
        #expect(alone.weights == [1] && alone.kept == [[0]])
    }

    @Test("a centered variance that rounding makes negative moves the weight, but never to NaN")
    func centeredVariance() throws {
        var options = Configuration.Optimizer(.rmsprop)
        (options.alpha, options.epsilon, options.centered) = (0.5, 1e-3, true)
        for value in stride(from: Float(0.1), to: 3, by: 0.0137) {
            let alone = try Alone(options, weights: [1], gradients: [value])
            for number in 1...200 { alone.update(number, rate: 0.001) }
            #expect(alone.weights[0].isFinite && alone.weights[0] < 1)
        }
    }
}
