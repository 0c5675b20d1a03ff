package import Diagnostics
internal import Foundation
internal import Tensors

/// Saves checkpoints on a thread of its own, one at a time, from a copy that training does not touch.
package final class CheckpointSaver {
    package struct Result {
        package let step: Int
        /// The path of the saved checkpoint, or why there is none.
        package let outcome: Swift.Result<String, Failure>
        package let seconds: Double
    }

    private let keeper: CheckpointKeeper
    private let job: Job
    /// Whether the best weights were given up.
    private var hasLostBest = false

    /// Memory: takes room for the copy at once, so that the first save stops training no longer than the others do.
    package init(keeper: CheckpointKeeper, state: ModelState) {
        self.keeper = keeper
        job = Job(copy: Checkpoint(header: Checkpoint.Header(), state: state))
    }

    /// Copies the state and starts to save it; waits first while an earlier save is under way.
    ///
    /// `metrics` is made durable before the checkpoint appears, since the checkpoint counts on its length.
    /// Returns the result of the earlier save if it had not been taken.
    ///
    /// Best weights that could not be saved are tried once more first: the copy is the only place that still has them.
    package func start(_ header: Checkpoint.Header, state: ModelState, isBest: Bool, metrics: MetricsLog) -> Result? {
        let earlier = takeResult(waiting: true)
        let (keeper, job) = (keeper, job)
        if job.holdsUnsavedBest {
            hasLostBest = (try? Self.save(job.copy, isBest: true, keeper, metrics)) == nil
            job.holdsUnsavedBest = false
        }
        if isBest { hasLostBest = false }
        job.copy.capture(header: header, state: state)
        job.begin()
        let save: @Sendable () -> Void = {
            let start = Machine.now()
            let outcome = Swift.Result<String, any Error> {
                try Self.save(job.copy, isBest: isBest, keeper, metrics)
            }.mapError { $0 as? Failure ?? Failure(.inputOutput, "\($0)") }
            if case .failure = outcome { job.holdsUnsavedBest = isBest }
            job.end(Result(step: job.copy.header.step, outcome: outcome, seconds: Machine.now() - start))
        }
        // Without a thread training waits, and nothing is lost.
        do { try SystemThread("checkpoint saver", save).detach() } catch { save() }
        return earlier
    }

    private static func save(
        _ checkpoint: Checkpoint, isBest: Bool, _ keeper: CheckpointKeeper, _ metrics: MetricsLog
    ) throws -> String {
        try metrics.synchronize()
        return try keeper.save(checkpoint, isBest: isBest)
    }

    /// Throws: `Failure(.inputOutput)` when the best weights are not in the folder.
    package func requireBest() throws {
        guard !hasLostBest, !job.holdsUnsavedBest else { throw keeper.bestIsMissing }
        try keeper.requireBest()
    }

    /// What has become of the save under way; nil when there is none, or when it goes on and `waiting` is false.
    package func takeResult(waiting: Bool) -> Result? { job.take(waiting: waiting) }

    /// The hand-over between the two threads. `condition` guards the flag and the result; the flag guards the copy, which is
    /// the saving thread's while a save is under way and the training thread's otherwise.
    private final class Job: @unchecked Sendable {
        /// Filled in place again and again: handed around it would be copied whenever both threads hold it for a moment.
        var copy: Checkpoint
        /// Guarded like the copy.
        var holdsUnsavedBest = false
        private let condition = NSCondition()
        private var isRunning = false
        private var finished: Result?

        init(copy: Checkpoint) {
            self.copy = copy
        }

        func begin() {
            condition.withLock { isRunning = true }
        }

        func end(_ result: Result) {
            condition.lock()
            defer { condition.unlock() }
            isRunning = false
            finished = result
            condition.signal()
        }

        func take(waiting: Bool) -> Result? {
            condition.lock()
            defer { condition.unlock() }
            while waiting && isRunning { condition.wait() }
            defer { finished = nil }
            return finished
        }
    }
}
