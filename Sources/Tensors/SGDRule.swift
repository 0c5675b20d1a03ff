internal import CKernels

/// One update of torch.optim.SGD on a run of parameters, from a gradient sum that is multiplied by `gradientScale` first.
package struct SGDRule: Sendable {
    package var learningRate: Float
    package var momentum: Float
    package var weightDecay: Float
    package var nesterov: Bool
    package var gradientScale: Float
    /// What a gradient counts in the velocity: 1 − dampening, except in the first update, where it is 1.
    package var fresh: Float

    package init(
        learningRate: Float, momentum: Float, weightDecay: Float, nesterov: Bool, gradientScale: Float,
        fresh: Float = 1
    ) {
        self.learningRate = learningRate
        self.momentum = momentum
        self.weightDecay = weightDecay
        self.nesterov = nesterov
        self.gradientScale = gradientScale
        self.fresh = fresh
    }

    /// Raises bounds of weights and velocities to those after an update with mean gradients up to `gradient`; returns a bound
    /// of every other number on the way.
    package func bound(gradient: Double, weight: inout Double, velocity: inout Double) -> Double {
        let step = gradient + Double(weightDecay) * weight
        if momentum == 0 {
            weight += Double(learningRate) * step
            return step
        }
        velocity = Double(momentum) * velocity + Double(fresh) * step
        let way = step + velocity
        weight += Double(learningRate) * way
        return way
    }

    /// With momentum 0 the velocities are neither read nor written.
    package func apply(
        gradients: UnsafePointer<Float>, count: Int, weights: UnsafeMutablePointer<Float>,
        velocities: UnsafeMutablePointer<Float>
    ) {
        var rule = CKernels_SGD(
            rate: learningRate, momentum: momentum, weightDecay: weightDecay, gradientScale: gradientScale,
            fresh: fresh, nesterov: nesterov ? 1 : 0)
        KernelSet.inUse.table.pointee.sgd_f32(&rule, gradients, Int64(count), weights, velocities)
    }
}
