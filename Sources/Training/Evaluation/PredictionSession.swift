package import DataParallel
package import Datasets
internal import Diagnostics
internal import Digests
internal import Layers
package import Tensors

/// Classifies images that have no labels, with the preparation that the network was trained with.
package final class PredictionSession {
    private let trained: TrainedNetwork
    private let communicator: any Communicator
    private let pool: ThreadPool

    /// Values of the images of a batch: enough to keep all threads busy, little beside the activations.
    private static let batchValues = 32 * 3 * 224 * 224
    private static let smallestBatch = 8

    package var modelName: String { trained.modelName }
    /// In the order of the network's outputs.
    package var classNames: [String] { trained.classNames }
    /// The image that the network takes, [C, H, W].
    package var input: Shape { trained.input }
    /// What the data of the run says was done to its pictures; empty where it says nothing.
    package var preprocessing: String { trained.preprocessing }

    /// What is taken for granted of the images, where the file of weights does not say it.
    package var assumption: String? { trained.assumption }

    /// `open` reads the network on every rank. Collective. Throws: `Failure`, the same on every rank.
    package init(
        threads: Int?, communicator: any Communicator, _ open: () throws -> TrainedNetwork
    ) throws {
        try RankAgreement.together(communicator) { try BLAS.load() }
        let trained = try RankAgreement.together(communicator, open)
        let arithmetic = try RankAgreement.together(communicator) {
            try trained.network.arithmetic(mode: .evaluation, options: trained.configuration.planOptions)
        }
        try RankAgreement.check(
            [.init("weights (SHA-256)", trained.state.weightsDigest()), .init("arithmetic", arithmetic)],
            over: communicator)
        self.trained = trained
        self.communicator = communicator
        pool = try RankAgreement.together(communicator) {
            try ThreadPool(threads: threads ?? Machine.defaultThreads(localRanks: communicator.localSize))
        }
    }

    /// Predicts the `top` most probable classes of every image; rank 0 hands them to `use` in the order of the list. Collective.
    ///
    /// The batches that images are computed in follow from their number alone: any number of ranks gives the same bits.
    /// Throws: `Failure`, the same on every rank, for lists that differ and for what makes all images unreadable; what `use`
    /// throws.
    package func run(
        _ images: any ImageList, top: Int, use: (_ image: Int, _ prediction: Prediction) throws -> Void
    ) throws {
        try RankAgreement.check(
            [.init("images", "\(images.count), names (SHA-256) \(Self.digest(ofNames: images))")],
            over: communicator)
        let (network, configuration) = (trained.network, trained.configuration)
        let batchSize = min(
            images.count, configuration.evaluate.batchSize, max(Self.smallestBatch, Self.batchValues / input.count))
        let batches = EvaluationBatches(
            sampleCount: images.count, batchSize: batchSize, ranks: communicator.size)
        let input = trained.conversion(images.pixelType)
        let options = configuration.planOptions
        let (plan, batch) = try RankAgreement.together(communicator) {
            do {
                try MemoryLimit.check(
                    [
                        ("parameters and buffers", network.parameterList.count * MemoryLayout<Float>.stride),
                        (
                            "activations and scratch",
                            try network.planBytes(
                                imagesPerShard: batchSize, shards: 1, mode: .evaluation, options: options,
                                threads: pool.threads)
                        ),
                    ], localRanks: communicator.localSize)
                return (
                    try network.plan(
                        imagesPerShard: batchSize, shards: 1, mode: .evaluation, options: options, input: input,
                        pool: pool),
                    Batch(shards: 1, imagesPerShard: batchSize, imageBytes: input.imageByteCount)
                )
            } catch let error as Arena.OutOfMemory {
                throw Failure(.internalError, "\(error)")
            }
        }
        for round in 0..<batches.rounds {
            let samples = batches.samples(round: round, rank: communicator.rank)
            let own = try RankAgreement.together(communicator) {
                samples.isEmpty ? [] : try predict(samples, of: images, plan, batch, top: top)
            }
            try PredictionRound.gather(own, round: round, batches: batches, over: communicator, use: use)
        }
    }

    private static func digest(ofNames images: any ImageList) -> String {
        var hash = SHA256()
        for image in 0..<images.count { hash.update(images.name(of: image) + "\n") }
        return hash.hexadecimal()
    }

    private func predict(
        _ samples: Range<Int>, of images: any ImageList, _ plan: ExecutionPlan, _ batch: Batch, top: Int
    ) throws -> [Prediction] {
        let unreadable = try images.load(samples, into: batch.images, pool: pool)
        // What could not be had is computed as black, so that its neighbours' bits do not depend on what the memory held.
        for (slot, reason) in unreadable.enumerated() {
            batch.labels[slot] = 0
            guard reason != nil else { continue }
            (batch.images + slot * batch.imageBytes).initializeMemory(
                as: UInt8.self, repeating: 0, count: batch.imageBytes)
        }
        batch.counts[0] = Int32(samples.count)
        _ = try plan.run(
            images: batch.images, labels: batch.labels, counts: batch.counts,
            weights: UnsafePointer(trained.state.weights.baseAddress!), gradients: nil)
        return unreadable.enumerated().map { slot, reason in
            reason.map(Prediction.none)
                ?? Prediction(logits: plan.logits(ofSlot: slot), top: top, loss: trained.configuration.loss)
        }
    }
}
