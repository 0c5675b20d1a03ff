package import DataParallel
package import Datasets
package import Layers
package import Tensors

/// Scores a split: fixed blocks of samples in file order, dealt to the ranks, every sample exactly once.
///
/// The blocks' scores are added in block order, so that any number of ranks gives the same bits.
package final class Evaluator {
    package let split: DatasetSplit
    /// Called after every pass of a block: a sign of life for whoever watches.
    package var afterPass: () -> Void {
        get { plan.afterPass }
        set { plan.afterPass = newValue }
    }
    private let plan: ExecutionPlan
    private let blockSamples: Int
    private let communicator: any Communicator

    /// Throws: `ShapeMismatch`, `Arena.OutOfMemory`.
    package init(
        network: Network, split: DatasetSplit, blockSamples: Int, loss: Loss = .crossEntropy(), input: PixelConversion,
        communicator: any Communicator, pool: ThreadPool
    ) throws {
        self.split = split
        self.blockSamples = blockSamples
        self.communicator = communicator
        var options = PlanOptions()
        options.loss = loss
        plan = try network.plan(
            imagesPerShard: blockSamples, shards: 1, mode: .evaluation, options: options, input: input, pool: pool)
    }

    /// The score of the whole split with these weights. Collective; equal on all ranks.
    package func score(weights: UnsafeMutableBufferPointer<Float>) throws -> Score {
        let blocks = (split.count + blockSamples - 1) / blockSamples
        let ranks = communicator.size
        let rounds = (blocks + ranks - 1) / ranks
        var own = [Double](repeating: 0, count: rounds * Score.fieldCount)
        for round in 0..<rounds {
            let block = round * ranks + communicator.rank
            guard block < blocks else { break }
            let score = try scoreBlock(block, weights: weights)
            own.withUnsafeMutableBufferPointer {
                score.write(to: UnsafeMutableBufferPointer(rebasing: $0[(round * Score.fieldCount)...]))
            }
        }
        var all = [Double](repeating: 0, count: own.count * ranks)
        try own.withUnsafeBytes { block in
            try all.withUnsafeMutableBytes { try communicator.allGather(block, into: $0) }
        }
        return all.withUnsafeMutableBufferPointer { all in
            (0..<blocks).reduce(Score()) { sum, block in
                let (round, rank) = block.quotientAndRemainder(dividingBy: ranks)
                let start = (rank * rounds + round) * Score.fieldCount
                return sum + Score(reading: UnsafeMutableBufferPointer(rebasing: all[start...]))
            }
        }
    }

    private func scoreBlock(_ block: Int, weights: UnsafeMutableBufferPointer<Float>) throws -> Score {
        let first = block * blockSamples
        var count = Int32(min(blockSamples, split.count - first))
        return try split.labels.withUnsafeBufferPointer { labels in
            try plan.run(
                images: split.images.baseAddress! + first * split.imageBytes, labels: labels.baseAddress! + first,
                counts: &count, weights: UnsafePointer(weights.baseAddress!), gradients: nil)[0]
        }
    }
}
