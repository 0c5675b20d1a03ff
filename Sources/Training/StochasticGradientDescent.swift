internal import Tensors

/// torch.optim.SGD: momentum with dampening, Nesterov's or not.
final class StochasticGradientDescent: Optimizer {
    private let options: Configuration.Optimizer
    private let memory: OptimizerMemory
    private let weights: UnsafeMutablePointer<Float>
    private let velocities: UnsafeMutablePointer<Float>
    private var update = Update(number: 1, learningRate: 0, gradientScale: 1)

    init(_ options: Configuration.Optimizer, _ memory: OptimizerMemory) {
        self.options = options
        self.memory = memory
        weights = memory.weights
        // Without momentum the rule does not touch them.
        velocities = memory.slot("momentum") ?? memory.weights
    }

    func prepare(_ update: Update) { self.update = update }

    func apply(to block: UpdateBlocks.Block) {
        let rule = SGDRule(
            learningRate: Float(update.learningRate), momentum: Float(options.momentum),
            weightDecay: Float(memory.decays[block.parameter]), nesterov: options.nesterov,
            gradientScale: update.gradientScale, fresh: update.number == 1 ? 1 : Float(1 - options.dampening))
        rule.apply(
            gradients: memory.gradients + block.start, count: block.count, weights: weights + block.start,
            velocities: velocities + block.start)
    }
}
