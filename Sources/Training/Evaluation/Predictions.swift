package import DataParallel
package import Tensors

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
