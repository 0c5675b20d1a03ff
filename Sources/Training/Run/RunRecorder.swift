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
    /// The command that goes on with the run; nil for one that cannot.
    package let continuation: String?
    private let classes: Int
    private var lastLine = 0.0
    private var lastProgress: TrainingProgress?
    /// Steps done before this process, to tell how fast it is.
    private var firstStep: Int?

    /// With a line a second, one is left out when the last is younger than this share of the run so far: ten hours make
    /// 3,000 lines. metrics.jsonl has them all.
    private static let lineShare = 1.0 / 600
    /// Of so few classes the true one is always among the first five.
    private static let fewClasses = 5

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
    package init(
        folder: RunFolder?, interval: Interval, bar: ProgressBar?, keepingMetrics: Int, classes: Int = .max,
        continuation: String? = nil
    ) throws {
        self.folder = folder
        self.classes = classes
        self.continuation = continuation
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
        lastProgress = progress
        if firstStep == nil { firstStep = progress.stepsDone - 1 }
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
        let elapsed = Machine.now() - started
        let imagesPerSecond = Double(window.samples) / max(seconds, 1e-9)
        let (loss, accuracy) = (window.loss / window.divisor, window.correct1 / Double(window.samples))
        record(
            .step,
            [
                "epoch": progress.currentEpoch, "step": progress.stepsDone, "split": "train", "loss": loss,
                "acc1": accuracy, "lr": rate, "images_per_second": imagesPerSecond, "seconds": elapsed,
                "data_wait_seconds": window.dataWaitSeconds, "communication_seconds": window.communicationSeconds,
            ])
        let share = { (part: Double) in Self.decimal(100 * part / seconds, 1) + " %" }
        let notes = [
            "loss \(Self.decimal(loss, 4))", "acc1 \(Self.decimal(accuracy, 4))",
            "\(NumberText.significant(imagesPerSecond.rounded(), 6)) images/s", "lr \(NumberText.significant(rate))",
            "data wait \(share(window.dataWaitSeconds))", "communication \(share(window.communicationSeconds))",
        ]
        if let bar {
            bar.draw(barState(progress, elapsed: elapsed, notes: notes))
        } else if interval.unit != .second || elapsed - lastLine >= elapsed * Self.lineShare {
            lastLine = elapsed
            line(
                "epoch \(progress.currentEpoch)  step \(progress.stepInEpoch)/\(progress.stepsPerEpoch)  "
                    + notes.joined(separator: "  "))
        }
        window = Window()
    }

    private func barState(_ progress: TrainingProgress, elapsed: Double, notes: [String]) -> ProgressBar.State {
        let (epochs, rest) = progress.totalSteps.quotientAndRemainder(dividingBy: progress.stepsPerEpoch)
        let done = progress.stepsDone - (firstStep ?? 0)
        return ProgressBar.State(
            epoch: progress.currentEpoch, epochs: rest == 0 ? epochs : nil, done: progress.stepInEpoch,
            total: progress.stepsPerEpoch,
            secondsLeft: progress.targetLoss != nil
                ? nil : elapsed / Double(max(1, done)) * Double(progress.totalSteps - progress.stepsDone),
            notes: notes)
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

    package func evaluation(_ evaluation: Evaluation, split: String, isBest: Bool, seconds: Double) {
        record(
            .eval,
            [
                "epoch": evaluation.epoch, "step": evaluation.step, "split": split, "loss": evaluation.loss,
                "acc1": evaluation.accuracy1, "acc5": evaluation.accuracy5, "seconds": seconds,
            ])
        line("\(place(of: evaluation))  \(split)  \(words(for: evaluation))" + (isBest ? "  best" : ""))
        window.start += seconds
    }

    /// "epoch 3", or the step of an evaluation within an epoch.
    private func place(of evaluation: Evaluation) -> String {
        let isAtEnd = lastProgress.map { evaluation.step == evaluation.epoch * $0.stepsPerEpoch } ?? true
        return isAtEnd && evaluation.epoch > 0 ? "epoch \(evaluation.epoch)" : "step \(evaluation.step)"
    }

    private func words(for evaluation: Evaluation) -> String {
        "loss \(Self.decimal(evaluation.loss, 4))  acc1 \(Self.decimal(evaluation.accuracy1, 4))"
            + (classes > Self.fewClasses ? "  acc5 \(Self.decimal(evaluation.accuracy5, 4))" : "")
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
        line("\(exitCode == .done ? "done" : "stopped early")  \(steps)  \(digests)")
        if progress.skippedSteps > 0 {
            line("\(progress.skippedSteps) steps were left out: not finite, or without a label that has a class weight")
        }
        if let last { line("\(split) accuracy \(Self.decimal(last.accuracy1, 4))") }
        if let folder { endFolder(folder, progress, isDone: exitCode == .done) }
    }

    /// Where the results are and what can be done with them.
    private func endFolder(_ folder: RunFolder, _ progress: TrainingProgress, isDone: Bool) {
        let bestPath = folder.checkpointsFolder + "/best.h5"
        if let best = progress.best, access(bestPath, F_OK) == 0 {
            line("best  \(place(of: best))  \(words(for: best))  \(bestPath)")
            if isDone { line("next  \(Self.program) evaluate --checkpoint \(RunFolder.quoted(bestPath))") }
        }
        if !isDone, let continuation { line("to go on: \(continuation)") }
        line("run folder \(folder.path)")
    }

    /// The program as it was called.
    private static var program: String { RunFolder.quoted(CommandLine.arguments.first ?? "swift-train") }

    /// The command that goes on with the run in a folder, with the configuration that it keeps.
    package static func continuation(folder: String, threads: Int?, ranks: Int) -> String {
        "\(program) --run-dir \(RunFolder.quoted(folder))" + (threads.map { " --threads \($0)" } ?? "")
            + (ranks > 1 ? ", started by the same launcher" : "")
    }

    private func record(_ event: MetricsLog.Event, _ values: [String: Any]) {
        guard let problem = metrics?.append(event, values), !hasLostMetrics else { return }
        hasLostMetrics = true
        bar?.clear()
        logger.warning("warning: \(problem); metrics are being lost, training goes on")
    }

    static func decimal(_ value: Double, _ digits: Int) -> String { NumberText.decimal(value, digits) }
}
