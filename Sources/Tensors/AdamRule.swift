internal import CKernels

/// One update of torch.optim.Adam or AdamW on a run of parameters, from a gradient sum that is multiplied by
/// `gradientScale` first.
package struct AdamRule: Sendable {
    private var rule: CKernels_Adam

    /// `update` counts from 1. `decoupled`: the decay shrinks the weights themselves (AdamW) instead of joining the gradient.
    package init(
        learningRate: Double, betas: (Double, Double), epsilon: Double, weightDecay: Double, decoupled: Bool,
        update: Int, gradientScale: Float
    ) {
        let first = 1 - Power.of(betas.0, update)
        let second = (1 - Power.of(betas.1, update)).squareRoot()
        rule = CKernels_Adam(
            stepSize: Float(learningRate / first), oneMinusBeta1: Float(1 - betas.0), beta2: Float(betas.1),
            oneMinusBeta2: Float(1 - betas.1), secondCorrection: Float(second), epsilon: Float(epsilon),
            weightDecay: decoupled ? 0 : Float(weightDecay),
            shrink: decoupled ? Float(1 - learningRate * weightDecay) : 1, gradientScale: gradientScale)
    }

    /// Raises bounds of weights and sums to those after an update with mean gradients up to `gradient`; returns a bound of
    /// every other number on the way.
    package func bound(gradient: Double, weight: inout Double, mean: inout Double, square: inout Double) -> Double {
        let step = gradient + Double(rule.weightDecay) * weight
        let far = step + mean
        mean = max(step, mean)
        square = Double(rule.beta2) * square + Double(rule.oneMinusBeta2) * step * step
        let way = Double(rule.stepSize) * mean
        let root = square.squareRoot() / Double(rule.secondCorrection)
        weight = weight * Double(abs(rule.shrink)) + way / Double(rule.epsilon)
        return far + way + root
    }

    /// `means` and `squares` are PyTorch's exp_avg and exp_avg_sq.
    package func apply(
        gradients: UnsafePointer<Float>, count: Int, weights: UnsafeMutablePointer<Float>,
        means: UnsafeMutablePointer<Float>, squares: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: rule) {
            KernelSet.inUse.table.pointee.adam_f32($0, gradients, Int64(count), weights, means, squares)
        }
    }
}
