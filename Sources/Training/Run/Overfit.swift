internal import Datasets
internal import Diagnostics
internal import Report

/// A check of network, loss and optimizer: whether they learn a few samples by heart.
///
/// The samples are the first of the order that the seed gives the training split. Each step takes all of them, so the loss
/// of a step is theirs; what a few samples cannot tell (schedule, averages, early stopping) is left out.
package struct Overfit: Equatable, Sendable {
    package let samples: Int

    /// Below this mean loss of a step the samples count as learnt.
    static let targetLoss = 0.01
    /// Unless the configuration counts its length in steps.
    private static let usualSteps = 300

    package init(samples: Int) {
        self.samples = samples
    }

    /// The configuration of the check; the batch is rounded up to a multiple of the shards, the last of which then run
    /// short or empty.
    func adapted(_ configuration: Configuration) -> Configuration {
        var adapted = configuration
        adapted.batchSize = (samples + configuration.shards - 1) / configuration.shards * configuration.shards
        if case .epochs = configuration.length { adapted.length = .steps(Self.usualSteps) }
        adapted.schedule = Configuration.Schedule()
        (adapted.data.augment, adapted.data.mix) = (nil, nil)
        (adapted.data.shuffle, adapted.data.sampling) = (.full, .once)
        (adapted.data.fraction, adapted.data.fold) = (1, nil)
        adapted.warmup = nil
        adapted.averaging = nil
        adapted.earlyStopping = nil
        adapted.evaluate.split = "train"
        adapted.evaluate.batchSize = min(samples, configuration.evaluate.batchSize)
        // Only at the end; an epoch is one step.
        let end = Interval(max(1, adapted.length.steps(perEpoch: 1)), .step)
        adapted.evaluate.every = end
        adapted.checkpoint.every = end
        adapted.log.samples = false
        adapted.log.tensorBoard = false
        return adapted
    }

    /// The samples themselves. Throws: `Failure(.configuration)` when there are not as many.
    func split(of training: any SampleSource, seed: UInt64, file: String) throws -> any SampleSource {
        guard samples <= training.count else {
            throw Failure(
                .configuration, "--overfit \(samples): \(file) has \(training.count) training samples, expected as many"
            )
        }
        let order = SampleOrder(count: training.count, seed: seed, epoch: 0)
        return SelectedSamples(training, samples: (0..<samples).map { order[$0] })
    }

    /// Says how it went. Throws: `Failure(.configuration)` when the steps ran out first.
    func judge(_ progress: TrainingProgress, _ recorder: RunRecorder?) throws {
        let loss = NumberText.decimal(progress.epochScore.meanLoss, 5)
        let (steps, place) = (progress.stepsDone, NumberText.counted(samples, "sample"))
        guard progress.hasReachedTarget else {
            throw Failure(
                .configuration,
                "overfit failed: the loss is \(loss) after \(steps) steps on \(place), expected below \(Self.targetLoss). "
                    + "Try more steps, another optimizer.learning_rate, model.dropout 0 and no label smoothing; then look at the "
                    + "labels and the network")
        }
        recorder?.line("overfit passed: the loss is \(loss) after \(steps) steps on \(place), below \(Self.targetLoss)")
    }
}
