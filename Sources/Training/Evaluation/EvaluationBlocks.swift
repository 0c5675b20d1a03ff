/// How a split falls into blocks of fixed size and how these are dealt to ranks, one a rank and round.
package struct EvaluationBlocks: Equatable, Sendable {
    package let sampleCount: Int
    /// Samples of a block; only the last one may be short.
    package let blockSamples: Int
    package let ranks: Int

    package var count: Int { (sampleCount + blockSamples - 1) / blockSamples }
    package var rounds: Int { (count + ranks - 1) / ranks }

    /// The block that a rank scores in a round, or nil when none is left for it.
    package func block(round: Int, rank: Int) -> Int? {
        let block = round * ranks + rank
        return block < count ? block : nil
    }

    /// The samples of a block, in file order.
    package func samples(ofBlock block: Int) -> Range<Int> {
        block * blockSamples..<min((block + 1) * blockSamples, sampleCount)
    }

    /// The samples that a rank scores in a round; empty when none are left for it.
    package func samples(round: Int, rank: Int) -> Range<Int> {
        block(round: round, rank: rank).map(samples(ofBlock:)) ?? 0..<0
    }
}
