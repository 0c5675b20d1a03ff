package import DataParallel
internal import Datasets
package import Diagnostics
internal import Files
internal import Foundation
package import Layers
internal import Report
internal import Tensors

/// Makes a run from a configuration: opens and compares everything on all ranks before anything is written.
///
/// `makeModel` describes the networks that have a name.
package final class TrainingSession {
    package struct Options {
        package var runDirectory: String?
        package var resume: ResumePoint?
        /// Whether the run folder may hold a run already, which then goes on (or starts anew if it saved nothing).
        package var mayContinue = false
        /// Where a run goes on: a file of weights that was named for this start, to compare with those it began from.
        package var namedWeights: String?
        package var threads: Int?
        /// Learn a few samples by heart, without a run folder unless one is named.
        package var overfit: Overfit?
        /// Warnings alone on the terminal; the run folder keeps all lines.
        package var isQuiet = false
        package var command: [String] = []
        /// Names of the networks that exist.
        package var models: [String] = []

        package init() {}
    }

    /// As the run goes by it; a run that goes on keeps the engine that it has had.
    let configuration: Configuration
    /// As it was given, which is what is kept of it.
    private let stated: Configuration
    let communicator: any Communicator
    let activity: Activity
    let options: Options
    let dataset: Dataset
    let training: any SampleSource
    let evaluation: any SampleSource
    /// Which layers are trained in which epoch.
    let periods: TrainingPeriods
    /// The period that the run begins or goes on in.
    let firstPeriod: Int
    /// That period's.
    var network: Network { periods[firstPeriod].network }
    let layout: ShardLayout
    /// Which samples the steps take.
    private let samples: TrainingSamples
    /// Of what the run reads.
    let dataDigest: String
    var plan: EpochPlan { samples.plan }
    var geometry: BatchGeometry { plan.geometry }
    let pool: ThreadPool
    let input: PixelConversion
    let normalization: Normalization
    /// Random changes of the training images; nil: none.
    let augmentation: Augmentation?
    /// What a new run starts from, on rank 0.
    private let initialWeights: InitialWeights?
    /// The digest of what the run started from; empty: random weights.
    private var initialWeightsDigest = ""
    /// Threads that gather the batches.
    let readers: Int
    /// Where rank 0 keeps the run, once it has begun.
    package private(set) var runFolderPath: String?
    /// Whether this is a run, and no dry one, which leaves nothing behind.
    private(set) var isWriting = false
    /// What frozen layers make of the images of a period, once it is computed.
    private(set) var features: [Int: (training: FeatureSamples, evaluation: FeatureSamples)] = [:]
    /// What the user should hear of the data.
    private let dataWarnings: [String]

    /// Collective. Throws: `Failure`, the same on every rank.
    package init(
        configuration: Configuration, options: Options, communicator: any Communicator,
        makeModel: ModelMaker
    ) throws {
        let stated = options.overfit?.adapted(configuration) ?? configuration
        var configuration = stated
        if let former = options.resume?.checkpoint.header.engine {
            configuration.engine = stated.engine.goingOn(with: former)
        }
        let activity = Activity()
        let communicator = communicator.size > 1 ? WatchedCommunicator(communicator, activity: activity) : communicator
        self.configuration = configuration
        self.stated = stated
        self.options = options
        self.communicator = communicator
        self.activity = activity
        try RankAgreement.together(communicator) { try BLAS.load() }
        try RankAgreement.check(Self.facts(of: configuration), over: communicator)
        let readers = configuration.data.readers ?? Machine.defaultReaders(localRanks: communicator.localSize)
        self.readers = readers
        layout = try ShardLayout(
            shards: configuration.shards, ranks: communicator.size, rank: communicator.rank)
        let (dataset, training, samples, evaluation) = try RankAgreement.together(communicator) {
            let dataset = try Dataset(
                paths: configuration.data.files, roles: configuration.data.roles,
                chunks: configuration.data.shuffle == .blocks ? .streamed : .inMemory(threads: readers))
            guard dataset.splitNames.contains("train") else {
                throw Failure(
                    .badData,
                    "\(dataset.path): has the splits \(dataset.splitNames.joined(separator: ", ")), expected one named "
                        + "train to train on; convert the source again")
            }
            let training = try dataset.split("train")
            if let overfit = options.overfit {
                let few = try overfit.split(of: training, seed: configuration.seed, file: dataset.path)
                let samples = try TrainingSamples(
                    configuration, of: few, classes: dataset.classes, path: dataset.path)
                return (dataset, few, samples, few)
            }
            let samples = try TrainingSamples(
                configuration, of: training, classes: dataset.classes, path: dataset.path)
            guard configuration.evaluate.split == Configuration.heldOutSplit, let heldOut = samples.heldOut else {
                return (dataset, training, samples, try dataset.split(configuration.evaluate.split))
            }
            let evaluation = SelectedSamples(training, samples: heldOut, name: Configuration.heldOutSplit)
            return (dataset, training, samples, evaluation)
        }
        dataDigest = samples.digest(ofDataset: dataset.digest)
        try RankAgreement.check([.init("dataset digest", dataDigest)], over: communicator)
        dataWarnings = try Self.checkPixels(of: dataset, isQuiet: options.isQuiet, over: communicator)
        try options.resume?.check(stated, datasetDigest: dataDigest, models: options.models)
        self.dataset = dataset
        self.samples = samples
        self.training = training
        self.evaluation = evaluation
        normalization = try Normalization(configuration.data.normalize, split: training, file: dataset.path)
        augmentation = try Self.augmentation(configuration.data.augment, of: training, file: dataset.path)
        if configuration.data.mix != nil, training.pixelType != .uint8 {
            throw Failure(
                .configuration,
                "data.mix: the images of \(dataset.path) are float32, expected uint8, which it works on")
        }
        if let mix = configuration.data.mix, training.slices != nil, mix.mixing.cutsBoxes {
            throw Failure(
                .configuration,
                "data.mix: \(dataset.path) holds volumes \(training.sizeText), expected images, which CutMix takes boxes of; MixUp "
                    + "mixes volumes too")
        }
        periods = try TrainingPeriods(
            configuration, try Self.network(configuration, dataset: dataset, makeModel),
            perEpoch: samples.plan.geometry.stepsPerEpoch)
        firstPeriod = periods.number(
            afterSteps: options.resume?.checkpoint.header.step ?? 0, perEpoch: samples.plan.geometry.stepsPerEpoch)
        let arithmetic = try RankAgreement.together(communicator) { [periods] in
            try Self.arithmetic(of: periods.map(\.network), configuration)
        }
        try RankAgreement.check([.init("arithmetic", arithmetic)], over: communicator)
        let network = periods[firstPeriod].network
        initialWeights = try Self.initialWeights(
            configuration, options, network: network, classes: dataset.classes, over: communicator)
        input = normalization.conversion(for: training)
        for period in periods {
            try RunChecks(configuration, geometry: samples.plan.geometry, network: period.network).check()
        }
        let threads = options.threads ?? Machine.defaultThreads(localRanks: communicator.localSize)
        pool = try RankAgreement.together(communicator) { try ThreadPool(threads: threads) }
    }

    /// Trains. Collective. Returns what the process ends with. Throws: `Failure`, or the communicator's errors.
    package func run(environment: [String: String]) throws -> ExitCode {
        isWriting = true
        let machinery = try prepare()
        let step = machinery.step
        let recorder = try RankAgreement.together(communicator) {
            try makeRecorder(engine: step.plan.engine, environment: environment)
        }
        do {
            return try train(machinery, recorder, environment: environment)
        } catch {
            recorder?.fail(error)
            throw error
        }
    }

    private func train(
        _ machinery: Trainer.Machinery, _ recorder: RunRecorder?, environment: [String: String]
    ) throws -> ExitCode {
        let step = machinery.step
        let arenaBytes = try largestArena(of: step)
        let neighbours = try Watchdog.neighbours(of: communicator)
        let watchdog = try RankAgreement.together(communicator) {
            try Watchdog(
                activity: activity, rank: communicator.rank, neighbours: neighbours, limits: configuration.watchdog)
        }
        defer { withExtendedLifetime(watchdog) {} }
        if !isAtEnd(of: firstPeriod), try !computeFeatures(machinery) {
            throw Failure(
                .stoppedEarly,
                "asked to stop while the values behind frozen layers were computed, before the first step: nothing to save"
            )
        }
        let trainer = try Trainer(
            configuration: configuration, machinery: machinery,
            periods: Trainer.Periods(
                plan: periods, make: { [self] period, former in try makeMachinery(period) { $0.takeOver(former) } },
                prepare: computeFeatures),
            feed: Trainer.Feed(
                plan: plan, augmentation: augmentation, mixing: configuration.data.mix?.mixing,
                readers: readers),
            course: Trainer.Course(
                header: try header(engine: step.plan.engine), resume: options.resume,
                targetLoss: options.overfit.map { _ in Overfit.targetLoss }),
            recorder: recorder, communicator: communicator, activity: activity)
        recorder?.start(startFacts(step: step, arenaBytes: arenaBytes))
        for row in weightsRows { recorder?.line(row) }
        if let note = initialWeights?.note(normalization) { recorder?.line("note  \(note)") }
        for warning in dataWarnings + warnings() { recorder?.warn(warning) }
        if let resume = options.resume { announce(resume, engine: step.plan.engine, recorder, trainer.progress) }
        let code = try trainer.run()
        if code == .done { try options.overfit?.judge(trainer.progress, recorder) }
        return code
    }

    /// Whether the run goes on where a period has neither a step nor an evaluation left.
    private func isAtEnd(of period: Int) -> Bool {
        guard let header = options.resume?.checkpoint.header, !header.hasPendingEvaluation else { return false }
        return periods[...period].indices.reduce(0) {
            $0 + periods.steps(of: $1, length: configuration.length, perEpoch: geometry.stepsPerEpoch)
        } <= header.step
    }

    /// Allocates what training needs and gives the state its first values, or those of the checkpoint. Collective.
    ///
    /// `period` is the one that the run begins or goes on in, or a later one, which takes over from that.
    func prepare(_ period: Int? = nil) throws -> Trainer.Machinery {
        guard let period, period != firstPeriod else { return try makeMachinery(firstPeriod, fill: begin) }
        try RankAgreement.together(communicator) {
            try MemoryLimit.check(try memoryNeed(from: period), localRanks: communicator.localSize)
        }
        let former = ModelState(
            parameterList: network.parameterList, optimizerVectors: configuration.optimizer.vectors.map(\.name),
            averages: configuration.averaging != nil)
        try begin(former)
        return try makeMachinery(period) { $0.takeOver(former) }
    }

    private func begin(_ state: ModelState) throws {
        if let resume = options.resume {
            try resume.checkpoint.restore(state, path: resume.path)
            initialWeightsDigest = resume.checkpoint.header.initialWeights
        } else {
            state.initialize(seed: configuration.seed)
            if configuration.weights != nil { try loadInitialWeights(into: state) }
        }
    }

    /// Allocates what trains the layers of a period and fills its state; `computeFeatures` is due before a batch is read. Collective.
    private func makeMachinery(_ period: Int, fill: (ModelState) throws -> Void) throws -> Trainer.Machinery {
        let network = periods[period].network
        let value = steadyValue(period)
        features = features.filter { $0.key >= period }
        let machinery = try RankAgreement.together(communicator) {
            do {
                try MemoryLimit.check(try memoryNeed(from: period), localRanks: communicator.localSize)
                if let value, features[period] == nil {
                    features[period] = (
                        FeatureSamples(
                            training, network: network, value: value, options: configuration.planOptions,
                            ranks: communicator.size),
                        FeatureSamples(
                            evaluation, network: network, value: value, options: configuration.planOptions,
                            ranks: communicator.size)
                    )
                }
                return Trainer.Machinery(
                    period: period, step: try makeStep(network, period), evaluator: try makeEvaluator(network, period),
                    samples: features[period]?.training ?? training)
            } catch let error as Arena.OutOfMemory {
                throw Failure(
                    .internalError,
                    "\(error); lower batch_size or use more ranks"
                        + (value == nil ? "" : ", or set frozen_features=every_step"))
            } catch let error as ShapeMismatch {
                throw Failure(.configuration, "\(error)")
            }
        }
        try fill(machinery.step.state)
        return machinery
    }

    /// A word from rank 0, lost without harm.
    func say(_ text: String) {
        if communicator.rank == 0, !options.isQuiet { StandardOutput.note(text) }
    }

    /// Rank 0 reads the file, which the hosts of the others may not see, and all have what it read. Collective.
    private func loadInitialWeights(into state: ModelState) throws {
        let digest = try RankAgreement.together(communicator) { try initialWeights?.load(into: state) ?? "" }
        initialWeightsDigest = String(decoding: try communicator.broadcast(Array(digest.utf8), from: 0), as: UTF8.self)
        try communicator.broadcast(UnsafeMutableRawBufferPointer(state.weights), from: 0)
        _ = state.average?.update(from: state.weights)
    }

    /// Opens the file of weights of a new run on rank 0; of a run that goes on it compares the file that was named, if it is
    /// there. Collective.
    private static func initialWeights(
        _ configuration: Configuration, _ options: Options, network: Network, classes: [String],
        over communicator: any Communicator
    ) throws -> InitialWeights? {
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return nil }
            func open(_ path: String) throws -> InitialWeights {
                try InitialWeights(path, head: configuration.head, network: network, classes: classes)
            }
            guard let resume = options.resume else { return try configuration.weights.map(open) }
            guard let path = options.namedWeights else { return nil }
            do {
                let state = ModelState(parameterList: network.parameterList)
                try resume.check(weights: path, digest: open(path).load(into: state))
            } catch let failure as Failure where failure.code == .inputMissing {
                // The checkpoint has all that is needed.
            }
            return nil
        }
    }

    private func announce(
        _ resume: ResumePoint, engine: String, _ recorder: RunRecorder?, _ progress: TrainingProgress
    ) {
        for warning in resume.warnings { recorder?.warn("\(warning); using an earlier checkpoint") }
        if let (before, now) = resume.checkpoint.header.otherKernels(engine: engine, kernelSet: Machine.kernelSet) {
            recorder?.warn(
                "the run so far used \(before), here it goes on with \(now): the weights will differ in their last bits "
                    + "from an uninterrupted run's")
        }
        recorder?.line(
            progress.hasStalled
                ? "\(resume.path) is the end of its run"
                : progress.isFinished
                    ? "\(resume.path) has all \(progress.stepsDone) steps"
                    : "resuming from \(resume.path) after step \(progress.stepsDone)")
    }

    // ---- Parts

    /// Compares the pixels with the stored digests, which the run's and the checkpoints' digest is made of. One rank of each
    /// host reads what the host reads: disks differ, and network file systems may show each host something else; on a shared
    /// one every host reads the file once. Collective.
    private static func checkPixels(
        of dataset: Dataset, isQuiet: Bool, over communicator: any Communicator
    ) throws -> [String] {
        try RankAgreement.together(communicator) {
            guard communicator.localRank == 0 else { return [] }
            return try dataset.checkPixels { text in
                guard communicator.rank == 0, !isQuiet else { return }
                StandardOutput.note(text)
            }
        }
    }

    private static func facts(of configuration: Configuration) -> [RankAgreement.Fact] {
        configuration.entries.map { .init($0.key, $0.value) } + [.init("program (SHA-256)", Machine.programDigest())]
    }

    /// What of a processor decides the bits of a run: of training and evaluation in each of its periods, and, with frozen layers,
    /// of what goes over parts of the network, which lanes do not.
    private static func arithmetic(of networks: [Network], _ configuration: Configuration) throws -> String {
        do {
            let options = configuration.planOptions
            let words = try networks.flatMap { network in
                var parts = options
                parts.part = .front(until: network.stages.count)
                return try [ExecutionPlan.Mode.training, .evaluation].map {
                    try network.arithmetic(mode: $0, options: options)
                } + (configuration.freeze == .none ? [] : [network.arithmetic(mode: .evaluation, options: parts)])
            }
            return Set(words).sorted().joined(separator: ", ")
        } catch let error as ShapeMismatch {
            throw Failure(.configuration, "\(error)")
        }
    }

    private static func augmentation(
        _ configured: ConfiguredAugmentation?, of images: any SampleSource, file: String
    ) throws -> Augmentation? {
        guard let configured else { return nil }
        guard images.slices == nil || configured.transforms.isEmpty else {
            throw Failure(
                .configuration,
                "data.augment: \(file) holds volumes \(images.sizeText), expected images, which the transforms change")
        }
        guard images.pixelType == .uint8 else {
            throw Failure(
                .configuration,
                "data.augment: the images of \(file) are float32, expected uint8, which the transforms work on")
        }
        let shape = ImageShape(height: images.height, width: images.width, channels: images.channels)
        let augmentation: Augmentation
        do {
            augmentation = try Augmentation(configured.transforms, input: shape)
        } catch {
            throw Failure(.configuration, "data.augment: \(error); the images are those of \(file)")
        }
        guard augmentation.output == shape else {
            throw Failure(
                .configuration,
                "data.augment makes images of \(augmentation.output.height)×\(augmentation.output.width), expected the "
                    + "\(shape.height)×\(shape.width) of \(file), which is what evaluations read; convert it to that size first"
            )
        }
        return augmentation
    }

    private static func network(
        _ configuration: Configuration, dataset: Dataset,
        _ makeModel: ModelMaker
    ) throws -> Network {
        let model = configuration.model
        if let classes = model.classes, classes != dataset.classes.count {
            throw Failure(
                .configuration, "model.classes = \(classes), but \(dataset.path) has \(dataset.classes.count) classes")
        }
        if let channels = model.channels, channels != dataset.channels {
            throw Failure(
                .configuration,
                "model.channels = \(channels), but the images of \(dataset.path) have \(dataset.channels)")
        }
        if case .crossEntropy(_, let weights) = configuration.loss, !weights.isEmpty,
            weights.count != dataset.classes.count
        {
            throw Failure(
                .configuration,
                "loss.class_weights has \(weights.count) numbers, but \(dataset.path) has \(dataset.classes.count) classes"
            )
        }
        let shape = dataset.networkShape
        let description = try model.description(input: shape, classes: dataset.classes.count, makeModel)
        do {
            return try Network(description)
        } catch let error as ShapeMismatch {
            throw Failure(.configuration, "\(error); the images of \(dataset.path) are \(shape)")
        }
    }

    /// Bytes on this rank, by what they are for, in that period of the rest of the run which needs most; nothing is allocated.
    /// Throws: `ShapeMismatch`.
    func memoryNeed(from period: Int? = nil) throws -> [(name: String, bytes: Int)] {
        func total(_ parts: [(name: String, bytes: Int)]) -> Int {
            parts.reduce(0) { $0 + min($1.bytes, .largestProduct) }
        }
        let needs = try periods.indices[(period ?? firstPeriod)...].map {
            try memoryNeed(ofPeriod: $0, planOptions($0))
        }
        return needs.max { total($0) < total($1) } ?? []
    }

    /// The `memoryNeed` of the rank that needs most. Collective.
    func largestMemoryNeed() throws -> [(name: String, bytes: Int)] {
        let own = try memoryNeed()
        let all = try communicator.allGather(values: own.map { Double($0.bytes) })
        let needs = stride(from: 0, to: all.count, by: own.count).map { Array(all[$0..<$0 + own.count]) }
        let largest = needs.max { $0.reduce(0, +) < $1.reduce(0, +) } ?? []
        return zip(own, largest).map { ($0.name, Int($1)) }
    }

    /// What the plans of a period compute, cut into as many segments as the configuration and this rank's memory ask for.
    private func planOptions(_ period: Int) throws -> PlanOptions {
        var options = configuration.planOptions
        if let value = steadyValue(period) { options.part = .rest(from: value) }
        options.segments = try configuration.checkpointActivations.segments(localRanks: communicator.localSize) {
            options.segments = $0
            return try memoryNeed(ofPeriod: period, options).reduce(0) { $0 + min($1.bytes, .largestProduct) }
        }
        return options
    }

    private func memoryNeed(ofPeriod period: Int, _ planOptions: PlanOptions) throws -> [(name: String, bytes: Int)] {
        let network = periods[period].network
        let list = network.parameterList
        let value = steadyValue(period)
        let float = MemoryLayout<Float>.stride
        let shards = layout.range.count
        let cut = try ShardCut(layout, limit: configuration.shardsInFlight, network: network, options: planOptions)
        let optimizer = configuration.optimizer.vectors.count * list.trainedCount * float
        let average = configuration.averaging == nil ? 0 : list.count * float
        let saved = list.count * float + optimizer + average
        // No sample ever comes to the slots of a batch beyond the split.
        let images = min(geometry.imagesPerShard, geometry.sampleCount)
        let imageBytes =
            value.map { network.shape(ofValue: $0).count * MemoryLayout<Float>.stride } ?? training.imageBytes
        let batch = Int.product(min(shards * geometry.imagesPerShard, geometry.sampleCount), imageBytes)
        return [
            ("parameters and buffers", list.count * float),
            ("gradients", Int.product(cut.vectors, list.trainedCount, float)),
            ("optimizer state", optimizer), ("average of the weights", average),
            (
                "activations and scratch, training",
                try cut.planBytes(network, imagesPerShard: images, options: planOptions, threads: pool.threads)
            ),
            (
                "activations and scratch, evaluation",
                try network.planBytes(
                    imagesPerShard: min(configuration.evaluate.batchSize, evaluation.count), shards: 1,
                    mode: .evaluation,
                    options: planOptions, threads: pool.threads)
            ),
            ("batches", Int.product(BatchLoader.depth(batchBytes: batch), batch)),
            ("images at hand", Int.product(plan.samplesAtHand(localShards: shards), training.imageBytes)),
            ("values behind frozen layers", value.map { featureBytes(network, value: $0) } ?? 0),
            (
                "activations and scratch, frozen layers",
                try value.map {
                    try FeatureSamples.planBytes(
                        network, value: $0, options: configuration.planOptions, threads: pool.threads)
                } ?? 0
            ),
            ("a checkpoint on its way, rank 0 only", communicator.rank == 0 ? 2 * saved : 0),
        ]
    }

    func warnings() -> [String] {
        guard options.overfit == nil else { return [] }
        let checks = periods.map {
            RunChecks(configuration, geometry: samples.plan.geometry, network: $0.network).warnings
        }
        let shares = [layout.unevenness(batchSize: configuration.batchSize)].compactMap { $0 }
        return (shares + checks.flatMap(\.self) + classWarnings + periods.groupWarnings(configuration)).reduce(into: [])
        {
            if !$0.contains($1) { $0.append($1) }
        }
    }

    private var classWarnings: [String] {
        guard dataset.classes.count == 1 else { return [] }
        return ["\(dataset.path) has one class: there is nothing to tell apart, every image is right from the start"]
    }

    private func makeStep(_ network: Network, _ period: Int) throws -> TrainingStep {
        var settings = TrainingStep.Settings(configuration)
        settings.options = try planOptions(period)
        return try TrainingStep(
            settings, network: network, geometry: geometry, layout: layout,
            input: features[period]?.training.input ?? input,
            communicator: communicator, pool: pool)
    }

    private func makeEvaluator(_ network: Network, _ period: Int) throws -> Evaluator {
        try Evaluator(
            network: network, split: features[period]?.evaluation ?? evaluation,
            batchSize: configuration.evaluate.batchSize, loss: configuration.loss,
            engine: configuration.engine, convolution: configuration.convolution,
            part: steadyValue(period).map { .rest(from: $0) } ?? .whole,
            input: features[period]?.evaluation.input ?? normalization.conversion(for: evaluation),
            communicator: communicator, pool: pool)
    }

    private func makeRecorder(engine: String, environment: [String: String]) throws -> RunRecorder? {
        guard communicator.rank == 0 else { return nil }
        guard options.overfit == nil || options.runDirectory != nil else {
            return recorder(folder: nil, metrics: nil, others: [], environment: environment)
        }
        let folder = try RunFolder(
            runDirectory: options.runDirectory, parent: configuration.runsDirectory, model: configuration.model.name,
            mayContinue: options.mayContinue)
        runFolderPath = folder.path
        try folder.record(
            configuration: try stated.yaml(), command: options.command,
            environment: describe(environment, engine: engine))
        if let resume = options.resume {
            let keeper = CheckpointKeeper(folder: folder.checkpointsFolder, keep: configuration.checkpoint.keep)
            let header = resume.checkpoint.header
            try resume.isSameRun ? keeper.adopt(resume.path, header) : keeper.adoptBest(beside: resume.path, header)
        }
        let metrics = try MetricsLog(
            path: folder.metricsPath,
            keeping: options.resume.map { $0.isSameRun ? $0.checkpoint.header.metricsBytes : 0 } ?? 0)
        let log = try RunLog(path: folder.logPath, lines: lines(for: folder, environment))
        var others: [any RunEventSink] = [log]
        let allowance = TimeAllowance()
        if configuration.log.tensorBoard {
            // A run that goes on does the steps behind its checkpoint again.
            others.append(
                try TensorBoardSink(
                    folder: folder.path, host: RankAgreement.hostName(), time: Date().timeIntervalSince1970,
                    firstStep: options.resume.map { $0.checkpoint.header.step + 1 }, pictures: pictures,
                    allowance: allowance))
        }
        let report = configuration.log.report && options.overfit == nil ? makeReport(folder, allowance) : nil
        return recorder(folder: folder, metrics: metrics, others: others, report: report, environment: environment)
    }

    private var pictures: RunPictures {
        RunPictures(
            training: training, selection: plan.selection, evaluation: evaluation, classes: dataset.classes,
            augmentation: augmentation,
            seed: configuration.seed)
    }

    private func makeReport(_ folder: RunFolder, _ allowance: TimeAllowance) -> ReportSink {
        ReportSink(
            folder: folder, configuration: configuration, allowance: allowance,
            maker: SnapshotMaker(pictures: pictures, network: network),
            isContinuing: options.resume?.isSameRun ?? false)
    }

    private func recorder(
        folder: RunFolder?, metrics: MetricsLog?, others: [any RunEventSink], report: ReportSink? = nil,
        environment: [String: String]
    ) -> RunRecorder {
        // A launcher's pseudo-terminal is no place for a bar, nor a terminal on which other ranks write too.
        let statusLine =
            communicator is SingleCommunicator && !options.isQuiet ? StatusLine(environment: environment) : nil
        let terminal = TerminalSink(
            lines: lines(
                for: folder, environment, showsSteps: statusLine == nil || isatty(STDOUT_FILENO) == 0),
            statusLine: statusLine, isQuiet: options.isQuiet)
        return RunRecorder(
            folder: folder, metrics: metrics,
            // The report reads what the metrics have taken.
            sinks: [terminal] + others + (metrics.map { [$0] } ?? []) + (report.map { [$0] } ?? []),
            interval: configuration.log.every, evaluationSamples: evaluation.count)
    }

    private func lines(for folder: RunFolder?, _ environment: [String: String], showsSteps: Bool = true) -> RunLines {
        RunLines(
            interval: configuration.log.every, classes: dataset.classes.count,
            folder: folder.map { folder in
                RunLines.Folder(
                    path: folder.path, checkpointsFolder: folder.checkpointsFolder,
                    continuation: options.overfit == nil
                        ? RunCommand.continuation(
                            folder: folder.path, threads: options.threads, ranks: communicator.size,
                            environment: environment) : nil,
                    report: options.overfit == nil && configuration.log.report
                        ? "\(folder.path)/\(RunRecord.pageName)" : nil)
            }, showsSteps: showsSteps)
    }

    /// What `environment.json` says of where a run takes place.
    private func describe(_ environment: [String: String], engine: String) -> JSON {
        let variables = environment.filter { name, _ in
            ["OMPI_", "PMIX_", "OPENBLAS_", "OMP_", "SLURM_", "HDF5_"].contains { name.hasPrefix($0) }
        }.sorted { $0.key < $1.key }
        return [
            "version": .string(Machine.version), "processor": .string(Machine.processorName()),
            "host": .string(RankAgreement.hostName()), "engine": .string(engine),
            "kernel_set": .string(Machine.kernelSet), "libraries": .string(Machine.libraries),
            "ranks": .integer(communicator.size), "threads": .integer(pool.threads),
            "dataset_digest": .string(dataDigest),
            "variables": .object(variables.map { JSON.Member($0.key, .string($0.value)) }),
        ]
    }

    /// What all files say was done to their pictures, if they say the same.
    private var preprocessing: String {
        let texts = Set(dataset.files.map { (try? $0.text("preprocessing")) ?? "" })
        // It becomes an attribute, which HDF5 limits.
        return texts.count == 1 ? texts.first.flatMap { $0.utf8.count <= 4_096 ? $0 : nil } ?? "" : ""
    }

    private func header(engine: String) throws -> Checkpoint.Header {
        var header = Checkpoint.Header()
        header.model = configuration.model.name
        header.input = network.description.input.dimensions
        header.classes = dataset.classes
        header.inputMean = normalization.mean
        header.inputStd = normalization.std
        header.seed = configuration.seed
        header.batchSize = configuration.batchSize
        header.shards = configuration.shards
        header.configuration = try stated.yaml()
        header.configurationDigest = stated.digest(initialWeights: initialWeightsDigest)
        header.datasetDigest = dataDigest
        header.preprocessing = preprocessing
        header.initialWeights = initialWeightsDigest
        header.build = "swift-train \(Machine.version)"
        header.libraries = Machine.libraries
        header.kernelSet = Machine.kernelSet
        header.engine = engine
        return header
    }

    /// How the file of weights and the network go together; nothing where all of it was taken.
    var weightsRows: [String] { initialWeights.map { $0.match.isWhole ? [] : $0.match.rows } ?? [] }

    /// What is trained, and what that saves; nothing where all of it is.
    private var trainedFacts: [(key: String, value: String)] {
        guard configuration.freeze != .none else { return [] }
        let bytes = network.parameterList.trainedCount * MemoryLayout<Float>.stride
        let later = periods.indices.dropFirst(firstPeriod + 1).map {
            "\(NumberText.grouped(periods[$0].network.parameterList.trainedCount)) from epoch "
                + "\(periods[$0].firstEpoch + 1)"
        }
        return [
            (
                "trained",
                ([
                    periods.words(firstPeriod),
                    "\(NumberText.counted(configuration.optimizer.vectors.count * bytes, "byte")) of optimizer state",
                    sentWords,
                ] + later).joined(separator: ", ")
            )
        ] + featureFacts
    }

    /// What `checkpoint_activations` does on this rank; nothing where it is off.
    private func checkpointingFacts(step: TrainingStep) -> [(key: String, value: String)] {
        configuration.checkpointActivations.outcome(
            engine: step.plan.engine, segments: step.plan.segments, plan: step.arenaBytes,
            whole: step.uncutArenaBytes
        ).map { [("checkpoint_activations", $0)] } ?? []
    }

    /// "at most 266,556 bytes of gradients sent a step and rank".
    private var sentWords: String {
        let fraction = ExchangeSchedule(shards: layout.shards, ranks: layout.ranks).largestFraction
        let bytes = Int(fraction * Double(network.parameterList.trainedCount * MemoryLayout<Float>.stride))
        return "\(bytes > 0 ? "at most " : "")\(NumberText.counted(bytes, "byte")) of gradients sent a step and rank"
    }

    /// Of the rank that needs most. Collective.
    func largestArena(of step: TrainingStep) throws -> Int {
        Int(try communicator.largest(Double(step.arenaBytes)))
    }

    func startFacts(step: TrainingStep, arenaBytes: Int) -> [(key: String, value: String)] {
        let ranks = communicator.size
        let cores = Machine.coresOfAffinityMask()
        let threads = pool.threads
        let limits = Machine.coreLimits(localRanks: communicator.localSize)
        let crowded =
            threads > cores || threads * communicator.localSize > Machine.coresOnline()
            || limits.quotaCores.map { Double(threads) > $0.rounded(.up) } ?? false
        let weights: [(key: String, value: String)] =
            initialWeights.map { [("weights", "\($0.match.summary), digest \(initialWeightsDigest.prefix(16))")] } ?? []
        let exchange: [(key: String, value: String)] =
            ranks > 1 && configuration.freeze == .none ? [("exchange", sentWords)] : []
        var reading: [(key: String, value: String)] = []
        if let text = samples.text { reading.append(("samples", text)) }
        if let augment = configuration.data.augment { reading.append(("augment", augment.text)) }
        if let mix = configuration.data.mix { reading.append(("mix", mix.text)) }
        reading.append(("readers", "\(readers) a rank"))
        let run: [(key: String, value: String)] = [
            ("swift-train", "\(Machine.version), \(Machine.processorName())"),
            ("engine", step.plan.engine),
            ("kernels", Machine.kernelSet),
            (
                "threads",
                "\(threads) × \(NumberText.counted(ranks, "rank")) (\(communicator.localSize) on this host), "
                    + "\(Machine.coresOnline()) cores here, \(cores) in this rank's affinity mask"
                    + (options.threads == nil ? limits.reason.map { "; threads by \($0)" } ?? "" : "")
                    + (crowded ? ": more threads than cores, expect it to be slow" : "")
            ),
            (
                "batch",
                "\(configuration.batchSize) over all ranks, \(configuration.shards) shards of \(geometry.imagesPerShard)"
            ),
            ("seed", "\(configuration.seed)"),
            (
                "data",
                "\(dataset.path): \(training.count) train, \(evaluation.count) \(evaluation.name), "
                    + "\(dataset.sizeText), \(dataset.classes.count) classes, digest "
                    + dataDigest.prefix(16)
            ),
        ]
        let work: [(key: String, value: String)] =
            [
                (
                    "model",
                    "\(configuration.model.name), \(NumberText.grouped(network.parameterList.parameterCount)) parameters, "
                        + "\(NumberText.megabytes(arenaBytes)) of activations and scratch a rank"
                )
            ] + checkpointingFacts(step: step) + trainedFacts + exchange + weights + [
                (
                    "length",
                    "\(configuration.length.steps(perEpoch: geometry.stepsPerEpoch)) steps, \(geometry.stepsPerEpoch) an epoch"
                )
            ]
        return run + reading + work
    }
}
