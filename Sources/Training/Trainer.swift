package import DataParallel
package import Datasets
internal import Diagnostics

/// The training loop of one rank.
package final class Trainer {
    package private(set) var progress: TrainingProgress
    private let configuration: Configuration
    private let step: TrainingStep
    private let evaluator: Evaluator
    private let loader: BatchLoader
    private let rate: LearningRate
    private let header: Checkpoint.Header
    private let sampleLog: SampleLog?
    private let communicator: any Communicator
    /// Rank 0 records and saves; the others have neither.
    private let recorder: RunRecorder?
    private let keeper: CheckpointKeeper?

    /// `header` holds what never changes during the run. Throws: `Failure`.
    package init(
        configuration: Configuration, step: TrainingStep, evaluator: Evaluator, training: DatasetSplit,
        geometry: BatchGeometry, header: Checkpoint.Header, recorder: RunRecorder?, communicator: any Communicator
    ) throws {
        progress = TrainingProgress(
            stepsPerEpoch: geometry.stepsPerEpoch,
            totalSteps: configuration.length.steps(perEpoch: geometry.stepsPerEpoch))
        self.configuration = configuration
        self.step = step
        self.evaluator = evaluator
        self.header = header
        self.recorder = recorder
        self.communicator = communicator
        keeper = recorder.map {
            CheckpointKeeper(folder: $0.folder.checkpointsFolder, keep: configuration.checkpoint.keep)
        }
        rate = LearningRate(
            base: configuration.optimizer.learningRate, schedule: configuration.schedule,
            stepsPerEpoch: geometry.stepsPerEpoch)
        loader = BatchLoader(
            split: training, geometry: geometry, localShards: step.layout.range, seed: configuration.seed,
            steps: 0..<progress.totalSteps)
        sampleLog =
            configuration.log.samples
            ? try SampleLog(
                path: recorder?.folder.samplesPath,
                slotsPerRank: step.layout.shardsPerRank * geometry.imagesPerShard, communicator: communicator) : nil
    }

    /// Trains to the end. Collective. Throws: `Failure`, or the communicator's errors.
    package func run() throws {
        while !progress.isFinished {
            let waitStart = Machine.now()
            let batch = loader.next()
            step.dataWaitSeconds = Machine.now() - waitStart
            try sampleLog?.append(batch)

            let learningRate = rate.rate(afterSteps: progress.stepsDone)
            let outcome = try step.run(batch, learningRate: learningRate, stopRequested: false)
            guard outcome.isFinite else { throw notFinite(outcome) }

            progress.addStep(outcome.score)
            recorder?.step(outcome, progress: progress, rate: learningRate)
            if progress.isAtEpochEnd { recorder?.epoch(progress) }
            let isBest = try evaluateIfDue()
            try saveIfDue(isBest: isBest)
        }
        recorder?.end(progress, weightsDigest: step.state.weightsDigest(), exitCode: ExitCode.done.rawValue)
        try communicator.barrier()
    }

    private func isDue(_ interval: Interval) -> Bool {
        progress.isFinished || interval.isDue(stepsDone: progress.stepsDone, stepsPerEpoch: progress.stepsPerEpoch)
    }

    private func evaluateIfDue() throws -> Bool {
        guard isDue(configuration.evaluate.every) else { return false }
        let start = Machine.now()
        let score = try evaluator.score(weights: step.state.weights)
        let isBest = progress.addEvaluation(score, metric: configuration.bestMetric)
        if let evaluation = progress.evaluations.last {
            recorder?.evaluation(
                evaluation, split: evaluator.split.name, isBest: isBest, seconds: Machine.now() - start)
        }
        return isBest
    }

    /// All ranks learn whether rank 0 could save; none goes on before the checkpoint is durable.
    private func saveIfDue(isBest: Bool) throws {
        guard isDue(configuration.checkpoint.every) else { return }
        try RankAgreement.together(communicator) {
            guard let keeper, let recorder else { return }
            let start = Machine.now()
            try recorder.metrics.synchronize()
            let path = try keeper.save(
                Checkpoint(header: currentHeader(metricsBytes: recorder.metrics.byteCount), state: step.state),
                isBest: isBest)
            recorder.checkpoint(path, step: progress.stepsDone, seconds: Machine.now() - start)
        }
    }

    private func currentHeader(metricsBytes: Int) -> Checkpoint.Header {
        var header = header
        header.epoch = progress.epochsDone
        header.step = progress.stepsDone
        header.samplesSeen = progress.samplesSeen
        header.evaluations = progress.evaluations
        header.best = progress.best
        header.metricsBytes = metricsBytes
        return header
    }

    private func notFinite(_ outcome: TrainingStep.Outcome) -> Failure {
        let place = step.firstParameterNotFinite().map { "the gradient of \($0.key)" } ?? "the loss"
        return Failure(
            .notFinite, "step \(progress.stepsDone + 1): \(place) is not finite (loss \(outcome.score.meanLoss), gradient norm "
                + "\(outcome.gradientNorm)); the weights are those before this step. Lower optimizer.learning_rate, or look for "
                + "bad pixels with inspect")
    }
}
