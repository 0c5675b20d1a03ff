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

/// What a group of samples adds up to; adding two of them in a fixed order is how shards and ranks are joined.
package struct Score: Equatable, Sendable {
    /// Σ of the samples' losses.
    package var loss = 0.0
    /// What the sum is divided by for the mean loss.
    package var divisor = 0.0
    package var samples = 0.0
    /// Samples whose label has the highest logit, and whose label is among the five highest.
    package var correct1 = 0.0
    package var correct5 = 0.0

    package init() {}

    package static let fieldCount = 5

    package var fields: [Double] { [loss, divisor, samples, correct1, correct5] }

    /// The first `fieldCount` numbers of a vector that travels between ranks.
    package init(reading vector: UnsafeMutableBufferPointer<Double>) {
        (loss, divisor, samples, correct1, correct5) = (vector[0], vector[1], vector[2], vector[3], vector[4])
    }

    package func write(to vector: UnsafeMutableBufferPointer<Double>) {
        (vector[0], vector[1], vector[2], vector[3], vector[4]) = (loss, divisor, samples, correct1, correct5)
    }

    package static func + (left: Score, right: Score) -> Score {
        var sum = Score()
        sum.loss = left.loss + right.loss
        sum.divisor = left.divisor + right.divisor
        sum.samples = left.samples + right.samples
        sum.correct1 = left.correct1 + right.correct1
        sum.correct5 = left.correct5 + right.correct5
        return sum
    }

    package var meanLoss: Double { loss / divisor }
    /// Fractions 0…1.
    package var accuracy1: Double { correct1 / samples }
    package var accuracy5: Double { correct5 / samples }
}

extension Score {
    /// The sums of one call of a loss kernel.
    init(_ sums: CKernels_Score) {
        loss = sums.loss
        divisor = sums.divisor
        samples = sums.samples
        correct1 = sums.correct1
        correct5 = sums.correct5
    }
}
