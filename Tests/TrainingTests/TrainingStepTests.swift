import DataParallel
import Datasets
import Foundation
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

/// What a rank is left with after some steps.
private struct Trained: Equatable, Sendable {
    var weights: [UInt32]
    var velocities: [UInt32]
    var losses: [UInt64]
    var norms: [UInt64]
    var samples: [Double]
}

private func train(
    ranks: Int, threads: Int = 1, steps: Int = 5, nesterov: Bool = false, weightDecay: Double = 0.01
) throws -> [Trained] {
    try InProcessWorld(size: ranks).run { communicator in
        var optimizer = Configuration.Optimizer()
        optimizer.nesterov = nesterov
        optimizer.weightDecay = weightDecay
        let step = try TinyModel.step(communicator, threads: threads, optimizer: optimizer)
        var outcomes: [TrainingStep.Outcome] = []
        for number in 0..<steps {
            let batch = TinyModel.batch(step: number, layout: step.layout)
            outcomes.append(try step.run(batch, epoch: 0, learningRate: 0.05, stopRequested: false))
        }
        return Trained(
            weights: step.state.weights.map(\.bitPattern), velocities: step.state.velocities.map(\.bitPattern),
            losses: outcomes.map(\.score.loss.bitPattern), norms: outcomes.map(\.gradientNorm.bitPattern),
            samples: outcomes.map(\.score.samples))
    }
}

@Suite("Training step")
struct TrainingStepTests {
    @Test("weights, losses and norms have the same bits on 1, 2, 4 and 8 ranks, the last step being short")
    func ranks() throws {
        let expected = try train(ranks: 1)[0]
        #expect(expected.samples == [24, 24, 24, 24, 17])
        #expect(Set(expected.losses).count == 5 && expected.weights.count == 47)
        for ranks in [2, 4, 8] {
            for (rank, found) in try train(ranks: ranks).enumerated() {
                #expect(found == expected, "rank \(rank) of \(ranks)")
            }
        }
    }

    @Test("one and two threads give the same bits, Nesterov or not", arguments: [false, true])
    func threads(nesterov: Bool) throws {
        let one = try train(ranks: 1, threads: 1, nesterov: nesterov)
        #expect(try train(ranks: 1, threads: 2, nesterov: nesterov) == one)
        #expect(try train(ranks: 2, threads: 2, nesterov: nesterov) == one + one)
    }

    @Test("a pixel or a weight that is not a number leaves weights and velocities as they were, on every rank")
    func notFinite() throws {
        for (ranks, inWeights) in [(1, false), (4, false), (1, true), (4, true)] {
            let results = try InProcessWorld(size: ranks).run { communicator in
                let step = try TinyModel.step(communicator)
                let layout = step.layout
                _ = try step.run(
                    TinyModel.batch(step: 0, layout: layout), epoch: 0, learningRate: 0.05, stopRequested: false)
                let batch = TinyModel.batch(step: 1, layout: layout)
                if inWeights {
                    step.state.weights[3] = .nan
                } else if communicator.rank == ranks - 1 {
                    batch.images.storeBytes(of: .nan, toByteOffset: 40, as: Float.self)
                }
                let before = (step.state.weights.map(\.bitPattern), step.state.velocities.map(\.bitPattern))
                let outcome = try step.run(batch, epoch: 0, learningRate: 0.05, stopRequested: false)
                let after = (step.state.weights.map(\.bitPattern), step.state.velocities.map(\.bitPattern))
                return (outcome.isFinite, before == after, step.firstParameterNotFinite()?.key)
            }
            for (isFinite, isUnchanged, key) in results {
                #expect(!isFinite && isUnchanged && key != nil, "\(ranks) ranks, in weights: \(inWeights)")
            }
        }
    }

    @Test("the wish of one rank to stop is known to all after the step")
    func stopRequests() throws {
        let counts = try InProcessWorld(size: 4).run { communicator in
            let step = try TinyModel.step(communicator)
            return try (0..<2).map { number in
                let batch = TinyModel.batch(step: number, layout: step.layout)
                let wish = number == 1 && communicator.rank == 2
                return try step.run(batch, epoch: 0, learningRate: 0.05, stopRequested: wish).stopRequests
            }
        }
        #expect(counts == [[0, 1], [0, 1], [0, 1], [0, 1]])
    }

    /// Softmax regression written down again in float64; float32 sums of 24 terms and 5 updates differ by about 1e-6.
    @Test(
        "one shard trains as plain stochastic gradient descent does",
        arguments: [(0.0, false), (0.9, false), (0.9, true)])
    func reference(momentum: Double, nesterov: Bool) throws {
        var model = ModelDescription(name: "linear", input: TinyModel.input, classes: TinyModel.classes)
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: TinyModel.classes))
        var optimizer = Configuration.Optimizer()
        optimizer.momentum = momentum
        optimizer.nesterov = nesterov
        optimizer.weightDecay = 0.02
        let step = try TinyModel.step(SingleCommunicator(), shards: 1, optimizer: optimizer, model: model)
        var weights = step.state.weights.map(Double.init)
        var velocities = [Double](repeating: 0, count: weights.count)
        let geometry = BatchGeometry(sampleCount: 113, batchSize: 24, shards: 1)
        let (inputs, classes, rate) = (TinyModel.input.count, TinyModel.classes, 0.1)
        for number in 0..<5 {
            let batch = TinyModel.batch(step: number, layout: step.layout, geometry: geometry)
            let outcome = try step.run(batch, epoch: 0, learningRate: rate, stopRequested: false)

            var gradients = [Double](repeating: 0, count: weights.count)
            var loss = 0.0
            let samples = geometry.samples(inStep: number)
            for slot in 0..<samples {
                let pixels = (0..<inputs).map {
                    (Double(TinyModel.pixel(step: number, slot: slot, pixel: $0)) - 0.4) / 0.3
                }
                let logits = (0..<classes).map { row in
                    weights[classes * inputs + row]
                        + (0..<inputs).reduce(0) { $0 + weights[row * inputs + $1] * pixels[$1] }
                }
                let exponentials = logits.map { exp($0) }
                let sum = exponentials.reduce(0, +)
                let label = TinyModel.label(step: number, slot: slot)
                loss -= log(exponentials[label] / sum)
                for row in 0..<classes {
                    let slope = (exponentials[row] / sum - (row == label ? 1 : 0)) / Double(samples)
                    for column in 0..<inputs { gradients[row * inputs + column] += slope * pixels[column] }
                    gradients[classes * inputs + row] += slope
                }
            }
            #expect(abs(outcome.score.meanLoss - loss / Double(samples)) < 1e-5)
            for index in weights.indices {
                let gradient = gradients[index] + 0.02 * weights[index]
                // torch.optim.SGD begins with v = g, which is μ·0 + g.
                velocities[index] = momentum * velocities[index] + gradient
                let direction = nesterov ? gradient + momentum * velocities[index] : velocities[index]
                weights[index] -= rate * (momentum == 0 ? gradient : direction)
            }
            let furthest = zip(weights, step.state.weights).map { abs($0 - Double($1)) }.max() ?? .infinity
            #expect(furthest < 2e-5, "step \(number): \(furthest)")
        }
    }
}
