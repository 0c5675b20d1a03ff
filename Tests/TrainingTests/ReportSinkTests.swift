import CFileFaults
import DataParallel
import Datasets
import Diagnostics
import Files
import Foundation
import Ingest
import Layers
import Report
import Tensors
import TestSupport
import Testing

@testable import Training

/// The folder of a run on 20 glyphs, 12 of them to evaluate, and what keeps its report.
private struct Subject {
    let scratch: Scratch
    let folder: RunFolder
    let metrics: MetricsLog
    let sink: ReportSink
    let truths: [Int32]
    let pictures: RunPictures

    init(isContinuing: Bool = false) throws {
        scratch = try Scratch()
        try SyntheticDataset.write(to: scratch.file("d.h5"), train: 20, test: 12)
        let dataset = try Dataset(paths: [scratch.file("d.h5")])
        let (training, evaluation) = (try dataset.split("train"), try dataset.split("test"))
        truths = evaluation.labels
        folder = try RunFolder(runDirectory: scratch.file("run"), parent: "", model: "tiny", mayContinue: false)
        var configuration = Configuration()
        configuration.data.files = [scratch.file("d.h5")]
        try folder.record(configuration: try configuration.yaml(), command: ["swift-train"], environment: [:])
        metrics = try MetricsLog(path: folder.metricsPath, keeping: 0)
        pictures = RunPictures(
            training: training, evaluation: evaluation, classes: dataset.classes, augmentation: nil, seed: 1)
        sink = ReportSink(
            folder: folder, configuration: configuration, allowance: TimeAllowance(),
            maker: SnapshotMaker(
                pictures: pictures,
                network: try Network(TinyModel.description(input: [1, 28, 28], classes: 10))),
            isContinuing: isContinuing)
    }

    /// All are taken for `predicted`, with a probability of 0.5.
    func evaluated(step: Int, predicted: Int32, isBest: Bool = true) -> RunEvent {
        let logits: [Float] = (0..<10).map { $0 == predicted ? 9.log : 0 }
        var scratch = logits
        let outcomes = truths.map { truth in
            logits.withUnsafeBufferPointer {
                SampleOutcome(logits: $0, truth: truth, loss: .crossEntropy(), probabilities: &scratch)
            }
        }
        return .evaluated(
            Evaluation(epoch: 1, step: step, loss: 0.5, accuracy1: 0.5, accuracy5: 1),
            EvaluationFacts(
                split: "test", isBest: isBest, seconds: 0.1, isAtEpochEnd: true,
                outcomes: SampleOutcomes(truths: truths, outcomes: outcomes)))
    }

    func tell(_ event: RunEvent, elapsed: Double) -> String? {
        let time = RunTime(elapsed: elapsed, unix: 1_700_000_000 + elapsed)
        #expect(metrics.receive(event, at: time) == nil)
        return sink.receive(event, at: time)
    }

    var end: RunEvent {
        .ended(
            RunEnd(
                progress: TrainingProgress(stepsPerEpoch: 10, totalSteps: 10), split: "test", weightsDigest: "ab",
                averageDigest: nil, exitCode: .done))
    }

    func page() throws -> String { try scratch.text("run/report.html") }
    var hasPage: Bool { FileKind(of: folder.path + "/report.html") != nil }
}

extension Int {
    fileprivate var log: Float { Float(Foundation.log(Double(self))) }
}

@Suite("The report that a run keeps")
struct ReportSinkTests {
    @Test("a page is written where it costs little beside the run so far, and at the end; it shows the best evaluation")
    func moments() throws {
        let subject = try Subject()
        #expect(subject.tell(subject.evaluated(step: 1, predicted: 3), elapsed: 0.1) == nil && !subject.hasPage)
        #expect(subject.tell(subject.evaluated(step: 2, predicted: 4), elapsed: 1e6) == nil && subject.hasPage)
        let running = try subject.page()
        #expect(running.contains("state running") && running.contains("step 2: the weights"))
        #expect(subject.tell(subject.evaluated(step: 3, predicted: 5, isBest: false), elapsed: 1e9) == nil)
        let snapshot = try #require(try RunRecord.snapshot(subject.folder.path + "/report.json"))
        #expect(snapshot.best?.step == 2 && snapshot.best?.worst.count == 12 && snapshot.samples.count <= 10)
        #expect(snapshot.best?.worst.first?.detail.hasPrefix("taken for ") == true)
        #expect(snapshot.best?.worst.first?.detail.hasSuffix(", 50.0 %, true 5.6 %") == true)
        #expect(subject.tell(subject.end, elapsed: 1e9 + 1) == nil)
        #expect(try subject.page().contains("state finished"))
        #expect(try Folder(subject.folder.path).names().allSatisfy { !$0.contains("tmp") })
    }

