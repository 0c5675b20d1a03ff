package import DataParallel
internal import Datasets
internal import Diagnostics
internal import Files
package import Layers
package import Tensors

/// Scores weights on a split, the way training does: the same batches, the same path, the same bits.
package final class EvaluationSession {
    /// Where network and weights come from.
    package enum Source {
        /// A checkpoint of ours; assignments reach the configuration of its run.
        case checkpoint(path: String, assignments: [String])
        /// A file of weights for the network that a configuration names.
        case weights(path: String, Configuration)
    }

    /// What an evaluation finds out, equal on all ranks.
    package struct Result {
        package let score: Score
        package let each: SampleOutcomes

        /// True and predicted class of every sample in file order; `Predictions.none` where there is none.
        package var truths: [Int32] { each.truths }
        package var predictions: [Int32] { each.predictions }
    }

    package let modelName: String
    package let dataFile: String
    /// The files that it names.
    package let dataPaths: [String]
    package let splitName: String
    /// In the order of the network's outputs.
    package let classNames: [String]
    /// What the user should know about how data and weights were brought together.
    package let notes: [String]
    /// How a file of weights and the network went together; nil for a checkpoint.
    package let weightsTable: String?
    private let sourcePath: String
    private let dataset: Dataset
    /// The split of the file that the samples are in, and which of it they are; nil: all.
    private let storedSplit: String
    private let heldOut: [Int]?
    private let evaluator: Evaluator
    private let state: ModelState
    private let communicator: any Communicator
    private let loss: Loss

    /// Opens everything; `data` and `split` default to those of the configuration. Collective.
    ///
    /// Throws: `Failure`, the same on every rank.
    package init(
        source: Source, data: String?, split: String?, threads: Int?, models: [String],
        communicator: any Communicator, makeModel: ModelMaker
    ) throws {
        try RankAgreement.together(communicator) { try BLAS.load() }
        let subject = try RankAgreement.together(communicator) { try EvaluationSubject(source, models: models) }
        let configuration = subject.configuration
        let paths = data.map { [$0] } ?? configuration.data.files
        let dataFile = paths.joined(separator: ", ")
        let splitName = split ?? configuration.evaluate.split
        let (dataset, samples, storedSplit, heldOut) = try RankAgreement.together(communicator) {
            let dataset = try Self.dataset(paths, configuration.data.roles, isStored: data == nil)
            let heldOut =
                splitName == Configuration.heldOutSplit ? try Self.heldOut(configuration.data.fold, of: dataset) : nil
            let storedSplit = heldOut == nil ? splitName : "train"
            let split = try dataset.split(storedSplit)
            let samples =
                heldOut.map { SelectedSamples(split, samples: $0, name: splitName) as any SampleSource } ?? split
            guard communicator.localRank == 0 else { return (dataset, samples, storedSplit, heldOut) }
            // Standard output carries the result.
            func say(_ text: String) { if communicator.rank == 0 { StandardError.line(text) } }
            for warning in try dataset.checkPixels(of: [storedSplit], onLongWork: say) {
                say("warning: \(warning)")
            }
            return (dataset, samples, storedSplit, heldOut)
        }
        try RankAgreement.check([.init("dataset digest", dataset.digest)], over: communicator)
        let input = samples.networkShape
        try subject.check(input: input.dimensions, classes: dataset.classes.count, dataFile: dataFile)
        let match = try subject.match(classes: dataset.classes, dataFile: dataFile)
        let description = try configuration.model.description(input: input, classes: dataset.classes.count, makeModel)
        let state: ModelState
        let network: Network
        do {
            network = try Network(description)
            try RankAgreement.together(communicator) {
                try MemoryLimit.check(
                    [("parameters and buffers", network.parameterList.count * MemoryLayout<Float>.stride)],
                    localRanks: communicator.localSize)
            }
            state = ModelState(parameterList: network.parameterList)
        } catch let error as ShapeMismatch {
            throw Failure(.configuration, "\(error); the images of \(dataFile) are \(input)")
        }
        try subject.check(network, dataFile: dataFile)
        let weightsMatch = try RankAgreement.together(communicator) { try subject.restore(state) }
        let arithmetic = try RankAgreement.together(communicator) {
            try network.arithmetic(mode: .evaluation, options: configuration.planOptions)
        }
        try RankAgreement.check(
            [
                .init("weights (SHA-256)", state.weightsDigest()), .init("split", splitName),
                .init("arithmetic", arithmetic),
                .init("evaluate.batch_size", "\(configuration.evaluate.batchSize)"),
            ], over: communicator)
        let normalization = try subject.normalization(for: samples, file: dataFile)
        evaluator = try RankAgreement.together(communicator) {
            do {
                return try Evaluator(
                    network: network, split: samples, labels: match.labels(samples.labels),
                    batchSize: configuration.evaluate.batchSize,
                    loss: configuration.loss, engine: configuration.engine,
                    convolution: configuration.convolution, input: normalization.conversion(for: samples),
                    communicator: communicator,
                    pool: ThreadPool(threads: threads ?? Machine.defaultThreads(localRanks: communicator.localSize)))
            } catch let error as Arena.OutOfMemory {
                throw Failure(.internalError, "\(error); lower evaluate.batch_size (--set evaluate.batch_size=…)")
            }
        }
        self.state = state
        self.dataFile = dataFile
        dataPaths = paths
        self.splitName = splitName
        self.communicator = communicator
        loss = configuration.loss
        modelName = configuration.model.name
        classNames = match.names
        weightsTable = weightsMatch?.table
        notes = [match.note(dataFile: dataFile, path: subject.path)].compactMap { $0 }
        sourcePath = subject.path
        self.dataset = dataset
        self.storedSplit = storedSplit
        self.heldOut = heldOut
    }

    /// A path that a run keeps counts from where it was started, which is said where nothing is there.
    private static func dataset(_ paths: [String], _ roles: DatasetRoles, isStored: Bool) throws -> Dataset {
        do {
            return try Dataset(paths: paths, roles: roles)
        } catch let failure as Failure
            where failure.code == .inputMissing && isStored && paths.contains(where: { !$0.hasPrefix("/") })
        {
            throw Failure(
                .inputMissing,
                "\(paths.joined(separator: ", ")): no such file here. The path counts from the folder in which the run was started: evaluate there, or "
                    + "name the data with --data")
        }
    }

    /// The training images that the fold of the configuration holds out.
    private static func heldOut(_ fold: Configuration.Fold?, of dataset: Dataset) throws -> [Int] {
        guard let fold else {
            throw Failure(
                .configuration,
                "the split \(Configuration.heldOutSplit) is what data.fold holds out, and none is set; set data.fold=1/5, or name "
                    + "another split: \(dataset.splitNames.joined(separator: ", "))")
        }
        return try TrainingSamples.heldOut(fold, labels: dataset.split("train").labels, path: dataset.path)
    }

    /// The true class of each sample in file order, as the network numbers them.
    package var truths: [Int32] { evaluator.labels }

    /// What the samples are called in results, in file order. Throws: `Failure`.
    package func sampleNames() throws -> [String] {
        let names = try dataset.imageNames(of: storedSplit)
        return heldOut.map { $0.map { names[$0] } } ?? names
    }

    /// Rank 0 is handed the `top` most probable classes of every sample, in file order.
    package struct EachPrediction {
        package var top: Int
        package var use: (_ sample: Int, _ prediction: Prediction) throws -> Void

        package init(top: Int, use: @escaping (_ sample: Int, _ prediction: Prediction) throws -> Void) {
            (self.top, self.use) = (top, use)
        }
    }

    /// Scores the split, and writes every sample's logits to a file if one is named. Collective; equal on all ranks.
    ///
    /// `each` is given on all ranks or on none.
    package func run(logitsPath: String? = nil, each: EachPrediction? = nil) throws -> Result {
        let logitsFile = try RankAgreement.together(communicator) { try logitsPath.map(makeLogitsFile) }
        let (score, outcomes) = try evaluator.scoreEach(weights: state.weights) { round, samples, logits in
            try logitsFile?.add(round: round, samples, logits)
            guard let each else { return }
            let own = (0..<samples.count).map { Prediction(logits: logits($0), top: each.top, loss: loss) }
            try PredictionRound.gather(own, round: round, batches: evaluator.batches, over: communicator, use: each.use)
        }
        try RankAgreement.together(communicator) { try logitsFile?.commit() }
        return Result(score: score, each: SampleOutcomes(truths: evaluator.labels, outcomes: outcomes))
    }

    /// The images of the split as pictures.
    package var pictures: SamplePictures { SamplePictures(evaluator.split) }

    /// The score of the split with every image moved in each direction of a displacement. Collective; equal on all ranks.
    ///
    /// Throws: as `check` does.
    package func run(under displacement: Displacement) throws -> DisplacedScore {
        try check(displacement)
        let images = evaluator.split
        return DisplacedScore(
            displacement: displacement,
            directions: try displacement.directions.map { name, movement in
                (name, try evaluator.score(weights: state.weights, images: MovedSamples(images, movement)))
            })
    }

    /// Whether the images can be moved so.
    ///
    /// Throws: `Failure`: 78 for float32 images, 64 for a shift that leaves nothing of them.
    package func check(_ displacement: Displacement) throws {
        let images = evaluator.split
        guard images.pixelType == .uint8 else {
            throw Failure(
                .configuration, "\(dataFile): the images are float32, expected uint8, which --under moves")
        }
        guard images.slices == nil else {
            throw Failure(.configuration, "\(dataFile): holds volumes, expected images, which --under moves")
        }
        if case .shift(let pixels) = displacement, pixels >= min(images.height, images.width) {
            throw Failure(
                .usage,
                "--under \(displacement): the images are \(images.height)×\(images.width), expected a shift that leaves "
                    + "something of them")
        }
    }

    private func makeLogitsFile(_ path: String) throws -> LogitsFile {
        return try LogitsFile(
            path: path, labels: evaluator.labels, classNames: classNames, batches: evaluator.batches,
            attributes: [
                ("model", .string(modelName)), ("weights", .string(FilePath.name(of: sourcePath))),
                ("weights_sha256", .string(state.weightsDigest())), ("data", .string(FilePath.name(of: dataFile))),
                ("dataset_digest", .string(dataset.digest)), ("split", .string(splitName)),
                ("kernel_set", .string(Machine.kernelSet)), ("build", .string("swift-train \(Machine.version)")),
            ], communicator: communicator)
    }
}
