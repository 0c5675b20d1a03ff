package import Diagnostics
internal import Foundation

/// Saves checkpoints on a thread of its own, one at a time, from a copy that training does not touch.
package final class CheckpointSaver {
    package struct Result {
        package let step: Int
        /// The path of the saved checkpoint, or why there is none.
        package let outcome: Swift.Result<String, Failure>
        package let seconds: Double
    }

    private let keeper: CheckpointKeeper
    private let job = Job()
    /// The copy, kept between saves so that its memory is allocated once. nil while a save owns it.
    private var copy: Checkpoint?

    package init(keeper: CheckpointKeeper) {
        self.keeper = keeper
    }

    /// Copies the state and starts to save it; waits first while an earlier save is under way.
    ///
    /// `metrics` is made durable before the checkpoint appears, since the checkpoint counts on its length.
    /// Returns the result of the earlier save if it had not been taken.
    package func start(_ header: Checkpoint.Header, state: ModelState, isBest: Bool, metrics: MetricsLog) -> Result? {
        let earlier = takeResult(waiting: true)
        var checkpoint = copy ?? Checkpoint(header: header, state: state)
        copy = nil
        checkpoint.capture(header: header, state: state)
        let (keeper, job) = (keeper, job)
        job.begin()
        let handedOver = checkpoint
        Thread.detachNewThread {
            let start = Machine.now()
            let outcome = Swift.Result<String, any Error> {
                try metrics.synchronize()
                return try keeper.save(handedOver, isBest: isBest)
            }.mapError { $0 as? Failure ?? Failure(.inputOutput, "\($0)") }
            job.end(Result(step: handedOver.header.step, outcome: outcome, seconds: Machine.now() - start), handedOver)
        }
        return earlier
    }

    /// What has become of the save under way; nil when there is none, or when it goes on and `waiting` is false.
    package func takeResult(waiting: Bool) -> Result? {
        guard let (result, checkpoint) = job.take(waiting: waiting) else { return nil }
        copy = checkpoint
        return result
    }

    /// The hand-over between the two threads; every field is guarded by `condition`.
    private final class Job: @unchecked Sendable {
        private let condition = NSCondition()
        private var isRunning = false
        private var finished: (Result, Checkpoint)?

        func begin() {
            condition.withLock { isRunning = true }
        }

        func end(_ result: Result, _ checkpoint: Checkpoint) {
            condition.lock()
            defer { condition.unlock() }
            isRunning = false
            finished = (result, checkpoint)
            condition.signal()
        }

        func take(waiting: Bool) -> (Result, Checkpoint)? {
            condition.lock()
            defer { condition.unlock() }
            while waiting && isRunning { condition.wait() }
            defer { finished = nil }
            return finished
        }
    }
}
