import CFileFaults
import Diagnostics
import Files
import Foundation
import Report
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite("Run events and what becomes of them")
struct RunEventTests {
    private static let time = RunTime(elapsed: 2.5, unix: 1_700_000_000.1234)

    private static func outcome(samples: Double = 32, loss: Double = 0.5) -> TrainingStep.Outcome {
        var score = Score()
        score.samples = samples
        score.divisor = samples
        score.loss = loss * samples
        score.correct1 = samples / 2
        return TrainingStep.Outcome(
            score: score, gradientNorm: 1, stopRequests: 0, saveRequests: 0, alarms: 0, dataWaitSeconds: 0.25,
            communicationSeconds: 0)
    }

    private static func progress(steps: Int = 3, perEpoch: Int = 10, total: Int = 40) -> TrainingProgress {
        var progress = TrainingProgress(
            stepsPerEpoch: perEpoch, totalSteps: total, evaluateEvery: Interval(1, .epoch))
        for _ in 0..<steps { progress.addStep(outcome().score) }
        return progress
    }

    private static func window(seconds: Double = 2, loss: Double = 0.5) -> StepWindow {
        var window = StepWindow()
        for _ in 0..<4 { window.add(outcome(loss: loss), learningRate: 0.1) }
        window.seconds = seconds
        return window
    }

    private static let evaluation = Evaluation(epoch: 1, step: 10, loss: 0.1 + 0.2, accuracy1: 0.75, accuracy5: 1)
    private static let facts = EvaluationFacts(split: "test", isBest: true, seconds: 0.5, isAtEpochEnd: true)

    private static func end(_ code: ExitCode = .done) -> RunEnd {
        var progress = progress(steps: 40)
        _ = progress.addEvaluation(outcome().score, metric: .accuracy1)
        return RunEnd(progress: progress, split: "test", weightsDigest: "ab", averageDigest: "cd", exitCode: code)
    }

    @Test("metrics are one object a line, the event first and the time last")
    func metrics() throws {
        let scratch = try Scratch()
        let log = try MetricsLog(path: scratch.file("m.jsonl"), keeping: .max)
        let events: [RunEvent] = [
            .started([("batch", "32"), ("data", "a\nb")]), .note("unseen"), .warning("careful"),
            .step(Self.progress(), secondsLeft: nil), .progress(Self.window(), Self.progress(), secondsLeft: 9),
            .progress(Self.window(loss: .nan), Self.progress(), secondsLeft: nil),
            .expected(secondsLeft: 3, Self.progress()), .epochEnded(Self.progress(steps: 10), Self.window()),
            .evaluated(Self.evaluation, Self.facts),
            .saved(
                SavedCheckpoint(path: "run/checkpoints/step-000000010.h5", step: 10, seconds: 0.25, stallSeconds: 0.125)
            ),
            .failed(Failure(.notFinite, "step 4: \"nan\""), step: 3), .ended(Self.end(.stoppedEarly)),
        ]
        for event in events { #expect(log.receive(event, at: Self.time) == nil) }
        try log.synchronize()
        #expect(log.byteCount == (try scratch.bytes("m.jsonl")).count)
        let step = #"{"event":"step","epoch":1,"step":3,"split":"train","loss":"#
        let rest =
            #","acc1":0.5,"lr":0.1,"images_per_second":64.0,"seconds":2.5,"training_seconds":2.0,"data_wait_seconds":1.0,"#
            + #""communication_seconds":0.0,"time":1700000000.123}"#
        #expect(
            try scratch.text("m.jsonl").split(separator: "\n").map(String.init) == [
                #"{"event":"start","batch":"32","data":"a\u000ab","time":1700000000.123}"#,
                #"{"event":"warning","message":"careful","time":1700000000.123}"#, step + "0.5" + rest,
                step + "null" + rest,
                #"{"event":"epoch","epoch":1,"step":10,"split":"train","loss":0.5,"acc1":0.5,"acc5":0.0,"lr":0.1,"#
                    + #""images_per_second":64.0,"seconds":2.5,"training_seconds":2.0,"data_wait_seconds":1.0,"#
                    + #""communication_seconds":0.0,"time":1700000000.123}"#,
                #"{"event":"eval","epoch":1,"step":10,"split":"test","loss":0.30000000000000004,"acc1":0.75,"acc5":1.0,"#
                    + #""seconds":0.5,"time":1700000000.123}"#,
                #"{"event":"checkpoint","step":10,"file":"step-000000010.h5","seconds":0.25,"stall_seconds":0.125,"time":1700000000.123}"#,
                #"{"event":"failed","step":3,"message":"step 4: \"nan\"","exit_code":80,"seconds":2.5,"time":1700000000.123}"#,
                #"{"event":"end","epoch":4,"step":40,"weights_sha256":"ab","ema_sha256":"cd","acc1":0.5,"exit_code":75,"#
                    + #""seconds":2.5,"time":1700000000.123}"#,
            ])
    }

