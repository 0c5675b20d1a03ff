internal import CKernels
internal import Tensors

extension OptimizerSetting {
    static let alpha = OptimizerSetting(
        "alpha", "what the running mean of squared gradients keeps of itself in a step", .fraction, \.optimizer.alpha)
    static let centered = OptimizerSetting(
        "centered", "whether the mean of the gradients is taken off before they are squared", .boolean,
        \.optimizer.centered)
}

extension OptimizerKind {
    package static let rmsprop = OptimizerKind(
        name: "rmsprop",
        settings: [.learningRate, .alpha, .epsilon, .momentum, .centered, .weightDecay, .noDecay],
        setDefaults: { ($0.learningRate, $0.momentum) = (0.01, 0) },
        vectors: {
            [OptimizerVector("square_avg", \.squares)] + ($0.centered ? [OptimizerVector("grad_avg", \.means)] : [])
                + ($0.momentum == 0 ? [] : [.momentum])
        },
        make: RMSprop.init)
}

/// torch.optim.RMSprop (Tieleman and Hinton 2012), centered (Graves 2013) or not, with momentum or without.
///
/// Numerics: centered, a variance that rounding makes negative counts as 0, where PyTorch takes the root of it.
final class RMSprop: Optimizer {
    private let options: Configuration.Optimizer
    private let memory: OptimizerMemory
    private var update = Update(number: 1, learningRate: 0, gradientScale: 1)

    init(_ options: Configuration.Optimizer, _ memory: OptimizerMemory) {
        self.options = options
        self.memory = memory
    }

    func prepare(_ update: Update) { self.update = update }

    func apply(to block: UpdateBlocks.Block, _ vectors: OptimizerVectors) {
        var rule = rule(of: block.parameter)
        KernelSet.inUse.table.pointee.rmsprop_f32(
            &rule, memory.gradients + block.start, Int64(block.count), vectors.weights, vectors.squares, vectors.means,
            vectors.velocities)
    }

    func bound(gradient: Double, parameter: Int, _ magnitudes: inout Magnitudes) -> Double {
        let rule = rule(of: parameter)
        let step = gradient + Double(rule.weightDecay) * magnitudes.weights
        let far = step + magnitudes.means
        magnitudes.means = max(step, magnitudes.means)
        magnitudes.squares = Double(rule.alpha) * magnitudes.squares + Double(rule.oneMinusAlpha) * step * step
        let share = step / Double(rule.epsilon)
        let way = Double(rule.rate) * step
        if rule.momentum == 0 {
            magnitudes.weights += way / Double(rule.epsilon)
        } else {
            magnitudes.velocities = Double(rule.momentum) * magnitudes.velocities + share
            magnitudes.weights += Double(rule.rate) * magnitudes.velocities
        }
        // The square of the mean is taken off that of the gradients.
        return far + way + share + magnitudes.means * magnitudes.means
    }

    private func rule(of parameter: Int) -> CKernels_RMSprop {
        let update = memory.update(update, of: parameter)
        return CKernels_RMSprop(
            rate: Float(update.learningRate), alpha: Float(options.alpha), oneMinusAlpha: Float(1 - options.alpha),
            epsilon: Float(options.epsilon), momentum: Float(options.momentum),
            weightDecay: Float(memory.weightDecay(of: parameter)), gradientScale: update.gradientScale)
    }
}
