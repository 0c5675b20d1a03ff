internal import Tensors

/// torch.optim.RMSprop (Tieleman and Hinton 2012), centered (Graves 2013) or not, with momentum or without.
final class RMSprop: Optimizer {
    private let options: Configuration.Optimizer
    private let memory: OptimizerMemory
    private let weights: UnsafeMutablePointer<Float>
    private let squares: UnsafeMutablePointer<Float>
    private let means: UnsafeMutablePointer<Float>?
    private let velocities: UnsafeMutablePointer<Float>?
    private var update = Update(number: 1, learningRate: 0, gradientScale: 1)

    init(_ options: Configuration.Optimizer, _ memory: OptimizerMemory) {
        self.options = options
        self.memory = memory
        weights = memory.weights
        guard let squares = memory.slot("square_avg") else { preconditionFailure("RMSprop without its slots") }
        self.squares = squares
        means = memory.slot("grad_avg")
        velocities = memory.slot("momentum")
    }

    func prepare(_ update: Update) { self.update = update }

    func apply(to block: UpdateBlocks.Block) {
        let rule = RMSpropRule(
            learningRate: update.learningRate, alpha: options.alpha, epsilon: options.epsilon,
            momentum: options.momentum, weightDecay: memory.decays[block.parameter],
            gradientScale: update.gradientScale)
        rule.apply(
            gradients: memory.gradients + block.start, count: block.count, weights: weights + block.start,
            squares: squares + block.start, means: means.map { $0 + block.start },
            velocities: velocities.map { $0 + block.start })
    }
}
