package import DataParallel
internal import Datasets
internal import Diagnostics
package import Layers
package import Tensors

/// Scores a checkpoint on a split, the way training does: the same blocks, the same path, the same bits.
package final class EvaluationSession {
    package let checkpoint: Checkpoint
    package let dataFile: String
    package let splitName: String
    package let classNames: [String]
    private let evaluator: Evaluator
    private let state: ModelState
    private let communicator: any Communicator

    /// What an evaluation finds out, equal on all ranks.
    package struct Result {
        package let score: Score
        /// True and predicted class of every sample in file order; `Predictions.none` where there is none.
        package let truths: [Int32]
        package let predictions: [Int32]
    }

    /// Opens everything; `data` and `split` default to those of the checkpoint's own run. Collective.
    ///
    /// Throws: `Failure`, the same on every rank.
    package init(
        checkpointPath: String, data: String?, split: String?, threads: Int?, models: [String],
        communicator: any Communicator,
        makeModel: ModelMaker
    ) throws {
        BLAS.useOneThread()
        let checkpoint = try RankAgreement.together(communicator) { try CheckpointFile.read(checkpointPath) }
        let configuration = try Configuration(
            yaml: checkpoint.header.configuration, file: "\(checkpointPath):config", assignments: [], models: models,
            defaults: Configuration())
        let dataFile = data ?? configuration.data.file
        let splitName = split ?? configuration.evaluate.split
        let (dataset, samples) = try RankAgreement.together(communicator) {
            let dataset = try DatasetFile(path: dataFile)
            return (dataset, try dataset.split(splitName))
        }
        try RankAgreement.check(
            [.init("dataset digest", dataset.digest), .init("kernel set", Machine.kernelSet)], over: communicator)
        let header = checkpoint.header
        let images = [samples.channels, samples.height, samples.width]
        guard images == header.input, dataset.classes.count == header.classes.count else {
            throw Failure(
                .configuration,
                "\(dataFile): images \(images) in \(dataset.classes.count) classes, but \(checkpointPath) was "
                    + "trained on \(header.input) in \(header.classes.count)")
        }
        let description = try configuration.model.description(
            input: Shape(header.input), classes: header.classes.count, makeModel)
        let network = try Network(description)
        let state = ModelState(parameterList: network.parameterList)
        try checkpoint.restoreWeights(state, path: checkpointPath)
        try RankAgreement.check(
            [
                .init("weights (SHA-256)", state.weightsDigest()), .init("split", splitName),
                .init("evaluate.batch_size", "\(configuration.evaluate.batchSize)"),
            ], over: communicator)
        let pool = try ThreadPool(
            threads: threads ?? Machine.defaultThreads(localRanks: communicator.localSize))
        evaluator = try Evaluator(
            network: network, split: samples, blockSamples: configuration.evaluate.batchSize,
            loss: configuration.planOptions.loss,
            input: Normalization(mean: header.inputMean, std: header.inputStd).conversion(for: samples),
            communicator: communicator, pool: pool)
        self.state = state
        self.checkpoint = checkpoint
        self.dataFile = dataFile
        self.splitName = splitName
        self.communicator = communicator
        classNames = dataset.classes
    }

    /// Collective; equal on all ranks.
    package func run() throws -> Result {
        var predictions = Predictions(evaluator.blocks)
        let score = try evaluator.score(weights: state.weights) { round, samples, logits in
            predictions.add(round: round, samples, logits)
        }
        return Result(
            score: score, truths: evaluator.split.labels, predictions: try predictions.gathered(over: communicator))
    }
}
