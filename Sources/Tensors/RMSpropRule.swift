internal import CKernels

/// One update of torch.optim.RMSprop on a run of parameters, from a gradient sum that is multiplied by `gradientScale`
/// first.
///
/// Numerics: centered, a variance that rounding makes negative counts as 0, where PyTorch takes the root of it.
package struct RMSpropRule: Sendable {
    private var rule: CKernels_RMSprop

    package init(
        learningRate: Double, alpha: Double, epsilon: Double, momentum: Double, weightDecay: Double,
        gradientScale: Float
    ) {
        rule = CKernels_RMSprop(
            rate: Float(learningRate), alpha: Float(alpha), oneMinusAlpha: Float(1 - alpha), epsilon: Float(epsilon),
            momentum: Float(momentum), weightDecay: Float(weightDecay), gradientScale: gradientScale)
    }

    /// `squares`, `means` and `velocities` are PyTorch's square_avg, grad_avg (nil unless centered) and momentum_buffer (nil
    /// with momentum 0).
    package func apply(
        gradients: UnsafePointer<Float>, count: Int, weights: UnsafeMutablePointer<Float>,
        squares: UnsafeMutablePointer<Float>, means: UnsafeMutablePointer<Float>?,
        velocities: UnsafeMutablePointer<Float>?
    ) {
        precondition(velocities != nil || rule.momentum == 0, "momentum without velocities")
        withUnsafePointer(to: rule) {
            KernelSet.inUse.table.pointee.rmsprop_f32(
                $0, gradients, Int64(count), weights, squares, means, velocities)
        }
    }
}
