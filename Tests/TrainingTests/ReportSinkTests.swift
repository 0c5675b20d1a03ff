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
        sink = ReportSink(
            folder: folder, configuration: configuration,
            maker: SnapshotMaker(
                pictures: RunPictures(
                    training: training, evaluation: evaluation, classes: dataset.classes, augmentation: nil, seed: 1),
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
