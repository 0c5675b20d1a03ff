internal import CKernels
internal import Tensors

extension OptimizerSetting {
    static let dampening = OptimizerSetting(
        "dampening", "the share of the gradient that the velocity leaves out", .share, \.optimizer.dampening)
    static let nesterov = OptimizerSetting(
        "nesterov", "whether a step goes by the velocity after it", .boolean, \.optimizer.nesterov,
        check: { configuration, section in
            guard configuration.optimizer.nesterov else { return }
            if configuration.optimizer.momentum == 0 {
                throw section.failure("nesterov", "= true needs a momentum above 0")
            }
            if configuration.optimizer.dampening != 0 {
                throw section.failure("nesterov", "= true needs dampening 0")
            }
        })
}

extension OptimizerKind {
    package static let sgd = OptimizerKind(
        name: "sgd", settings: [.learningRate, .momentum, .dampening, .nesterov, .weightDecay, .noDecay],
        vectors: { $0.momentum == 0 ? [] : [.momentum] }, make: StochasticGradientDescent.init)
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
        var rule = rule(of: block.parameter)
        KernelSet.inUse.table.pointee.sgd_f32(
            &rule, memory.gradients + block.start, Int64(block.count), vectors.weights, vectors.velocities)
    }

    func bound(gradient: Double, parameter: Int, _ magnitudes: inout Magnitudes) -> Double {
        let rule = rule(of: parameter)
        let step = gradient + Double(rule.weightDecay) * magnitudes.weights
        if rule.momentum == 0 {
            magnitudes.weights += Double(rule.rate) * step
            return step
        }
        magnitudes.velocities = Double(rule.momentum) * magnitudes.velocities + Double(rule.fresh) * step
        let way = step + magnitudes.velocities
        magnitudes.weights += Double(rule.rate) * way
        return way
    }

    private func rule(of parameter: Int) -> CKernels_SGD {
        let update = memory.update(update, of: parameter)
        return CKernels_SGD(
            rate: Float(update.learningRate), momentum: Float(options.momentum),
            weightDecay: Float(memory.weightDecay(of: parameter)), gradientScale: update.gradientScale,
            fresh: update.number == 1 ? 1 : Float(1 - options.dampening),
            nesterov: options.nesterov ? 1 : 0)
    }
}
