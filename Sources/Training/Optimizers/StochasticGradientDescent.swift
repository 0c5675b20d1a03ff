internal import Tensors

extension OptimizerKind {
    package static let sgd = OptimizerKind(
        name: "sgd", keys: ["learning_rate", "momentum", "dampening", "nesterov", "weight_decay", "no_decay"],
        vectorNames: { $0.momentum == 0 ? [] : ["momentum"] }, make: StochasticGradientDescent.init)
}

/// torch.optim.SGD: momentum with dampening, Nesterov's or not.
final class StochasticGradientDescent: Optimizer {
    private let options: Configuration.Optimizer
    private let memory: OptimizerMemory
    private var update = Update(number: 1, learningRate: 0, gradientScale: 1)

    init(_ options: Configuration.Optimizer, _ memory: OptimizerMemory) {
        self.options = options
        self.memory = memory
    }

    func prepare(_ update: Update) { self.update = update }

    func apply(to block: UpdateBlocks.Block, _ vectors: OptimizerVectors) {
        // Without momentum the rule does not touch the velocities.
        rule(weightDecay: memory.decays[block.parameter]).apply(
            gradients: memory.gradients + block.start, count: block.count, weights: vectors.weights,
            velocities: vectors.velocities ?? vectors.weights)
    }

    func bound(gradient: Double, _ magnitudes: inout Magnitudes) -> Double {
        rule(weightDecay: memory.largestDecay).bound(
            gradient: gradient, weight: &magnitudes.weights, velocity: &magnitudes.velocities)
    }

    private func rule(weightDecay: Double) -> SGDRule {
        SGDRule(
            learningRate: Float(update.learningRate), momentum: Float(options.momentum),
            weightDecay: Float(weightDecay), nesterov: options.nesterov, gradientScale: update.gradientScale,
            fresh: update.number == 1 ? 1 : Float(1 - options.dampening))
    }
}
