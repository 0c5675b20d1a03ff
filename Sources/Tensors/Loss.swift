internal import CKernels

/// What training makes small: a function of rows of logits and what they should have been, summed over samples.
///
/// Shapes: logits [samples, classes], labels [samples] in 0 ..< classes; dlogits as logits: the gradient of the summed (not the
/// mean) loss; losses [samples]: each sample's own. nil leaves either out. `targets` [samples, classes], where given, take
/// the place of the labels in the loss: probabilities for cross-entropy.
/// Numerics: computed in float64, one sample after the other, gradients rounded once.
/// Source: torch.nn.functional.cross_entropy and mse_loss with reduction "sum"; the score's divisor gives "mean".
package enum Loss: Equatable, Sendable {
    /// Softmax cross-entropy; `labelSmoothing` in 0...1, `classWeights` one a class or none.
    case crossEntropy(labelSmoothing: Double = 0, classWeights: [Float] = [])
    /// Squared differences from one-hot rows, or from `targets`.
    case meanSquaredError

    package func score(
        logits: UnsafePointer<Float>, labels: UnsafePointer<Int32>, targets: UnsafePointer<Float>? = nil, samples: Int,
        classes: Int, dlogits: UnsafeMutablePointer<Float>?, losses: UnsafeMutablePointer<Double>? = nil
    ) -> Score {
        var sums = CKernels_Score()
        let (samples, classCount) = (Int64(samples), Int64(classes))
        switch self {
        case .crossEntropy(let smoothing, let weights):
            precondition(weights.isEmpty || weights.count == classes, "\(weights.count) weights of \(classes) classes")
            weights.withUnsafeBufferPointer { weights in
                var options = CKernels_CrossEntropy(
                    labelSmoothing: smoothing, classWeights: weights.isEmpty ? nil : weights.baseAddress)
                CKernels_crossEntropy_f32__reference(
                    &options, logits, labels, targets, samples, classCount, &sums, dlogits, losses)
            }
        case .meanSquaredError:
            CKernels_squaredError_f32__reference(
                logits, labels, targets, samples, classCount, &sums, dlogits, losses)
        }
        return Score(sums)
    }
}
