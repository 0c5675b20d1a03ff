package import DataParallel
package import Datasets
internal import Diagnostics
package import Layers
internal import Synchronization
package import Tensors

/// Scores a split: fixed batches of samples in file order, dealt to the ranks, every sample exactly once.
///
/// The batches' scores are added in batch order, so that any number of ranks gives the same bits.
package final class Evaluator {
    package let split: any SampleSource
    /// Class numbers as the network has them.
    package let labels: [Int32]
    /// Of the network.
    package let classes: Int
    package let batches: EvaluationBatches
    /// Called after every pass of a batch: a sign of life for whoever watches.
    package var afterPass: () -> Void {
        get { plan.afterPass }
        set { plan.afterPass = newValue }
    }
    /// Bytes of the plan's arena.
    package var arenaBytes: Int { plan.arenaBytes }
    private let plan: ExecutionPlan
    let loss: Loss
    let communicator: any Communicator
    private let pool: ThreadPool
    /// The images and labels of a batch.
    private let batch: Batch

    /// What this rank has just computed: the logits of `samples` of the split, by their place among these.
    package typealias RoundHandler = (
        _ round: Int, _ samples: Range<Int>, _ logits: @escaping (_ place: Int) -> UnsafeBufferPointer<Float>
    ) throws -> Void

    /// `labels` are the split's own unless the network numbers its classes otherwise; `part` is the one that the split's samples
    /// are for. Throws: `ShapeMismatch`, `Arena.OutOfMemory`.
    package init(
        network: Network, split: any SampleSource, labels: [Int32]? = nil, batchSize: Int,
        loss: Loss = .crossEntropy(), engine: EngineChoice = .auto,
        convolution: ConvolutionChoice = .direct, part: NetworkPart = .whole, input: PixelConversion,
        communicator: any Communicator, pool: ThreadPool
    ) throws {
        // What a batch has room for beyond the split decides no bits.
        let batchSize = min(batchSize, max(1, split.count))
        self.split = split
        classes = network.description.classes
        self.labels = labels ?? split.labels
        batches = EvaluationBatches(sampleCount: split.count, batchSize: batchSize, ranks: communicator.size)
        self.loss = loss
        self.communicator = communicator
        self.pool = pool
        batch = Batch(
            shards: 1, imagesPerShard: min(batchSize, split.count), imageBytes: split.imageBytes)
        var options = PlanOptions()
        options.loss = loss
        options.engine = engine
        options.convolution = convolution
        options.part = part
        plan = try network.plan(
            imagesPerShard: batchSize, shards: 1, mode: .evaluation, options: options, input: input, pool: pool)
    }

    /// Rounds after which the ranks learn of each other's failures, so that none finishes a split in vain.
    private static let roundsTogether = 8

    /// The score of the whole split with these weights. Collective; equal on all ranks.
    ///
    /// `images` are other ones of the same samples, in place of the split's own.
    /// `afterRound` is called on all ranks after each round, also on those that had no batch left; it may communicate.
    /// Throws: `Failure`, the same on all ranks, when one of them cannot read its samples; what `afterRound` throws; the
    ///         communicator's errors.
    package func score(
        weights: UnsafeMutableBufferPointer<Float>, images: (any SampleSource)? = nil,
        afterRound: RoundHandler = { _, _, _ in }
    ) throws -> Score {
        let images = images ?? split
        precondition(images.count == split.count && images.imageBytes == split.imageBytes, "images of other samples")
        let (rounds, ranks) = (batches.rounds, communicator.size)
        var own = [Double](repeating: 0, count: rounds * Score.fieldCount)
        var failure: Failure?
        for round in 0..<rounds {
            let samples = batches.samples(round: round, rank: communicator.rank)
            // The others count on this rank in what `afterRound` does, whatever becomes of its batches.
            if !samples.isEmpty, failure == nil {
                do {
                    try readBatch(samples, of: images)
                } catch let error as Failure {
                    failure = error
                }
            }
            if !samples.isEmpty, failure == nil {
                let score = try scoreBatch(weights: weights)
                own.withUnsafeMutableBufferPointer {
                    score.write(to: UnsafeMutableBufferPointer(rebasing: $0[(round * Score.fieldCount)...]))
                }
            }
            try afterRound(round, samples, plan.logits(ofSlot:))
            let isTimeToAgree = ranks > 1 && round % Self.roundsTogether == Self.roundsTogether - 1
            if try isTimeToAgree && communicator.largest(failure == nil ? 0 : 1) > 0 { break }
        }
        try RankAgreement.agreeOnFailure(failure, over: communicator)
        var all = try communicator.allGather(values: own)
        return all.withUnsafeMutableBufferPointer { all in
            (0..<batches.count).reduce(Score()) { sum, batch in
                let (round, rank) = batch.quotientAndRemainder(dividingBy: ranks)
                let start = (rank * rounds + round) * Score.fieldCount
                return sum + Score(reading: UnsafeMutableBufferPointer(rebasing: all[start...]))
            }
        }
    }

    private func readBatch(_ samples: Range<Int>, of images: any SampleSource) throws {
        try batch.read(samples, of: images, pool: pool)
        for (slot, sample) in samples.enumerated() {
            batch.labels[slot] = labels[sample]
            batch.ids[slot] = Int64(sample)
        }
    }

    private func scoreBatch(weights: UnsafeMutableBufferPointer<Float>) throws -> Score {
        try plan.run(
            images: batch.images, labels: batch.labels, counts: batch.counts,
            weights: UnsafePointer(weights.baseAddress!), gradients: nil)[0]
    }
}

extension Batch {
    /// Fills the first slots of its only shard with the images of samples. Throws: `Failure`.
    func read(
        _ samples: some RandomAccessCollection<Int> & Sendable, of source: any SampleSource, pool: ThreadPool
    ) throws {
        let (images, bytes) = (images, imageBytes)
        let failure = Mutex<(any Error)?>(nil)
        pool.run(samples.count) { slot, _ in
            do {
                let sample = samples[samples.index(samples.startIndex, offsetBy: slot)]
                try source.fill(images + slot * bytes, sample: sample)
            } catch {
                failure.withLock { $0 = $0 ?? error }
            }
        }
        if let error = failure.withLock({ $0 }) { throw error }
        counts[0] = Int32(samples.count)
        try source.confirm()
    }
}

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
