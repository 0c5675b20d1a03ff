package import DataParallel

/// The class that a network gives each sample of a split, collected from all ranks.
package struct Predictions {
    private let batches: EvaluationBatches
    private var own: [Int32]

    /// Stands for a sample without a prediction.
    package static let none: Int32 = -1

    package init(_ batches: EvaluationBatches) {
        self.batches = batches
        own = [Int32](repeating: Self.none, count: batches.rounds * batches.batchSize)
    }

    /// The class of the highest logit, the first one of equals; `none` when a logit is NaN or infinite, as the accuracies
    /// count it.
    package static func predicted(_ logits: UnsafeBufferPointer<Float>) -> Int32 {
        guard logits.allSatisfy(\.isFinite) else { return none }
        var highest = 0
        for index in logits.indices where logits[index] > logits[highest] { highest = index }
        return Int32(highest)
    }

    /// Takes note of what this rank has computed in a round.
    package mutating func add(
        round: Int, _ samples: Range<Int>, _ logits: (_ place: Int) -> UnsafeBufferPointer<Float>
    ) {
        for place in 0..<samples.count { own[round * batches.batchSize + place] = Self.predicted(logits(place)) }
    }

    /// The predictions of all samples in file order. Collective; equal on all ranks.
    package func gathered(over communicator: any Communicator) throws -> [Int32] {
        let all = try communicator.allGather(values: own)
        return (0..<batches.count).flatMap { batch in
            let (round, rank) = batch.quotientAndRemainder(dividingBy: batches.ranks)
            let start = rank * own.count + round * batches.batchSize
            return all[start..<start + batches.samples(ofBatch: batch).count]
        }
    }
}
