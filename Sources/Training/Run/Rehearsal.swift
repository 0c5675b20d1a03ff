internal import DataParallel
internal import Datasets

/// How long a run is going to take, told before its first step: the forward and backward passes of its first batches, as readers
/// bring them, and an update of copies. Weights, optimizer and buffers stay as they are.
///
/// It takes a fiftieth of the steps at most, and no longer than `longestSeconds` once it has done two; it ends as soon as the run is
/// seen to be a short one.
struct Rehearsal {
    private let step: TrainingStep
    private let makeLoader: (Range<Int>) throws -> BatchLoader
    private let placeholder: () -> Batch
    private let communicator: any Communicator

    private static let longestSeconds = 0.3
    /// A first step that takes longer says enough, though it warms up.
    private static let longFirstSeconds = 1.0
    /// Steps that one may be rehearsed for.
    private static let stepsForOne = 50
    /// A mean of fewer says too little to end early.
    private static let fewest = 3

    init(
        _ step: TrainingStep, over communicator: any Communicator, placeholder: @escaping () -> Batch,
        makeLoader: @escaping (Range<Int>) throws -> BatchLoader
    ) {
        (self.step, self.communicator) = (step, communicator)
        (self.placeholder, self.makeLoader) = (placeholder, makeLoader)
    }

    /// Seconds that the rest of the run takes; nil where there is too little of it, or nothing that matters to expect. Collective:
    /// all ranks do as many steps, and learn the same.
    ///
    /// `estimate` has seen nothing. Throws: the communicator's errors, and those of threads that cannot start.
    func secondsLeft(_ progress: TrainingProgress, _ estimate: TimeEstimate, worthTelling: Double) throws -> Double? {
        let left = progress.totalSteps - progress.stepsDone
        let most = left / Self.stepsForOne
        guard most > 1, progress.targetLoss == nil else { return nil }
        var estimate = estimate
        let loader = try makeLoader(progress.stepsDone..<progress.stepsDone + most)
        let begin = Machine.now()
        // Every rank decides by these, which are the same on all.
        var (last, update, secondsLeft): (Double, Double, Double?) = (0, 0, nil)
        for number in 1...most {
            // What cannot be read is told by the first step.
            let batch = (try? loader.next()) ?? placeholder()
            try step.rehearse(batch, epoch: progress.stepsDone / progress.stepsPerEpoch)
            let elapsed = try communicator.largest(Machine.now() - begin)
            let samples = Int(try communicator.sum(Double(batch.samples)))
            if number <= 2 { update = try communicator.largest(step.rehearseUpdate()) }
            // The first one warms up, and counts where it is the only one.
            let isLong = number == 1 && elapsed >= Self.longFirstSeconds
            if number == 1 { estimate.addStep(samples: 0, seconds: 0) }
            if number > 1 || isLong { estimate.addStep(samples: samples, seconds: elapsed - last + update) }
            last = try communicator.largest(Machine.now() - begin)
            secondsLeft = estimate.secondsLeft(progress)
            if number >= Self.fewest, let secondsLeft, secondsLeft < worthTelling { return nil }
            if isLong || number > 1 && elapsed >= Self.longestSeconds { break }
        }
        return secondsLeft
    }
}
