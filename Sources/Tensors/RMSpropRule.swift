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

    /// Raises bounds of weights and sums to those after an update with mean gradients up to `gradient`; returns a bound of
    /// every other number on the way.
    package func bound(
        gradient: Double, weight: inout Double, square: inout Double, mean: inout Double, velocity: inout Double
    ) -> Double {
        let step = gradient + Double(rule.weightDecay) * weight
        let far = step + mean
        mean = max(step, mean)
        square = Double(rule.alpha) * square + Double(rule.oneMinusAlpha) * step * step
        let share = step / Double(rule.epsilon)
        let way = Double(rule.rate) * step
        if rule.momentum == 0 {
            weight += way / Double(rule.epsilon)
        } else {
            velocity = Double(rule.momentum) * velocity + share
            weight += Double(rule.rate) * velocity
        }
        // The square of the mean is taken off that of the gradients.
        return far + way + share + mean * mean
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