    @Test("TensorBoard's curves of what steps and evaluations give do not share a name, also where both are of train")
    func tensorBoardTags() throws {
        let scratch = try Scratch()
        let sink = try TensorBoardSink(folder: scratch.file("."), host: "h", time: 0, firstStep: nil)
        let own = EvaluationFacts(split: "train", isBest: false, seconds: 1, isAtEpochEnd: true)
        for event: RunEvent in [
            .progress(Self.window(), Self.progress(), secondsLeft: nil),
            .epochEnded(Self.progress(steps: 10), Self.window()),
            .evaluated(Self.evaluation, own), .evaluated(Self.evaluation, Self.facts),
        ] { #expect(sink.receive(event, at: Self.time) == nil) }
        let name = try #require(try FileManager.default.contentsOfDirectory(atPath: scratch.file(".")).first)
        let text = String(decoding: try scratch.bytes(name), as: UTF8.self)
        for tag in ["train/loss", "train_epoch/loss", "train_evaluated/loss", "test/loss"] {
            #expect(text.ranges(of: tag).count == 1, "\(tag)")
        }
    }

    @Test("metrics are cut to what a checkpoint knew of them, and go on from there")
    func metricsCut() throws {
        let scratch = try Scratch()
        let log = try MetricsLog(path: scratch.file("m.jsonl"), keeping: 0)
        #expect(log.receive(.warning("1"), at: Self.time) == nil)
        let known = log.byteCount
        #expect(log.receive(.warning("2"), at: Self.time) == nil)
        let again = try MetricsLog(path: scratch.file("m.jsonl"), keeping: known)
        #expect(again.byteCount == known && again.receive(.warning("3"), at: Self.time) == nil)
        let lines = try scratch.text("m.jsonl").split(separator: "\n")
        #expect(lines.count == 2 && lines[0].contains("\"1\"") && lines[1].contains("\"3\""))
    }

    @Test("metrics that cannot be opened or written are an error, never half a line; the loss is said once")
    func metricsFailures() throws {
        let scratch = try Scratch()
        let failure = #expect(throws: Failure.self) {
            try MetricsLog(path: scratch.file("none/m.jsonl"), keeping: .max)
        }
        #expect(failure?.code == .cannotCreate)
        let full = try MetricsLog(path: scratch.file("m.jsonl"), keeping: .max)
        let heard = Heard()
        let recorder = RunRecorder(folder: nil, metrics: full, sinks: [heard, full], interval: Interval(1, .second))
        CFileFaults_fail(CFileFaults_write, ENOSPC)
        defer { CFileFaults_fail(CFileFaults_none, 0) }
        recorder.warn("first")
        recorder.warn("second")
        #expect(full.byteCount == 0 && heard.warnings.count == 3)
        #expect(heard.warnings.count { $0.contains("m.jsonl: write: ") && $0.contains("is being lost") } == 1)
    }

    private final class Heard: RunEventSink {
        private(set) var events: [RunEvent] = []
        var warnings: [String] { events.compactMap { if case .warning(let text) = $0 { text } else { nil } } }
        func receive(_ event: RunEvent, at time: RunTime) -> String? {
            events.append(event)
            return nil
        }
    }

    private static func lines(
        interval: Interval = Interval(1, .second), classes: Int = 10, folder: RunLines.Folder? = nil,
        showsSteps: Bool = true
    ) -> RunLines {
        RunLines(interval: interval, classes: classes, folder: folder, showsSteps: showsSteps)
    }

