internal import CKernels
internal import Tensors

extension OptimizerSetting {
    static let betas = OptimizerSetting(
        "betas", "what the running means of gradients and their squares keep of themselves in a step",
        ValueForm(expected: "two numbers from 0, below 1", isList: true) { section, key in
            let betas = try section.list(key, expected: "two numbers from 0, below 1 in float32") { text in
                Double(text).flatMap {
                    $0 >= 0 && Float($0) < 1 && SinglePrecision.misfit($0) == nil ? $0 : nil
                }
            }
            guard betas == nil || betas?.count == 2 else {
                throw section.failure(
                    key, "has \(betas?.count ?? 0) values, expected two numbers from 0, below 1")
            }
            return betas
        } text: {
            "[\($0[0]), \($0[1])]"
        }, \.optimizer.betas)
}

extension OptimizerKind {
    private static let adamSettings: [OptimizerSetting] = [.learningRate, .betas, .epsilon, .weightDecay, .noDecay]
    private static let adamVectors = [OptimizerVector("exp_avg", \.means), OptimizerVector("exp_avg_sq", \.squares)]

    package static let adam = OptimizerKind(
        name: "adam", settings: adamSettings, vectors: { _ in adamVectors }, make: Adam.init)

    package static let adamw = OptimizerKind(
        name: "adamw", settings: adamSettings, setDefaults: { $0.weightDecay = 0.01 }, vectors: { _ in adamVectors },
        make: Adam.init)
}

/// torch.optim.Adam (Kingma and Ba 2014) and AdamW (Loshchilov and Hutter 2017), whose decay shrinks the weights
/// themselves; without amsgrad.
final class Adam: Optimizer {
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
        KernelSet.inUse.table.pointee.adam_f32(
            &rule, memory.gradients + block.start, Int64(block.count), vectors.weights, vectors.means, vectors.squares)
    }

    func bound(gradient: Double, parameter: Int, _ magnitudes: inout Magnitudes) -> Double {
        let rule = rule(of: parameter)
        let step = gradient + Double(rule.weightDecay) * magnitudes.weights
        let far = step + magnitudes.means
        magnitudes.means = max(step, magnitudes.means)
        magnitudes.squares = Double(rule.beta2) * magnitudes.squares + Double(rule.oneMinusBeta2) * step * step
        let way = Double(rule.stepSize) * magnitudes.means
        let root = magnitudes.squares.squareRoot() / Double(rule.secondCorrection)
        magnitudes.weights = magnitudes.weights * Double(abs(rule.shrink)) + way / Double(rule.epsilon)
        return far + way + root
    }

    private func rule(of parameter: Int) -> CKernels_Adam {
        let (update, weightDecay) = (memory.update(update, of: parameter), memory.weightDecay(of: parameter))
        let isDecoupled = options.kind == .adamw
        let (beta1, beta2) = (options.betas[0], options.betas[1])
        let first = 1 - Power.of(beta1, update.number)
        let second = (1 - Power.of(beta2, update.number)).squareRoot()
        return CKernels_Adam(
            stepSize: Float(update.learningRate / first), oneMinusBeta1: Float(1 - beta1), beta2: Float(beta2),
            oneMinusBeta2: Float(1 - beta2), secondCorrection: Float(second), epsilon: Float(options.epsilon),
            weightDecay: isDecoupled ? 0 : Float(weightDecay),
            shrink: isDecoupled ? Float(1 - update.learningRate * weightDecay) : 1,
            gradientScale: update.gradientScale)
    }
}
