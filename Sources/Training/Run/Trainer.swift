internal import DataParallel
internal import Datasets
package import Diagnostics
internal import Report
internal import Tensors

/// The training loop of one rank.
package final class Trainer {
    package private(set) var progress: TrainingProgress
    private let configuration: Configuration
    private var machinery: Machinery!
    private let periods: Periods
    private let feed: Feed
    private var loader: BatchLoader!
    private var rate: LearningRate
    private let header: Checkpoint.Header
    private let sampleLog: SampleLog?
    private let communicator: any Communicator
    private let activity: Activity
    /// Rank 0 records, and saves if there is a run folder; the others have neither.
    private let recorder: RunRecorder?
    private let saver: CheckpointSaver?
    private var lastSave = Machine.now()
    private var failedSaves = 0
    /// Steps that another run did, whose best weights need not be in this folder.
    private let foreignSteps: Int
    /// A failure of this rank alone, which all ranks learn of at the next step boundary: of its saves, of its data.
    private var alarm: Failure?
    private var dataFailure: Failure?
    /// The newest checkpoint of this process, or the one it goes on from.
    private var lastSaved: String?
    private var leftOutInRow = 0
    private var hasNamedWeightless = false
    private var hasNamedGuessing = false

    /// Failed periodic saves in a row that end a run.
    private static let toleratedFailedSaves = 2
    private static let namedSamples = 8
    /// Steps in a row that may be left out before nothing is expected of the next ones.
    private static let toleratedLeftOut = 100
    /// Before so many steps an accuracy says little of what will come; a fifth of them does at the end of a run.
    private static let stepsToLearn = 100

    /// In which order samples come, and what becomes of them on the way.
    struct Feed {
        let plan: EpochPlan
        var augmentation: Augmentation?
        var mixing: Mixing?
        var readers = 1
    }

    /// Where a run begins and ends besides its length.
    struct Course {
        /// What never changes during the run.
        let header: Checkpoint.Header
        /// Where it goes on.
        let resume: ResumePoint?
        /// A loss that is enough.
        var targetLoss: Double?
    }

    /// What computes while the same layers are trained.
    struct Machinery {
        let period: Int
        let step: TrainingStep
        let evaluator: Evaluator
        /// What the step takes.
        let samples: any SampleSource
    }

    /// The layers that are trained in each epoch, and what makes a period's machinery.
    struct Periods {
        let plan: TrainingPeriods
        /// With the state of the period before.
        let make: (_ period: Int, _ former: ModelState) throws -> Machinery
        /// What is due before the first step; whether it was done, and no rank was asked to stop meanwhile.
        let prepare: (Machinery) throws -> Bool
    }

    /// The state of the step has been initialised or restored. Throws: `Failure`.
    init(
        configuration: Configuration, machinery: Machinery, periods: Periods, feed: Feed, course: Course,
        recorder: RunRecorder?, communicator: any Communicator, activity: Activity
    ) throws {
        let (geometry, resume) = (feed.plan.geometry, course.resume)
        progress = TrainingProgress(
            stepsPerEpoch: geometry.stepsPerEpoch,
            totalSteps: configuration.length.steps(perEpoch: geometry.stepsPerEpoch),
            evaluateEvery: configuration.evaluate.every, earlyStopping: configuration.earlyStopping,
            targetLoss: course.targetLoss)
        if let resume { progress.restore(resume.checkpoint.header) }
        foreignSteps = resume.map { $0.isSameRun ? -1 : $0.checkpoint.header.step } ?? -1
        self.configuration = configuration
        self.machinery = machinery
        self.periods = periods
        header = course.header
        self.recorder = recorder
        self.communicator = communicator
        self.activity = activity
        saver = recorder?.folder.map {
            CheckpointSaver(
                keeper: CheckpointKeeper(folder: $0.checkpointsFolder, keep: configuration.checkpoint.keep),
                state: machinery.step.state)
        }
        rate = LearningRate(
            base: configuration.optimizer.learningRate, schedule: configuration.schedule,
            warmup: configuration.warmup, stepsPerEpoch: geometry.stepsPerEpoch, totalSteps: progress.totalSteps)
        rate.observe(progress.followedEvaluations)
        lastSaved = resume?.path
        self.feed = feed
        sampleLog =
            configuration.log.samples
            ? try SampleLog(
                path: recorder?.folder?.samplesPath,
                keepingSamples: resume?.isSameRun == true ? progress.samplesSeen : 0,
                slotsPerRank: machinery.step.layout.largestShare * geometry.imagesPerShard, communicator: communicator)
            : nil
        watch()
    }

    private var step: TrainingStep { machinery.step }
    private var evaluator: Evaluator { machinery.evaluator }

    /// What gathers the batches of the period's steps that are left.
    private static func loader(
        _ machinery: Machinery, _ periods: TrainingPeriods, _ feed: Feed, _ progress: TrainingProgress
    ) throws -> BatchLoader {
        let next = periods.dropFirst(machinery.period + 1).first?.firstEpoch
        let end = min(progress.totalSteps, next.map { Int.product($0, progress.stepsPerEpoch) } ?? .max)
        return try loader(machinery, feed, steps: min(progress.stepsDone, end)..<end)
    }

    private static func loader(_ machinery: Machinery, _ feed: Feed, steps: Range<Int>) throws -> BatchLoader {
        try BatchLoader(
            source: machinery.samples, plan: feed.plan, localShards: machinery.step.layout.range, steps: steps,
            augmentation: feed.augmentation, mixing: feed.mixing,
            classes: machinery.evaluator.classes, readers: feed.readers)
    }

    /// What takes the place of a batch that cannot be read.
    private var placeholder: Batch {
        .placeholder(
            shards: step.layout.range.count, imagesPerShard: feed.plan.geometry.imagesPerShard,
            imageBytes: machinery.samples.imageBytes, targetClasses: feed.mixing == nil ? 0 : evaluator.classes)
    }

    private func watch() {
        let activity = activity
        step.setAfterPass { activity.beat() }
        evaluator.afterPass = { activity.beat() }
    }

    /// Goes over to the next period where one begins. The machinery of the last one is gone before there is a new one: memory is
    /// counted for one of them. Collective.
    ///
    /// Returns false where a rank is asked to stop before the period has begun: then the last one's is there again, to be saved.
    private func enterPeriod() throws -> Bool {
        let next = periods.plan.number(inEpoch: progress.stepsDone / progress.stepsPerEpoch)
        let last = machinery.period
        guard next != last else { return true }
        takeSaveResult(waiting: true)
        let former = step.state
        // Its readers hold what the former period took its batches from.
        loader = nil
        machinery = nil
        machinery = try periods.make(next, former)
        guard try periods.prepare(machinery) else {
            machinery = nil
            machinery = try periods.make(last, former)
            return false
        }
        loader = try Self.loader(machinery, periods.plan, feed, progress)
        watch()
        recorder?.line("epoch \(progress.stepsDone / progress.stepsPerEpoch + 1) trains \(periods.plan.words(next))")
        return true
    }

    /// Trains to the end, or until a rank is asked to stop. Collective.
    ///
    /// Returns `.done` or `.stoppedEarly`, the same on every rank; every checkpoint is durable then.
    /// Throws: `Failure`, or the communicator's errors.
    package func run() throws -> ExitCode {
        do {
            // On every rank, also on those that record nothing.
            let secondsLeft = try rehearse()
            recorder?.begin(progress, secondsLeft: secondsLeft)
            loader = try Self.loader(machinery, periods.plan, feed, progress)
            return try train()
        } catch let failure as Failure {
            // A save under way is the newest thing that is worth going on from.
            takeSaveResult(waiting: true)
            throw failure
        }
    }

    /// How long the run is going to take, where that can be told. Later periods train other layers, of which the first one says
    /// nothing. Collective.
    private func rehearse() throws -> Double? {
        guard periods.plan.count == 1, !progress.isFinished else { return nil }
        activity.enter(.computing, step: progress.stepsDone + 1)
        let (machinery, feed) = (machinery!, feed)
        let rehearsal = Rehearsal(machinery.step, over: communicator, placeholder: { self.placeholder }) {
            try Self.loader(machinery, feed, steps: $0)
        }
        return try rehearsal.secondsLeft(
            progress, TimeEstimate(evaluationSamples: evaluator.split.count),
            worthTelling: RunRecorder.foretoldSeconds)
    }

    private func train() throws -> ExitCode {
        if progress.hasPendingEvaluation {
            let isBest = try evaluate()
            try save(isBest: isBest, isFinal: progress.isFinished)
        }
        while !progress.isFinished {
            guard try enterPeriod() else { return try saveAndStop() }
            activity.enter(.reading, step: progress.stepsDone + 1)
            let waitStart = Machine.now()
            let batch = nextBatch()
            step.dataWaitSeconds = Machine.now() - waitStart
            try sampleLog?.append(batch)

            activity.enter(.computing, step: progress.stepsDone + 1)
            let learningRate = rate.rate(afterSteps: progress.stepsDone)
            let outcome = try step.run(
                batch, epoch: progress.stepsDone / progress.stepsPerEpoch, learningRate: learningRate,
                stopRequested: StopSignals.isRequested,
                saveRequested: isSaveDueByClock, hasAlarm: alarm != nil || dataFailure != nil)
            if outcome.alarms > 0 { try giveUp() }
            try take(outcome, batch)

            recorder?.step(outcome, progress: progress, rate: learningRate)
            if progress.isAtEpochEnd { recorder?.epoch(progress) }
            try compareRanks(isDue: isDue(configuration.compareRanksEvery))
            if outcome.stopRequests > 0 && !progress.isFinished { return try stop() }
            let isBest = isDue(configuration.evaluate.every) ? try evaluate() : false
            // The best weights must be somewhere, also between two saves.
            if isDue(configuration.checkpoint.every) || outcome.saveRequests > 0 || isBest {
                try save(isBest: isBest, isFinal: progress.isFinished)
            }
            takeSaveResult(waiting: false)
        }
        return try finish(.done)
    }

    /// The next batch, or one that stands in for it: a rank that cannot read takes part in the step all the same, so that the
    /// others do not wait for it.
    private func nextBatch() -> Batch {
        do {
            return try loader.next()
        } catch {
            dataFailure = error as? Failure ?? Failure(.inputOutput, "\(error)")
            return placeholder
        }
    }

    private func isDue(_ interval: Interval) -> Bool {
        progress.isFinished || interval.isDue(stepsDone: progress.stepsDone, stepsPerEpoch: progress.stepsPerEpoch)
    }

    private var isSaveDueByClock: Bool {
        saver != nil && configuration.checkpoint.every.unit == .second
            && Machine.now() - lastSave >= Double(configuration.checkpoint.every.count)
    }

    private func compareRanks(isDue: Bool) throws {
        guard isDue else { return }
        try StateComparison.check(step.state, step: progress.stepsDone, over: communicator)
    }

    // ---- Evaluation

    /// Returns whether this evaluation is the best so far.
    private func evaluate() throws -> Bool {
        activity.enter(.evaluating, step: progress.stepsDone)
        let start = Machine.now()
        let score: Score
        var outcomes: [SampleOutcome]?
        do {
            if configuration.log.looksAtSamples {
                (score, outcomes) = try evaluator.scoreEach(weights: step.state.evaluated)
            } else {
                score = try evaluator.score(weights: step.state.evaluated)
            }
        } catch let failure as Failure {
            progress.hasPendingEvaluation = true
            throw try saving(failure)
        }
        let isBest = progress.addEvaluation(score, metric: configuration.bestMetric)
        rate.observe(progress.followedEvaluations)
        if let evaluation = progress.evaluations.last {
            recorder?.evaluation(
                evaluation, split: evaluator.split.name, isBest: isBest, seconds: Machine.now() - start,
                outcomes: outcomes.map { SampleOutcomes(truths: evaluator.labels, outcomes: $0) })
            warnOfGuessing(evaluation)
        }
        return isBest
    }

    /// Says once that a network which has had its time does no better than one that always names the same class.
    private func warnOfGuessing(_ evaluation: Evaluation) {
        guard let recorder, !hasNamedGuessing, progress.targetLoss == nil else { return }
        let (steps, epoch) = (progress.stepsDone, progress.stepsPerEpoch)
        guard steps >= max(epoch, progress.isFinished ? Self.stepsToLearn / 5 : Self.stepsToLearn) else { return }
        hasNamedGuessing = true
        var counts: [Int32: Int] = [:]
        for label in evaluator.split.labels { counts[label, default: 0] += 1 }
        let share = Double(counts.values.max() ?? 0) / Double(max(1, evaluator.split.count))
        let best = progress.evaluations.map(\.accuracy1).max() ?? 0
        guard share < 1, best <= share else { return }
        recorder.warn(
            "\(evaluator.split.name) accuracy \(NumberText.decimal(evaluation.accuracy1, 4)) at step \(evaluation.step) is as good as "
                + "guessing: always naming the most frequent class gives \(NumberText.decimal(share, 4)). Try another "
                + "optimizer.learning_rate (\(configuration.optimizer.learningRate) now), and look at data.normalize, pixels and labels"
        )
    }

    // ---- Saving

    /// Starts a save; a final one is waited for, by all ranks.
    private func save(isBest: Bool, isFinal: Bool) throws {
        activity.enter(.saving, step: progress.stepsDone)
        try compareRanks(isDue: true)
        let start = Machine.now()
        if let saver, let recorder, let metrics = recorder.metrics {
            judge(
                saver.start(
                    currentHeader(metricsBytes: metrics.byteCount), state: step.state, isBest: isBest,
                    metrics: metrics))
            lastSave = Machine.now()
            recorder.stall(seconds: lastSave - start)
        }
        guard isFinal else { return }
        try RankAgreement.together(communicator) {
            takeSaveResult(waiting: true)
            if failedSaves > 0 { throw alarm ?? Failure(.inputOutput, "the final checkpoint could not be saved") }
        }
    }

    private func takeSaveResult(waiting: Bool) {
        let start = Machine.now()
        let result = saver?.takeResult(waiting: waiting)
        if waiting { recorder?.stall(seconds: Machine.now() - start) }
        judge(result)
    }

    /// A failed save is a warning and is tried again at the next interval; too many in a row end the run.
    private func judge(_ result: CheckpointSaver.Result?) {
        guard let result, let recorder else { return }
        switch result.outcome {
        case .success(let path):
            failedSaves = 0
            alarm = nil
            lastSaved = path
            recorder.checkpoint(path, step: result.step, seconds: result.seconds)
        case .failure(let failure):
            failedSaves += 1
            recorder.warn("step \(result.step): not saved: \(failure.message)")
            let text = "\(failure.message) (save \(failedSaves) in a row that failed; earlier checkpoints are whole)"
            let advice = recorder.folder.map { ". Once that is mended go on with --run-dir \($0.path)" } ?? ""
            let final = Failure(.inputOutput, text + advice)
            if failedSaves > Self.toleratedFailedSaves || progress.isFinished { alarm = final }
        }
    }

    private func currentHeader(metricsBytes: Int) -> Checkpoint.Header {
        var header = header
        progress.write(to: &header)
        header.metricsBytes = metricsBytes
        return header
    }

    // ---- Ends

    /// Saves at this step boundary; an evaluation that is due waits for the run to go on.
    private func stop() throws -> ExitCode {
        progress.hasPendingEvaluation = isDue(configuration.evaluate.every)
        return try saveAndStop()
    }

    private func saveAndStop() throws -> ExitCode {
        takeSaveResult(waiting: true)
        try save(isBest: false, isFinal: true)
        return try finish(.stoppedEarly)
    }

    /// Ends the run on all ranks after a step in which one of them met a failure and which updated nothing. Collective.
    private func giveUp() throws {
        let savesFail = try communicator.broadcast([alarm == nil ? 0 : 1], from: 0) == [1]
        do {
            try RankAgreement.agreeOnFailure(alarm ?? dataFailure, over: communicator)
        } catch let failure as Failure {
            throw savesFail ? failure : try saving(failure)
        }
    }

    /// Saves the state of the last step boundary on the way out, and adds what became of it to the failure. Collective.
    private func saving(_ failure: Failure) throws -> Failure {
        takeSaveResult(waiting: true)
        do {
            try save(isBest: false, isFinal: true)
        } catch let second as Failure {
            return Failure(failure.code, "\(failure.message). The state could not be saved: \(second.message)")
        }
        guard saver != nil else { return failure }
        return Failure(failure.code, "\(failure.message). The state after step \(progress.stepsDone) is saved")
    }

    private func finish(_ code: ExitCode) throws -> ExitCode {
        activity.enter(.ending, step: progress.stepsDone)
        if code == .done, progress.stepsDone > 0, progress.skippedSteps == progress.stepsDone {
            throw Failure(
                .notFinite,
                "none of \(progress.stepsDone) steps could be taken, the weights are the first ones. Lower "
                    + "optimizer.learning_rate, look at the data, the loss and its class weights")
        }
        if code == .done, let best = progress.best, best.step > foreignSteps {
            try RankAgreement.together(communicator) { try saver?.requireBest() }
        }
        if progress.hasStalled, let reason = configuration.earlyStopping?.reason(step: progress.stepsDone) {
            recorder?.line(reason)
        }
        recorder?.end(
            progress, split: evaluator.split.name, weightsDigest: step.state.weightsDigest(),
            averageDigest: step.state.averageDigest(), exitCode: code)
        try communicator.barrier()
        return code
    }

    /// Counts a step, or what became of it. Collective. Throws: `Failure(.notFinite)`.
    private func take(_ outcome: TrainingStep.Outcome, _ batch: Batch) throws {
        let number = progress.stepsDone + 1
        switch outcome.verdict {
        case .updated:
            progress.addStep(outcome.score)
            leftOutInRow = 0
        case .weightless:
            if !hasNamedWeightless {
                recorder?.warn(
                    "step \(number): all labels of the batch have class weight 0: nothing to learn from, the step is left out; "
                        + "more of the kind are counted at the end")
            }
            hasNamedWeightless = true
            progress.skipStep(samples: Int(outcome.score.samples))
        case .notFinite:
            let (text, remedy) = try cause(outcome, batch)
            try leaveOut(outcome, text, remedy: remedy)
        case .beyondRange(let key):
            let optimizer = configuration.optimizer.kind.name
            let rate = rate.rate(afterSteps: progress.stepsDone)
            try leaveOut(
                outcome,
                "step \(number): the update of \(key) by \(optimizer) at the learning rate \(rate) leaves the range of float32 "
                    + "(loss \(NumberText.plain(outcome.score.meanLoss)), gradient norm \(NumberText.plain(outcome.gradientNorm)))",
                remedy: ", clip the gradient")
        }
    }

    /// A step that would have led to numbers that are not finite: ends the run, or is counted and left out.
    private func leaveOut(_ outcome: TrainingStep.Outcome, _ text: String, remedy: String) throws {
        let saved = lastSaved.map { "; the newest checkpoint is \($0)" } ?? ""
        guard configuration.onNotFinite == .skip else {
            throw Failure(
                .notFinite,
                text
                    + "; the weights are those before this step\(saved). Lower optimizer.learning_rate\(remedy), or set "
                    + "on_not_finite: skip")
        }
        leftOutInRow += 1
        guard leftOutInRow <= Self.toleratedLeftOut else {
            throw Failure(
                .notFinite,
                text + "; \(Self.toleratedLeftOut) steps before it were left out one after the other\(saved). Lower "
                    + "optimizer.learning_rate, or look at the data")
        }
        recorder?.warn(text + "; the step is left out")
        progress.skipStep(samples: Int(outcome.score.samples))
    }

    /// What is not finite in loss or gradient, and from which samples on, and what to do besides lowering the learning rate.
    /// Collective.
    private func cause(_ outcome: TrainingStep.Outcome, _ batch: Batch) throws -> (text: String, remedy: String) {
        let step = "step \(progress.stepsDone + 1): "
        if outcome.isFinite {
            return (
                step
                    + "the class weights of the labels add up to \(outcome.score.divisor), whose inverse float32 cannot hold",
                ", give smaller loss.class_weights"
            )
        }
        let place = self.step.firstParameterNotFinite().map { "the gradient of \($0.key)" } ?? "the loss"
        let (count, samples) = try samplesNotFinite(batch)
        var (cause, remedy) = ("no sample's own loss", "")
        if count > 0 {
            cause = "samples \(samples.prefix(Self.namedSamples).map(String.init).joined(separator: ", "))"
            if count > Self.namedSamples { cause += " and others" }
            if count > 1, count == Int(outcome.score.samples) {
                cause += ", the whole batch: the weights are at fault, not they"
            } else {
                remedy = ", look at those samples"
            }
        }
        return (
            step + "\(place) is not finite (loss \(NumberText.plain(outcome.score.meanLoss)), gradient norm "
                + "\(NumberText.plain(outcome.gradientNorm))), starting from \(cause)", remedy
        )
    }

    /// How many samples have a loss that is not finite, and the numbers of the first ones in batch order: enough of each rank,
    /// however many ranks there are. Collective.
    private func samplesNotFinite(_ batch: Batch) throws -> (count: Int, first: [Int64]) {
        var own: [Int64] = []
        for shard in 0..<batch.shards {
            for image in 0..<Int(batch.counts[shard]) {
                let slot = shard * batch.imagesPerShard + image
                if !step.loss(ofSlot: slot).isFinite { own.append(batch.ids[slot]) }
            }
        }
        let numbers = [Int64(own.count)] + own.prefix(Self.namedSamples)
        let all = try communicator.allGather(numbers.flatMap { withUnsafeBytes(of: $0.littleEndian, Array.init) })
        let ranks = all.map { bytes in
            bytes.withUnsafeBytes { bytes in
                (0..<bytes.count / 8).map {
                    Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
                }
            }
        }
        return (ranks.reduce(0) { $0 + Int($1[0]) }, ranks.flatMap { $0.dropFirst() })
    }
}
