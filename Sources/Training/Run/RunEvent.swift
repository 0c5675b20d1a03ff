package import Diagnostics

/// What happens in a run, as rank 0 tells it to everything that shows or keeps it.
///
/// `secondsLeft`: until the end of the run, nil while nobody knows.
package enum RunEvent: Sendable {
    /// What the run is made of, in the words of its first lines.
    case started([(key: String, value: String)])
    /// Something that people should know, and programs need not.
    case note(String)
    case warning(String)
    /// A step is done; every one is told. Only what follows the run live looks at them.
    case step(TrainingProgress, secondsLeft: Double?)
    /// The steps since the last of these, as often as `log.every` says.
    case progress(StepWindow, TrainingProgress, secondsLeft: Double?)
    /// How long the rest of the run is going to take, once that can be told.
    case expected(secondsLeft: Double, TrainingProgress)
    /// The training's own score of an epoch, and the epoch's steps as far as this process took them.
    case epochEnded(TrainingProgress, StepWindow)
    case evaluated(Evaluation, EvaluationFacts)
    case saved(SavedCheckpoint)
    case ended(RunEnd)
    /// The process gives the run up: why, and what it ends with. The command tells the terminal.
    case failed(Failure, step: Int)
}

/// An evaluation beside its scores.
package struct EvaluationFacts: Sendable {
    package let split: String
    package let isBest: Bool
    package let seconds: Double
    /// Whether it stands at the end of an epoch.
    package let isAtEpochEnd: Bool
    /// What the network made of every sample, where something looks at it.
    package let outcomes: SampleOutcomes?

    package init(
        split: String, isBest: Bool, seconds: Double, isAtEpochEnd: Bool, outcomes: SampleOutcomes? = nil
    ) {
        (self.split, self.isBest, self.seconds) = (split, isBest, seconds)
        (self.isAtEpochEnd, self.outcomes) = (isAtEpochEnd, outcomes)
    }
}

/// A checkpoint that is durable.
package struct SavedCheckpoint: Sendable {
    package let path: String
    package let step: Int
    package let seconds: Double
    /// That training stood still for it and for others that failed.
    package let stallSeconds: Double
}

/// How a run has ended that has not failed.
package struct RunEnd: Sendable {
    package let progress: TrainingProgress
    /// The evaluated split.
    package let split: String
    package let weightsDigest: String
    /// Of the average, where the run keeps one.
    package let averageDigest: String?
    package let exitCode: ExitCode
}

/// When an event was told.
package struct RunTime: Sendable {
    /// Since this process began to record.
    package let elapsed: Double
    /// Since 1970.
    package let unix: Double
}

/// Something that shows or keeps what happens in a run.
///
/// A sink that cannot write loses the event and never stops a run.
package protocol RunEventSink: AnyObject {
    /// Returns why the event was lost, nil when all is well.
    func receive(_ event: RunEvent, at time: RunTime) -> String?
}

/// Sums over neighbouring steps.
package struct StepWindow: Equatable, Sendable {
    package private(set) var steps = 0
    package private(set) var samples = 0
    private var loss = 0.0
    private var divisor = 0.0
    private var correct1 = 0.0
    /// Of the last step.
    package private(set) var learningRate = 0.0
    /// From the end of the step before the window; evaluations and stalls do not count.
    package var seconds = 0.0
    package private(set) var dataWaitSeconds = 0.0
    package private(set) var communicationSeconds = 0.0

    package init() {}

    package var meanLoss: Double { loss / divisor }
    package var accuracy1: Double { correct1 / Double(samples) }
    package var imagesPerSecond: Double { Double(samples) / max(seconds, 1e-9) }

    mutating func add(_ outcome: TrainingStep.Outcome, learningRate: Double) {
        steps += 1
        samples += Int(outcome.score.samples)
        loss += outcome.score.loss
        divisor += outcome.score.divisor
        correct1 += outcome.score.correct1
        dataWaitSeconds += outcome.dataWaitSeconds
        communicationSeconds += outcome.communicationSeconds
        self.learningRate = learningRate
    }

    /// Adds the window that follows.
    package mutating func add(_ next: StepWindow) {
        steps += next.steps
        samples += next.samples
        loss += next.loss
        divisor += next.divisor
        correct1 += next.correct1
        seconds += next.seconds
        dataWaitSeconds += next.dataWaitSeconds
        communicationSeconds += next.communicationSeconds
        learningRate = next.learningRate
    }
}
