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
