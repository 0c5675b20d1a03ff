internal import Diagnostics
package import Report
internal import Tensors

/// What a network makes of one labelled sample.
package struct SampleOutcome: BitwiseCopyable, Equatable, Sendable {
    /// The class; `Predictions.none` where an output is not finite.
    package let predicted: Int32
    /// Of the predicted and of the true class: the softmax of the outputs; after training with squared errors the outputs.
    package let probability: Float
    package let truthProbability: Float
    /// How far the highest output lies above that of the true class: exact where probabilities are rounded to 0 and 1.
    package let margin: Float

    /// `probabilities` is overwritten and takes as many numbers as there are logits.
    init(logits: UnsafeBufferPointer<Float>, truth: Int32, loss: Loss, probabilities: UnsafeMutablePointer<Float>) {
        predicted = Predictions.predicted(logits)
        guard predicted != Predictions.none else {
            (probability, truthProbability, margin) = (0, 0, .infinity)
            return
        }
        var values = UnsafePointer(logits.baseAddress!)
        if case .crossEntropy = loss {
            ChannelSoftmax.forward(x: values, classes: logits.count, area: 1, y: probabilities)
            values = UnsafePointer(probabilities)
        }
        (probability, truthProbability) = (values[Int(predicted)], values[Int(truth)])
        margin = logits[Int(predicted)] - logits[Int(truth)]
    }

    private init() { (predicted, probability, truthProbability, margin) = (Predictions.none, 0, 0, 0) }

    static let nothing = SampleOutcome()

    /// Whether the network is further from the truth here: a lower probability of the true class; of equals the larger margin.
    private func isWorse(than other: SampleOutcome) -> Bool {
        truthProbability != other.truthProbability
            ? truthProbability < other.truthProbability : margin > other.margin
    }

    /// The numbers of the samples whose true class has the lowest probability, the worst first; of equals the first in the file.
    package static func worst(_ outcomes: [SampleOutcome], count: Int) -> [Int] {
        var worst: [Int] = []
        guard count > 0 else { return worst }
        for (sample, outcome) in outcomes.enumerated() {
            if worst.count == count {
                guard outcome.isWorse(than: outcomes[worst[count - 1]]) else { continue }
                worst.removeLast()
            }
            worst.insert(
                sample, at: worst.firstIndex { outcome.isWorse(than: outcomes[$0]) } ?? worst.count)
        }
        return worst
    }
}

/// What a network makes of all samples of a split, in file order.
package struct SampleOutcomes: Equatable, Sendable {
    /// As the network numbers its classes.
    package let truths: [Int32]
    package let outcomes: [SampleOutcome]

    package var predictions: [Int32] { outcomes.map(\.predicted) }

    package func matrix(classNames: [String]) -> ConfusionMatrix {
        ConfusionMatrix(classNames: classNames, truths: truths, predictions: predictions)
    }

    /// The true class, what the sample is taken for, and the probabilities: "Shirt", "taken for Coat", "97.1 %, true 0.2 %".
    package func words(of sample: Int, classNames: [String]) -> (
        truth: String, predicted: String, probabilities: String
    ) {
        func percent(_ probability: Float) -> String { NumberText.percent(Double(probability), 1) }
        func name(_ number: Int32) -> String { classNames[Int(number)].printable }
        let (truth, outcome) = (truths[sample], outcomes[sample])
        if outcome.predicted == Predictions.none { return (name(truth), "no prediction:", "outputs not finite") }
        let isRight = outcome.predicted == truth
        return (
            name(truth), isRight ? "right" : "taken for " + name(outcome.predicted),
            percent(outcome.probability) + (isRight ? "" : ", true \(percent(outcome.truthProbability))")
        )
    }
}
