internal import Tensors

/// torch.optim.Adam (Kingma and Ba 2014) and AdamW (Loshchilov and Hutter 2017), whose decay shrinks the weights
/// themselves; without amsgrad.
final class Adam: Optimizer {
    private let options: Configuration.Optimizer
    private let memory: OptimizerMemory
    private let weights: UnsafeMutablePointer<Float>
    private let means: UnsafeMutablePointer<Float>
    private let squares: UnsafeMutablePointer<Float>
    private var update = Update(number: 1, learningRate: 0, gradientScale: 1)

    init(_ options: Configuration.Optimizer, _ memory: OptimizerMemory) {
        self.options = options
        self.memory = memory
        weights = memory.weights
        guard let means = memory.slot("exp_avg"), let squares = memory.slot("exp_avg_sq") else {
            preconditionFailure("Adam without its slots")
        }
        (self.means, self.squares) = (means, squares)
    }

    func prepare(_ update: Update) { self.update = update }

    func apply(to block: UpdateBlocks.Block) {
        let rule = AdamRule(
            learningRate: update.learningRate, betas: (options.beta1, options.beta2), epsilon: options.epsilon,
            weightDecay: memory.decays[block.parameter], decoupled: options.name == .adamw, update: update.number,
            gradientScale: update.gradientScale)
        rule.apply(
            gradients: memory.gradients + block.start, count: block.count, weights: weights + block.start,
            means: means + block.start, squares: squares + block.start)
    }
}
