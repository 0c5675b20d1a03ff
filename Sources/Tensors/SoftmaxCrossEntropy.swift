internal import CKernels

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

/// Softmax cross-entropy of rows of logits against one label each.
///
/// Shapes: logits [samples, classes], labels [samples] in 0 ..< classes, dlogits as logits: the gradient of the summed
/// (not the mean) loss; losses [samples]: each sample's own. nil to leave either out.
/// Numerics: computed in float64, one sample after the other, gradients rounded once.
package enum SoftmaxCrossEntropy {
    package static func score(
        logits: UnsafePointer<Float>, labels: UnsafePointer<Int32>, samples: Int, classes: Int,
        dlogits: UnsafeMutablePointer<Float>?, losses: UnsafeMutablePointer<Double>? = nil
    ) -> Score {
        var sums = CKernels_Score()
        CKernels_crossEntropy_f32__portable(logits, labels, Int64(samples), Int64(classes), &sums, dlogits, losses)
        var score = Score()
        score.loss = sums.loss
        score.divisor = sums.divisor
        score.samples = sums.samples
        score.correct1 = sums.correct1
        score.correct5 = sums.correct5
        return score
    }
}
