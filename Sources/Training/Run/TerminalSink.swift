internal import DataParallel
internal import Diagnostics
internal import Report

/// A run on the terminal: lines on standard output, warnings on standard error, and a bar where nothing else writes there.
///
/// Lines that are lost stop nothing and are no news to who closed the stream.
final class TerminalSink: RunEventSink {
    private var lines: RunLines
    private var statusLine: StatusLine?
    /// Warnings alone.
    private let isQuiet: Bool
    private var window: StepWindow?
    private var lastDrawn = -Double.infinity

    private static let secondsBetweenDraws = 0.2

    init(lines: RunLines, statusLine: StatusLine?, isQuiet: Bool) {
        self.lines = lines
        self.statusLine = statusLine
        self.isQuiet = isQuiet
    }

    func receive(_ event: RunEvent, at time: RunTime) -> String? {
        if case .progress(let window, _, _) = event { self.window = window }
        if case .step(let progress, let secondsLeft) = event {
            draw(progress, secondsLeft: secondsLeft, at: time.elapsed)
            return nil
        }
        let texts = lines.lines(of: event, elapsed: time.elapsed).filter { $0.isWarning || !isQuiet }
        guard !texts.isEmpty else { return nil }
        clear()
        for line in texts {
            if line.isWarning { StandardError.line(line.text) } else { StandardOutput.note(line.text) }
        }
        return nil
    }

    private func draw(_ progress: TrainingProgress, secondsLeft: Double?, at elapsed: Double) {
        guard statusLine != nil, elapsed - lastDrawn >= Self.secondsBetweenDraws else { return }
        lastDrawn = elapsed
        statusLine?.draw(Self.content(progress, window, secondsLeft: secondsLeft))
        StopSignals.hasStatusLine = true
    }

    private func clear() {
        statusLine?.clear()
        StopSignals.hasStatusLine = false
    }

    /// `epoch 2/10 ███░  45 %  loss 0.723  acc 0.731  20.3k img/s  0:41 left`: the epoch so far, and the latest speed.
    static func content(_ progress: TrainingProgress, _ window: StepWindow?, secondsLeft: Double?)
        -> StatusLine.Content
    {
        let (epochs, rest) = progress.totalSteps.quotientAndRemainder(dividingBy: progress.stepsPerEpoch)
        let score = progress.epochScore
        var notes = [
            StatusLine.Note("loss \(NumberText.compact(score.meanLoss))", importance: 9),
            StatusLine.Note("acc \(NumberText.decimal(score.accuracy1, 3))", importance: 7),
        ]
        if let window {
            notes.append(.init("\(NumberText.compact(window.imagesPerSecond)) img/s", importance: 6))
        }
        if let secondsLeft {
            notes.append(.init("\(NumberText.duration(seconds: secondsLeft)) left", importance: 8))
        }
        if let window {
            notes.append(.init("lr \(NumberText.significant(window.learningRate, 3))", importance: 5))
            notes += RunLines.waits(window).map { .init($0, importance: 4) }
        }
        return StatusLine.Content(
            head: "epoch \(progress.currentEpoch)" + (rest == 0 && progress.targetLoss == nil ? "/\(epochs)" : ""),
            fraction: Double(progress.stepInEpoch) / Double(progress.stepsPerEpoch), notes: notes)
    }
}
