package import DataParallel
package import Tensors

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

    fileprivate static let nothing = SampleOutcome()

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

/// What a network makes of each sample of a split, collected from all ranks.
package struct Predictions {
    private let batches: EvaluationBatches
    private let loss: Loss
    private var own: [SampleOutcome]
    private var probabilities: [Float] = []

    /// Stands for a sample without a prediction.
    package static let none: Int32 = -1

    package init(_ batches: EvaluationBatches, loss: Loss) {
        self.batches = batches
        self.loss = loss
        own = [SampleOutcome](repeating: .nothing, count: batches.rounds * batches.batchSize)
    }

    /// The class of the highest logit, the first one of equals; `none` when a logit is NaN or infinite, as the accuracies
    /// count it.
    package static func predicted(_ logits: UnsafeBufferPointer<Float>) -> Int32 {
        guard logits.allSatisfy(\.isFinite) else { return none }
        var highest = 0
        for index in logits.indices where logits[index] > logits[highest] { highest = index }
        return Int32(highest)
    }

    /// Takes note of what this rank has computed in a round; `labels` are those of all samples.
    package mutating func add(
        round: Int, _ samples: Range<Int>, labels: [Int32], _ logits: (_ place: Int) -> UnsafeBufferPointer<Float>
    ) {
        for (place, sample) in samples.enumerated() {
            let row = logits(place)
            if probabilities.count < row.count { probabilities = [Float](repeating: 0, count: row.count) }
            own[round * batches.batchSize + place] = SampleOutcome(
                logits: row, truth: labels[sample], loss: loss, probabilities: &probabilities)
        }
    }

    /// Those of all samples in file order. Collective; equal on all ranks.
    package func gathered(over communicator: any Communicator) throws -> [SampleOutcome] {
        let all = try communicator.allGather(values: own)
        return (0..<batches.count).flatMap { batch in
            let (round, rank) = batch.quotientAndRemainder(dividingBy: batches.ranks)
            let start = rank * own.count + round * batches.batchSize
            return all[start..<start + batches.samples(ofBatch: batch).count]
        }
    }
}

extension Evaluator {
    /// `score`, and what the network makes of every sample in file order. Collective; equal on all ranks.
    package func scoreEach(
        weights: UnsafeMutableBufferPointer<Float>, afterRound: RoundHandler = { _, _, _ in }
    ) throws -> (score: Score, outcomes: [SampleOutcome]) {
        var predictions = Predictions(batches, loss: loss)
        let score = try score(weights: weights) { round, samples, logits in
            predictions.add(round: round, samples, labels: labels, logits)
            try afterRound(round, samples, logits)
        }
        return (score, try predictions.gathered(over: communicator))
    }
}
