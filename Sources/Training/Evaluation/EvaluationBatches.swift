/// How a split falls into batches of fixed size and how these are dealt to ranks, one a rank and round.
package struct EvaluationBatches: Equatable, Sendable {
    package let sampleCount: Int
    /// Samples of a batch; only the last one may be short.
    package let batchSize: Int
    package let ranks: Int

    package var count: Int { (sampleCount + batchSize - 1) / batchSize }
    package var rounds: Int { (count + ranks - 1) / ranks }

    /// The batch that a rank scores in a round, or nil when none is left for it.
    package func batch(round: Int, rank: Int) -> Int? {
        let batch = round * ranks + rank
        return batch < count ? batch : nil
    }

    /// The samples of a batch, in file order.
    package func samples(ofBatch batch: Int) -> Range<Int> {
        batch * batchSize..<min((batch + 1) * batchSize, sampleCount)
    }

    /// The samples that a rank scores in a round; empty when none are left for it.
    package func samples(round: Int, rank: Int) -> Range<Int> {
        batch(round: round, rank: rank).map(samples(ofBatch:)) ?? 0..<0
    }
}
