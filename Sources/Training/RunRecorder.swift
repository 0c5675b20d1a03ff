package import Diagnostics
internal import Foundation
internal import Logging

/// What rank 0 tells the world about a run: lines or a bar, train.log and metrics.jsonl.
package final class RunRecorder {
    /// nil for a run that leaves nothing behind: lines only.
    package let folder: RunFolder?
    package let metrics: MetricsLog?
    private let logger: Logger
    private let bar: ProgressBar?
    private let interval: Interval
    private let started = Machine.now()
    private var window = Window()
    private var hasLostMetrics = false

    /// What has happened since the last line.
    private struct Window {
        var start = Machine.now()
        var samples = 0
        var loss = 0.0
        var divisor = 0.0
        var correct1 = 0.0
        var dataWaitSeconds = 0.0
        var communicationSeconds = 0.0
    }

    /// `keepingMetrics` bytes of metrics.jsonl belong to the checkpoint that the run goes on from.
    package init(folder: RunFolder?, interval: Interval, bar: ProgressBar?, keepingMetrics: Int) throws {
        self.folder = folder
        self.interval = interval
        self.bar = bar
        metrics = try folder.map { try MetricsLog(path: $0.metricsPath, keeping: keepingMetrics) }
        let handler = try RunLogHandler(logPath: folder?.logPath)
        logger = Logger(label: "swift-train") { _ in handler }
    }

    package func line(_ text: String) {
        bar?.clear()
        logger.info("\(text)")
    }

    package func warn(_ text: String) {
        bar?.clear()
        logger.warning("warning: \(text)")
        metrics?.append(.warning, ["message": text])
    }

    package func start(_ facts: [(key: String, value: String)]) {
        let width = facts.map(\.key.count).max() ?? 0
        for (key, value) in facts {
            line(key + String(repeating: " ", count: width - key.count + 2) + value)
        }
        if let warning = folder?.lockWarning { warn(warning) }
        record(.start, Dictionary(facts.map { ($0.key, $0.value) }) { first, _ in first })
    }

    /// Takes note of a step, and says so when the interval has passed.
    package func step(_ outcome: TrainingStep.Outcome, progress: TrainingProgress, rate: Double) {
        window.samples += Int(outcome.score.samples)
        window.loss += outcome.score.loss
        window.divisor += outcome.score.divisor
        window.correct1 += outcome.score.correct1
        window.dataWaitSeconds += outcome.dataWaitSeconds
        window.communicationSeconds += outcome.communicationSeconds
        let seconds = Machine.now() - window.start
        let isDue =
            interval.unit == .second
            ? seconds >= Double(interval.count)
            : interval.isDue(stepsDone: progress.stepsDone, stepsPerEpoch: progress.stepsPerEpoch)
        guard isDue else { return }
        let imagesPerSecond = Double(window.samples) / seconds
        let (loss, accuracy) = (window.loss / window.divisor, window.correct1 / Double(window.samples))
        record(
            .step,
            [
                "epoch": progress.currentEpoch, "step": progress.stepsDone, "split": "train", "loss": loss,
                "acc1": accuracy, "lr": rate, "images_per_second": imagesPerSecond, "seconds": Machine.now() - started,
                "data_wait_seconds": window.dataWaitSeconds, "communication_seconds": window.communicationSeconds,
            ])
        let share = { (part: Double) in Self.decimal(100 * part / seconds, 1) + " %" }
        let note =
            "loss \(Self.decimal(loss, 4))  acc1 \(Self.decimal(accuracy, 4))  lr \(rate)  "
            + "\(Self.decimal(imagesPerSecond, 0)) images/s  data wait \(share(window.dataWaitSeconds))  "
            + "communication \(share(window.communicationSeconds))"
        if let bar {
            bar.draw(
                epoch: progress.currentEpoch, done: progress.stepInEpoch, of: progress.stepsPerEpoch, note: note)
        } else {
            line(
                "epoch \(progress.currentEpoch)  step \(progress.stepInEpoch)/\(progress.stepsPerEpoch)  " + note)
        }
        window = Window()
    }

    package func epoch(_ progress: TrainingProgress) {
        // Where an epoch is a step by design, every step would be a line.
        guard progress.targetLoss == nil else { return }
        let score = progress.epochScore
        record(
            .epoch,
            [
                "epoch": progress.epochsDone, "step": progress.stepsDone, "split": "train", "loss": score.meanLoss,
                "acc1": score.accuracy1, "acc5": score.accuracy5, "seconds": Machine.now() - started,
            ])
        line(
            "epoch \(progress.epochsDone)  train  loss \(Self.decimal(score.meanLoss, 4))  "
                + "acc1 \(Self.decimal(score.accuracy1, 4))")
        // A line belongs to one epoch.
        window = Window()
    }

    package func evaluation(_ evaluation: Checkpoint.Evaluation, split: String, isBest: Bool, seconds: Double) {
        record(
            .eval,
            [
                "epoch": evaluation.epoch, "step": evaluation.step, "split": split, "loss": evaluation.loss,
                "acc1": evaluation.accuracy1, "acc5": evaluation.accuracy5, "seconds": seconds,
            ])
        line(
            "epoch \(evaluation.epoch)  \(split)  loss \(Self.decimal(evaluation.loss, 4))  "
                + "acc1 \(Self.decimal(evaluation.accuracy1, 4))  acc5 \(Self.decimal(evaluation.accuracy5, 4))"
                + (isBest ? "  best" : ""))
        window.start += seconds
    }

    /// Time that training stood still and that does not count as training.
    package func stall(seconds: Double) { window.start += seconds }

    package func checkpoint(_ path: String, step: Int, seconds: Double) {
        record(.checkpoint, ["step": step, "file": (path as NSString).lastPathComponent, "seconds": seconds])
        line("step \(step)  saved \(path)")
    }

    package func end(
        _ progress: TrainingProgress, split: String, weightsDigest: String, averageDigest: String?, exitCode: ExitCode
    ) {
        let last = progress.evaluations.last
        let seconds = Machine.now() - started
        var values: [String: Any] = [
            "epoch": progress.epochsDone, "step": progress.stepsDone, "weights_sha256": weightsDigest,
            "exit_code": Int(exitCode.rawValue), "seconds": seconds,
        ]
        if let averageDigest { values["ema_sha256"] = averageDigest }
        if let last { values["acc1"] = last.accuracy1 }
        record(.end, values)
        try? metrics?.synchronize()
        let digests = "weights_sha256 \(weightsDigest)" + (averageDigest.map { "  ema_sha256 \($0)" } ?? "")
        let steps = "\(progress.stepsDone) of \(progress.totalSteps) steps, \(Self.decimal(seconds, 1)) s"
        if exitCode == .done {
            line("done  \(steps)  \(digests)")
        } else {
            line("stopped early  \(steps)  \(digests)  run the same command again to go on")
        }
        if progress.skippedSteps > 0 {
            line("\(progress.skippedSteps) steps were left out because they were not finite")
        }
        if let last { line("\(split) accuracy \(Self.decimal(last.accuracy1, 4))") }
        if let folder { line("run folder \(folder.path)") }
    }

    private func record(_ event: MetricsLog.Event, _ values: [String: Any]) {
        guard let problem = metrics?.append(event, values), !hasLostMetrics else { return }
        hasLostMetrics = true
        bar?.clear()
        logger.warning("warning: \(problem); metrics are being lost, training goes on")
    }

    static func decimal(_ value: Double, _ digits: Int) -> String {
        value.isFinite ? String(format: "%.\(digits)f", value) : "\(value)"
    }
}
