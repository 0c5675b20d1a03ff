internal import CKernels

/// One update with momentum on a run of one parameter at that parameter's own rate.
///
/// Source: You, Gitman and Ginsburg 2017, "Large batch training of convolutional networks", algorithm 1.
package struct LARSRule: Sendable {
    private var rule: CKernels_LARS

    /// `rate` is the global rate times the local one.
    package init(rate: Double, momentum: Double, weightDecay: Double, gradientScale: Float) {
        // A rate beyond float32 belongs to a gradient that is next to nothing: infinity times its zeros would be NaN.
        rule = CKernels_LARS(
            rate: Float(min(rate, Double(Float.greatestFiniteMagnitude))), momentum: Float(momentum),
            weightDecay: Float(weightDecay),
            gradientScale: gradientScale)
    }

    /// trust · |w| / (|g| + decay · |w|): how far a parameter may move, relative to its size; 1 where either norm is 0,
    /// with or without decay.
    package static func localRate(trust: Double, weightNorm: Double, gradientNorm: Double, weightDecay: Double)
        -> Double
    {
        guard weightNorm > 0, gradientNorm > 0 else { return 1 }
        return trust * weightNorm / (gradientNorm + weightDecay * weightNorm)
    }

    package func apply(
        gradients: UnsafePointer<Float>, count: Int, weights: UnsafeMutablePointer<Float>,
        velocities: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: rule) {
            KernelSet.inUse.table.pointee.lars_f32($0, gradients, Int64(count), weights, velocities)
        }
    }
}
