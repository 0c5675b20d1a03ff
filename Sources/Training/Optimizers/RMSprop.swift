internal import Tensors

extension OptimizerKind {
    package static let rmsprop = OptimizerKind(
        name: "rmsprop",
        keys: ["learning_rate", "alpha", "eps", "momentum", "centered", "weight_decay", "no_decay"],
        setDefaults: { ($0.learningRate, $0.momentum) = (0.01, 0) },
        vectorNames: { ["square_avg"] + ($0.centered ? ["grad_avg"] : []) + ($0.momentum == 0 ? [] : ["momentum"]) },
        make: RMSprop.init)
}

/// torch.optim.RMSprop (Tieleman and Hinton 2012), centered (Graves 2013) or not, with momentum or without.
final class RMSprop: Optimizer {
    private let options: Configuration.Optimizer
    private let memory: OptimizerMemory
    private var update = Update(number: 1, learningRate: 0, gradientScale: 1)

    init(_ options: Configuration.Optimizer, _ memory: OptimizerMemory) {
        precondition(memory.vectors.squares != nil, "RMSprop without its vectors")
        self.options = options
        self.memory = memory
    }

    func prepare(_ update: Update) { self.update = update }

    func apply(to block: UpdateBlocks.Block, _ vectors: OptimizerVectors) {
        rule(weightDecay: memory.decays[block.parameter]).apply(
            gradients: memory.gradients + block.start, count: block.count, weights: vectors.weights,
            squares: vectors.squares!, means: vectors.means, velocities: vectors.velocities)
    }

    func bound(gradient: Double, _ magnitudes: inout Magnitudes) -> Double {
        rule(weightDecay: memory.largestDecay).bound(
            gradient: gradient, weight: &magnitudes.weights, square: &magnitudes.squares, mean: &magnitudes.means,
            velocity: &magnitudes.velocities)
    }

    private func rule(weightDecay: Double) -> RMSpropRule {
        RMSpropRule(
            learningRate: update.learningRate, alpha: options.alpha, epsilon: options.epsilon,
            momentum: options.momentum, weightDecay: weightDecay, gradientScale: update.gradientScale)
    }
}
