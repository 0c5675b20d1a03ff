internal import DataParallel
package import Diagnostics
internal import Foundation

/// What rank 0 tells of a run: turns what the training loop does into events and hands them to the sinks.
package final class RunRecorder {
    /// nil for a run that leaves nothing behind.
    package let folder: RunFolder?
    package let metrics: MetricsLog?
    private let sinks: [any RunEventSink]
    private let interval: Interval
    private let started = Machine.now()
    private var window = StepWindow()
    /// When the window began; later by what does not count as training.
    private var windowStart = Machine.now()
    private var lastStep = Machine.now()
    /// The steps of the running epoch.
    private var epochWindow = StepWindow()
    /// Time that training stood still: since the last step, and for saves that have not been told.
    private var stallSinceStep = 0.0
    private var untoldStall = 0.0
    private var estimate: TimeEstimate
    private var hasToldExpected = false
    private var lastSaveSeconds = 0.0
    private var lostSinks: Set<ObjectIdentifier> = []
    private var lastProgress: TrainingProgress?

    /// A run that ends sooner needs no forecast.
    static let foretoldSeconds = 10.0

    /// `metrics` is among the sinks; it is named because checkpoints count on its length.
    package init(
        folder: RunFolder?, metrics: MetricsLog?, sinks: [any RunEventSink], interval: Interval,
        evaluationSamples: Int = 0
    ) {
        self.folder = folder
        self.metrics = metrics
        self.sinks = sinks
        self.interval = interval
        estimate = TimeEstimate(evaluationSamples: evaluationSamples)
    }

    package func line(_ text: String) { tell(.note(text)) }

    package func warn(_ text: String) { tell(.warning(text)) }

    package func start(_ facts: [(key: String, value: String)]) {
        tell(.started(facts))
        if let warning = folder?.lockWarning { warn(warning) }
        beginSteps()
    }

    /// The first step is about to begin; tells how long the run is expected to take, where that is known.
    package func begin(_ progress: TrainingProgress, secondsLeft: Double?) {
        if let secondsLeft, secondsLeft >= Self.foretoldSeconds {
            hasToldExpected = true
            tell(.expected(secondsLeft: secondsLeft, progress))
        }
        beginSteps()
    }

    /// What came before the first step is none of its time.
    private func beginSteps() {
        windowStart = Machine.now()
        (lastStep, stallSinceStep) = (windowStart, 0)
    }

    /// Takes note of a step, and tells the window when its interval has passed.
    package func step(_ outcome: TrainingStep.Outcome, progress: TrainingProgress, rate: Double) {
        lastProgress = progress
        let now = Machine.now()
        window.add(outcome, learningRate: rate)
        window.seconds = now - windowStart
        epochWindow.add(outcome, learningRate: rate)
        epochWindow.seconds += max(0, now - lastStep - stallSinceStep)
        stallSinceStep = 0
        estimate.addStep(samples: Int(outcome.score.samples), seconds: now - lastStep)
        lastStep = now
        StopSignals.secondsToStop = (estimate.secondsPerStep ?? 0) + lastSaveSeconds
        let secondsLeft = estimate.secondsLeft(progress)
        tell(.step(progress, secondsLeft: secondsLeft))
        if !hasToldExpected, estimate.isSettled, let secondsLeft {
            hasToldExpected = true
            if secondsLeft >= Self.foretoldSeconds { tell(.expected(secondsLeft: secondsLeft, progress)) }
        }
        let isDue =
            interval.unit == .second
            ? window.seconds >= Double(interval.count)
            : interval.isDue(stepsDone: progress.stepsDone, stepsPerEpoch: progress.stepsPerEpoch)
        guard isDue else { return }
        tell(.progress(window, progress, secondsLeft: secondsLeft))
        beginWindow(at: now)
    }

    package func epoch(_ progress: TrainingProgress) {
        defer { epochWindow = StepWindow() }
        // Where an epoch is a step by design, every step would be a line.
        guard progress.targetLoss == nil else { return }
        tell(.epochEnded(progress, epochWindow))
        // A window belongs to one epoch.
        beginWindow(at: Machine.now())
    }

    package func evaluation(
        _ evaluation: Evaluation, split: String, isBest: Bool, seconds: Double, outcomes: SampleOutcomes? = nil
    ) {
        estimate.addEvaluation(seconds: seconds)
        let told = Machine.now()
        let isAtEpochEnd = lastProgress.map { evaluation.step == evaluation.epoch * $0.stepsPerEpoch } ?? true
        tell(
            .evaluated(
                evaluation,
                EvaluationFacts(
                    split: split, isBest: isBest, seconds: seconds, isAtEpochEnd: isAtEpochEnd, outcomes: outcomes)))
        let now = Machine.now()
        // What sinks make of it is none of the training's time either.
        windowStart += seconds + (now - told)
        (lastStep, stallSinceStep) = (now, 0)
    }

    /// Time that training stood still and that does not count as training.
    package func stall(seconds: Double) {
        windowStart += seconds
        stallSinceStep += seconds
        untoldStall += seconds
    }

    package func checkpoint(_ path: String, step: Int, seconds: Double) {
        lastSaveSeconds = seconds
        tell(.saved(SavedCheckpoint(path: path, step: step, seconds: seconds, stallSeconds: untoldStall)))
        untoldStall = 0
    }

    package func end(
        _ progress: TrainingProgress, split: String, weightsDigest: String, averageDigest: String?, exitCode: ExitCode
    ) {
        tell(
            .ended(
                RunEnd(
                    progress: progress, split: split, weightsDigest: weightsDigest, averageDigest: averageDigest,
                    exitCode: exitCode)))
        try? metrics?.synchronize()
    }

    /// Tells why the process gives the run up.
    package func fail(_ error: any Error) {
        let failure = error as? Failure ?? Failure(.internalError, "\(error)")
        // A stop before there is anything to save is none.
        guard failure.code != .stoppedEarly else { return }
        tell(.failed(failure, step: lastProgress?.stepsDone ?? 0))
        try? metrics?.synchronize()
    }

    private func beginWindow(at time: Double) {
        window = StepWindow()
        windowStart = time
    }

    /// Hands an event to every sink; what one of them cannot keep is said once.
    private func tell(_ event: RunEvent) {
        let time = RunTime(elapsed: Machine.now() - started, unix: Date().timeIntervalSince1970)
        for sink in sinks {
            guard let problem = sink.receive(event, at: time), lostSinks.insert(ObjectIdentifier(sink)).inserted
            else { continue }
            warn("\(problem); what should stand there is being lost, training goes on")
        }
    }
}