    @Test("a run that fails has a page that says why, also without a word in its metrics, and where there was no page")
    func failed() throws {
        let subject = try Subject()
        let failure = Failure(.notFinite, "step 7: the loss is not finite")
        #expect(subject.tell(.failed(failure, step: 6), elapsed: 0.1) == nil)
        #expect(try subject.page().contains("state failed") && subject.page().contains("the loss is not finite"))
        let record = try RunRecord(subject.folder.path, models: ["fashion-classifier"], showsPictures: false)
        #expect(record.history.failure?.exitCode == 80 && record.state == .running, "its process lives")
        let other = try Subject()
        #expect(other.sink.receive(.failed(failure, step: 6), at: RunTime(elapsed: 0.1, unix: 0)) == nil)
        #expect(try other.page().contains("exit code 80") && other.page().contains("the loss is not finite"))
        // A full disk: the page that says that the run goes on does not stay.
        let full = try Subject()
        #expect(full.tell(full.evaluated(step: 2, predicted: 4), elapsed: 1e6) == nil && full.hasPage)
        CFileFaults_fail(CFileFaults_write, ENOSPC)
        defer { CFileFaults_fail(CFileFaults_none, 0) }
        let problem = full.sink.receive(.failed(failure, step: 6), at: RunTime(elapsed: 1e6, unix: 0))
        #expect(problem?.contains("report.html") == true && !full.hasPage, "\(problem ?? "none")")
    }

    @Test("pages and TensorBoard's pictures share one allowance of the run's time; at the end both are made")
    func allowance() throws {
        let allowance = TimeAllowance(share: 0.5)
        #expect(allowance.permits(seconds: 1, at: 2) && !allowance.permits(seconds: 1, at: 1.9))
        let seconds = allowance.spend { usleep(20_000) }
        #expect(seconds >= 0.02 && !allowance.permits(seconds: 1, at: 2) && allowance.permits(seconds: 1, at: 1e3))
        let subject = try Subject()
        let sink = try TensorBoardSink(
            folder: subject.scratch.file("."), host: "h", time: 0, firstStep: nil, pictures: subject.pictures)
        func tags() throws -> [String: Int] {
            let name = try #require(subject.scratch.names().first { $0.hasPrefix("events.") })
            let text = String(decoding: try subject.scratch.bytes(name), as: UTF8.self)
            return Dictionary(
                uniqueKeysWithValues: ["train/samples", "test/worst", "test/confusion", "test/loss"].map {
                    ($0, text.ranges(of: $0).count)
                })
        }
        for step in 1...5 {
            let event = subject.evaluated(step: step, predicted: 3)
            #expect(sink.receive(event, at: RunTime(elapsed: 0.1 * Double(step), unix: 0)) == nil)
        }
        #expect(try tags() == ["train/samples": 0, "test/worst": 0, "test/confusion": 0, "test/loss": 5])
        #expect(sink.receive(subject.end, at: RunTime(elapsed: 0.6, unix: 0)) == nil)
        #expect(try tags() == ["train/samples": 1, "test/worst": 1, "test/confusion": 1, "test/loss": 5])
        #expect(sink.receive(subject.evaluated(step: 6, predicted: 3), at: RunTime(elapsed: 1e6, unix: 0)) == nil)
        #expect(try tags() == ["train/samples": 1, "test/worst": 2, "test/confusion": 2, "test/loss": 6])
    }

    @Test("the images that a page shows are those that are trained on")
    func selection() throws {
        var pictures = try Subject().pictures
        let labels = pictures.training.labels
        let chosen = labels.indices.filter { labels[$0] == 4 || labels[$0] == 6 }.suffix(3)
        pictures.selection = Array(chosen)
        let shown = try pictures.samples()
        #expect(shown.count == Set(chosen.map { labels[$0] }).count)
        let first = try #require(chosen.min { labels[$0] < labels[$1] })
        #expect(try shown.first?.image == SamplePictures(pictures.training).picture(of: first))
    }

    @Test("a page that cannot be written is a warning of the run, and the last page stays whole")
    func failure() throws {
        let subject = try Subject()
        #expect(subject.tell(subject.evaluated(step: 2, predicted: 4), elapsed: 1e6) == nil)
        let page = try subject.page()
        let event = subject.evaluated(step: 3, predicted: 5)
        CFileFaults_fail(CFileFaults_write, ENOSPC)
        defer { CFileFaults_fail(CFileFaults_none, 0) }
        let problem = subject.sink.receive(event, at: RunTime(elapsed: 1e9, unix: 0))
        #expect(problem?.contains("report.html") == true, "\(problem ?? "none")")
        #expect(try subject.page() == page)
    }
}