    @Test("people read few digits, and of waiting only what matters")
    func words() {
        var lines = Self.lines()
        func text(_ event: RunEvent, elapsed: Double = 1) -> [String] {
            lines.lines(of: event, elapsed: elapsed).map(\.text)
        }
        #expect(text(.started([("a", "1"), ("bcd", "2")])) == ["a    1", "bcd  2"])
        #expect(
            text(.progress(Self.window(), Self.progress(), secondsLeft: 41)) == [
                "epoch 1  step 3/10  loss 0.5000  acc1 0.5000  64.0 images/s  lr 0.1  data wait 50 %  0:41 left"
            ])
        #expect(text(.expected(secondsLeft: 754, Self.progress())) == ["about 12:34 for the 37 steps to come"])
        #expect(
            text(.epochEnded(Self.progress(steps: 10), Self.window())) == ["epoch 1  train  loss 0.5000  acc1 0.5000"])
        #expect(
            text(.evaluated(Self.evaluation, Self.facts)) == [
                "epoch 1  test  loss 0.3000  acc1 0.7500  acc5 1.0000  best"
            ])
        var few = Self.lines(classes: 5)
        #expect(
            few.lines(of: .evaluated(Self.evaluation, Self.facts), elapsed: 1).map(\.text).first?.contains("acc5")
                == false)
        #expect(text(.step(Self.progress(), secondsLeft: 1)).isEmpty)
        #expect(lines.lines(of: .warning("careful"), elapsed: 1) == [.init(text: "warning: careful", isWarning: true)])
    }

    @Test("the longer a run takes the fewer its lines of steps, and each stands for all steps since the last")
    func thinning() {
        var lines = Self.lines()
        var times: [Double] = []
        var shown: [String] = []
        for second in 1...7_200 {
            let window = Self.window(seconds: 1, loss: second > 60 && second <= 65 ? 1.5 : 0.5)
            let new = lines.lines(
                of: .progress(window, Self.progress(), secondsLeft: nil), elapsed: Double(second) * 1.001)
            if let line = new.first {
                times.append(Double(second))
                shown.append(line.text)
            }
        }
        func count(_ range: Range<Double>) -> Int { times.count { range.contains($0) } }
        #expect(count(0..<60) == 59 && (52...58).contains(count(60..<600)) && (105...115).contains(count(600..<7_201)))
        // Five of nine windows of half a minute's line had another loss.
        #expect(shown.first { $0.contains("loss 1.") } != nil)
        var asked = Self.lines(interval: Interval(10, .step))
        for second in 1...100 {
            let event = RunEvent.progress(Self.window(), Self.progress(), secondsLeft: nil)
            #expect(asked.lines(of: event, elapsed: 1_000 + Double(second)).count == 1, "what was asked for is shown")
        }
        var silent = Self.lines(showsSteps: false)
        #expect(silent.lines(of: .progress(Self.window(), Self.progress(), secondsLeft: nil), elapsed: 1).isEmpty)
    }

    @Test("the last lines name the best result, its file and what to type next")
    func end() throws {
        let scratch = try Scratch()
        let checkpoints = scratch.file("checkpoints")
        try Folder.make(checkpoints)
        var lines = Self.lines(
            folder: .init(
                path: "my run", checkpointsFolder: checkpoints, continuation: "swift-train --run-dir 'my run'",
                report: "my run/report.html"))
        func texts(_ code: ExitCode) -> [String] { lines.lines(of: .ended(Self.end(code)), elapsed: 125).map(\.text) }
        #expect(
            texts(.stoppedEarly) == [
                "stopped early  40 of 40 steps, 2:05  weights_sha256 ab  ema_sha256 cd", "test accuracy 0.5000",
                "run folder my run", "report my run/report.html", "to go on: swift-train --run-dir 'my run'",
            ])
        try DurableFile.write("best", to: checkpoints + "/best.h5")
        let done = texts(.done)
        #expect(done.count == 6 && done[0].hasPrefix("done  40 of 40 steps"))
        #expect(done[4].hasPrefix("best  epoch 4  loss 0.5000  acc1 0.5000") && done[4].hasSuffix("/best.h5"))
        #expect(done[5].hasPrefix("next  ") && done[5].contains(" evaluate --checkpoint "))
    }

    @Test("the time left counts steps and evaluations to come, and the first step counts for nothing")
    func estimate() {
        var estimate = TimeEstimate(evaluationSamples: 300)
        let progress = Self.progress(steps: 6)
        #expect(estimate.secondsLeft(progress) == nil && !estimate.isSettled)
        estimate.addStep(samples: 10, seconds: 60)
        #expect(estimate.secondsLeft(progress) == nil)
        for _ in 0..<5 { estimate.addStep(samples: 10, seconds: 0.5) }
        #expect(estimate.isSettled && estimate.secondsPerStep == 0.5)
        // 34 steps, four evaluations of a third of 300 samples at 20 a second.
        #expect(abs((estimate.secondsLeft(progress) ?? 0) - (17 + 20)) < 1e-9)
        estimate.addEvaluation(seconds: 2)
        #expect(abs((estimate.secondsLeft(progress) ?? 0) - (17 + 8)) < 1e-9)
        #expect(
            Self.progress(steps: 10).evaluationsLeft == 3 && Self.progress(steps: 0, total: 45).evaluationsLeft == 5)
        #expect(Self.progress(steps: 40).evaluationsLeft == 0)
    }

    @Test("the bar shows epoch, share, loss, accuracy, speed and time left")
    func bar() {
        let content = TerminalSink.content(Self.progress(), Self.window(), secondsLeft: 41)
        #expect(
            content.plainLine
                == "epoch 1/4  30 %  loss 0.500  acc 0.500  64.0 img/s  0:41 left  lr 0.1  data wait 50 %")
        #expect(TerminalSink.content(Self.progress(total: 45), nil, secondsLeft: nil).head == "epoch 1")
    }
}
