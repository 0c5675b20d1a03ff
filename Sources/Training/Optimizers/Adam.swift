internal import Tensors

extension OptimizerKind {
    private static let adamKeys = ["learning_rate", "betas", "eps", "weight_decay", "no_decay"]
    private static let adamVectors = ["exp_avg", "exp_avg_sq"]

    package static let adam = OptimizerKind(
        name: "adam", keys: adamKeys, vectorNames: { _ in adamVectors }, make: Adam.init)

    package static let adamw = OptimizerKind(
        name: "adamw", keys: adamKeys, setDefaults: { $0.weightDecay = 0.01 }, vectorNames: { _ in adamVectors },
        make: Adam.init)
}

/// torch.optim.Adam (Kingma and Ba 2014) and AdamW (Loshchilov and Hutter 2017), whose decay shrinks the weights
/// themselves; without amsgrad.
final class Adam: Optimizer {
    private let options: Configuration.Optimizer
    private let memory: OptimizerMemory
    private var update = Update(number: 1, learningRate: 0, gradientScale: 1)

    init(_ options: Configuration.Optimizer, _ memory: OptimizerMemory) {
        precondition(memory.vectors.means != nil && memory.vectors.squares != nil, "Adam without its vectors")
        self.options = options
        self.memory = memory
    }

    func prepare(_ update: Update) { self.update = update }

    func apply(to block: UpdateBlocks.Block, _ vectors: OptimizerVectors) {
        rule(weightDecay: memory.decays[block.parameter]).apply(
            gradients: memory.gradients + block.start, count: block.count, weights: vectors.weights,
            means: vectors.means!, squares: vectors.squares!)
    }

    func bound(gradient: Double, _ magnitudes: inout Magnitudes) -> Double {
        rule(weightDecay: memory.largestDecay).bound(
            gradient: gradient, weight: &magnitudes.weights, mean: &magnitudes.means, square: &magnitudes.squares)
    }

    private func rule(weightDecay: Double) -> AdamRule {
        AdamRule(
            learningRate: update.learningRate, betas: (options.beta1, options.beta2), epsilon: options.epsilon,
            weightDecay: weightDecay, decoupled: options.kind == .adamw, update: update.number,
            gradientScale: update.gradientScale)
    }
}
