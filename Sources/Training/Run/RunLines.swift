internal import Diagnostics
internal import Files
internal import Report

/// The words of a run's events: lines for people, fewer of them the longer a run takes.
struct RunLines {
    struct Line: Equatable {
        let text: String
        let isWarning: Bool
    }

    /// Where the results are and what can be done with them.
    struct Folder {
        let path: String
        let checkpointsFolder: String
        /// The command that goes on with the run; nil for one that cannot.
        let continuation: String?
        /// The page that the run keeps; nil for a run without one.
        var report: String?
    }

    private let interval: Interval
    private let classes: Int
    private let folder: Folder?
    /// Whether steps have lines of their own.
    private let showsSteps: Bool
    /// Since the last line of steps.
    private var window = StepWindow()
    private var lastLine = 0.0

    /// With a line a second: 60 lines in the first minute, 54 in the next nine, then one a minute. metrics.jsonl has all.
    private static let paces = [
        (until: 60.0, seconds: 1.0), (until: 600, seconds: 10), (until: .infinity, seconds: 60),
    ]
    /// Of so few classes the true one is always among the first five.
    private static let fewClasses = 5
    /// Waiting of which less is not worth a word.
    private static let leastShare = 0.005

    init(interval: Interval, classes: Int, folder: Folder?, showsSteps: Bool) {
        self.interval = interval
        self.classes = classes
        self.folder = folder
        self.showsSteps = showsSteps
    }

    mutating func lines(of event: RunEvent, elapsed: Double) -> [Line] {
        func plain(_ texts: String...) -> [Line] { texts.map { Line(text: $0, isWarning: false) } }
        switch event {
        case .started(let facts): return TextTable(facts: facts).lines.map { Line(text: $0, isWarning: false) }
        case .note(let text): return plain(text)
        case .warning(let text): return [Line(text: "warning: \(text)", isWarning: true)]
        case .step: return []
        case .progress(let window, let progress, let secondsLeft):
            guard showsSteps else { return [] }
            self.window.add(window)
            let pace = Self.paces.first { elapsed < $0.until }?.seconds ?? 0
            // Windows are a little longer than they should be.
            guard interval.unit != .second || lastLine == 0 || elapsed - lastLine >= pace - 0.5 else { return [] }
            defer { (self.window, lastLine) = (StepWindow(), elapsed) }
            return plain(steps(progress, secondsLeft: secondsLeft))
        case .expected(let seconds, let progress):
            let steps = NumberText.counted(progress.totalSteps - progress.stepsDone, "step")
            return plain("about \(NumberText.duration(seconds: seconds)) for the \(steps) to come")
        case .epochEnded(let progress, _):
            window = StepWindow()
            let score = progress.epochScore
            return plain(
                "epoch \(progress.epochsDone)  train  loss \(NumberText.decimal(score.meanLoss, 4))  "
                    + "acc1 \(NumberText.decimal(score.accuracy1, 4))")
        case .evaluated(let evaluation, let facts):
            return plain(
                "\(place(of: evaluation, isAtEpochEnd: facts.isAtEpochEnd))  \(facts.split)  \(words(for: evaluation))"
                    + (facts.isBest ? "  best" : ""))
        case .saved(let checkpoint): return plain("step \(checkpoint.step)  saved \(checkpoint.path)")
        case .failed: return []
        case .ended(let end): return self.end(end, elapsed: elapsed).map { Line(text: $0, isWarning: false) }
        }
    }

    private func steps(_ progress: TrainingProgress, secondsLeft: Double?) -> String {
        var parts = [
            "epoch \(progress.currentEpoch)", "step \(progress.stepInEpoch)/\(progress.stepsPerEpoch)",
            "loss \(NumberText.decimal(window.meanLoss, 4))", "acc1 \(NumberText.decimal(window.accuracy1, 4))",
            "\(NumberText.compact(window.imagesPerSecond)) images/s",
            "lr \(NumberText.significant(window.learningRate))",
        ]
        parts += Self.waits(window)
        if let secondsLeft { parts.append("\(NumberText.duration(seconds: secondsLeft)) left") }
        return parts.joined(separator: "  ")
    }

    /// What the steps waited for, where it was long enough to matter.
    static func waits(_ window: StepWindow) -> [String] {
        [("data wait", window.dataWaitSeconds), ("communication", window.communicationSeconds)]
            .map { ($0, $1 / window.seconds) }.filter { $0.1 >= leastShare }
            .map { "\($0) \(NumberText.percent($1))" }
    }

    /// "epoch 3", or the step of an evaluation within an epoch.
    private func place(of evaluation: Evaluation, isAtEpochEnd: Bool) -> String {
        isAtEpochEnd && evaluation.epoch > 0 ? "epoch \(evaluation.epoch)" : "step \(evaluation.step)"
    }

    private func words(for evaluation: Evaluation) -> String {
        "loss \(NumberText.decimal(evaluation.loss, 4))  acc1 \(NumberText.decimal(evaluation.accuracy1, 4))"
            + (classes > Self.fewClasses ? "  acc5 \(NumberText.decimal(evaluation.accuracy5, 4))" : "")
    }

    private func end(_ end: RunEnd, elapsed: Double) -> [String] {
        let progress = end.progress
        let isDone = end.exitCode == .done
        let digests =
            "weights_sha256 \(end.weightsDigest)" + (end.averageDigest.map { "  ema_sha256 \($0)" } ?? "")
        let seconds =
            elapsed < 100 ? "\(NumberText.decimal(elapsed, 1)) s" : NumberText.duration(seconds: elapsed)
        var lines = [
            "\(isDone ? "done" : "stopped early")  \(progress.stepsDone) of \(progress.totalSteps) steps, \(seconds)  "
                + digests
        ]
        if progress.skippedSteps > 0 {
            lines.append(
                "\(NumberText.counted(progress.skippedSteps, "step")) left out: not finite, or without a label that has a "
                    + "class weight")
        }
        if let last = progress.evaluations.last {
            lines.append("\(end.split) accuracy \(NumberText.decimal(last.accuracy1, 4))")
        }
        guard let folder else { return lines }
        lines.append("run folder \(folder.path)")
        if let report = folder.report { lines.append("report \(report)") }
        let bestPath = folder.checkpointsFolder + "/best.h5"
        let hasBest = FileKind(of: bestPath) == .regular
        if hasBest, let best = progress.best {
            let isAtEpochEnd = best.step == best.epoch * progress.stepsPerEpoch
            lines.append("best  \(place(of: best, isAtEpochEnd: isAtEpochEnd))  \(words(for: best))  \(bestPath)")
        }
        if isDone, hasBest {
            lines.append("next  \(RunCommand.program) evaluate --checkpoint \(ShellWords.quoted(bestPath))")
        }
        if !isDone, let continuation = folder.continuation { lines.append("to go on: \(continuation)") }
        return lines
    }
}
