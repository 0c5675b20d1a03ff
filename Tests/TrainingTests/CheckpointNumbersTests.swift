import DataParallel
import Diagnostics
import Files
import Foundation
import Tensors
import TestSupport
import Testing

@testable import Training

/// One number of a whole checkpoint made wrong before it is sealed.
private struct Change: CustomTestStringConvertible, Sendable {
    let attribute: String
    let apply: @Sendable (inout Checkpoint.Header) -> Void
    var testDescription: String { attribute }

    init(_ attribute: String, _ apply: @escaping @Sendable (inout Checkpoint.Header) -> Void) {
        (self.attribute, self.apply) = (attribute, apply)
    }

    /// The same field with several values.
    static func each(
        _ attribute: String, _ field: any WritableKeyPath<Checkpoint.Header, Int> & Sendable, _ values: Int...
    ) -> [Change] {
        values.map { value in Change(attribute) { $0[keyPath: field] = value } }
    }

    static func evaluation(
        _ attribute: String, epoch: Int = 1, step: Int = 4, accuracy1: Double = 0, accuracy5: Double = 1
    ) -> Change {
        Change(attribute) {
            $0.evaluations[0] = Evaluation(
                epoch: epoch, step: step, loss: 1, accuracy1: accuracy1, accuracy5: accuracy5)
        }
    }

    static let all: [Change] =
        each("step", \.step, -1, .min, .max, 1 << 41) + each("epoch", \.epoch, -1, 13, .max)
        + each("skipped_steps", \.skippedSteps, -1, .min, 13, .max)
        + each("samples_seen", \.samplesSeen, -1, .min, 12 * 24 + 1, .max)
        + each("batch_size", \.batchSize, 0, -1, .max) + each("shards", \.shards, 0, -4, 25, .max)
        + each("metrics_bytes", \.metricsBytes, -1, .min, .max)
        + [
            Change("input") { $0.input = [1, 6] }, Change("input") { $0.input = [0, 6, 6] },
            Change("input") { $0.input = [1, .max, .max] }, Change("input") { $0.input = [1, 1 << 20, 1 << 20] },
            Change("input_mean") { $0.inputMean = [] }, Change("input_mean") { $0.inputMean = [.nan] },
            Change("input_std") { $0.inputStd = [0] }, Change("input_std") { $0.inputStd = [.infinity] },
            Change("/classes") { $0.classes = [] },
            Change("epoch_score") { $0.epochScore.samples = .nan },
            Change("epoch_score") { $0.epochScore.samples = 1e300 },
            Change("epoch_score") { $0.epochScore.correct1 = -1 },
            Change("epoch_score") { $0.epochScore.correct5 = 3 },
            evaluation("/metrics/step[0]", step: -1), evaluation("/metrics/step[0]", step: 13),
            evaluation("/metrics/step[1]", step: 9), evaluation("/metrics/epoch[0]", epoch: .max),
            evaluation("/metrics/acc1[0]", accuracy1: 1.5), evaluation("/metrics/acc5[0]", accuracy5: -.infinity),
            Change("best_step") {
                $0.best = Evaluation(epoch: 1, step: .max, loss: 0, accuracy1: 0, accuracy5: 0)
            },
        ]
}

@Suite("Numbers of a sealed checkpoint")
struct CheckpointNumbersTests {
    @Test(
        "a number out of range, or one that does not go with the others, is refused by its name", arguments: Change.all)
    fileprivate func refusal(_ change: Change) throws {
        let scratch = try Scratch()
        var checkpoint = try sampleCheckpoint()
        change.apply(&checkpoint.header)
        try CheckpointFile.write(checkpoint, to: scratch.file("c.h5"))
        let failure = #expect(throws: Failure.self) { try CheckpointFile.read(scratch.file("c.h5")) }
        #expect(failure?.code == .badData)
        #expect(failure?.message.contains("attribute \(change.attribute) = ") == true, "\(failure as Any)")
        #expect(failure?.message.contains("expected") == true)
    }

    @Test("the numbers of real runs pass, with evaluations that were not finite and a run that has just begun")
    func real() throws {
        let scratch = try Scratch()
        for step in [0, 1, 12, 1 << 40] {
            var checkpoint = try sampleCheckpoint(step: step)
            if step == 1 << 40 { checkpoint.header.batchSize = 1 << 20 }
            try CheckpointFile.write(checkpoint, to: scratch.file("c.h5"))
            let found = try CheckpointFile.read(scratch.file("c.h5")).header
            #expect(found.step == step && found.samplesSeen == checkpoint.header.samplesSeen)
            #expect(found.evaluations.count == checkpoint.header.evaluations.count)
        }
    }

    @Test("a file that claims to be a checkpoint of any size is refused before memory is taken for it")
    func hugeFile() throws {
        let scratch = try Scratch()
        try scratch.write([], "huge.h5")
        #expect(truncate(scratch.file("huge.h5"), 1 << 42) == 0)
        #expect(throws: Failure.self) { try CheckpointFile.read(scratch.file("huge.h5")) }
    }

    @Test("values that are not finite are found wherever they are")
    func values() throws {
        var checkpoint = try sampleCheckpoint()
        try checkpoint.checkValues(path: "c.h5")
        checkpoint.optimizer[0].tensors[0].values[1] = .nan
        let failure = #expect(throws: Failure.self) { try checkpoint.checkValues(path: "c.h5") }
        let place = "c.h5:/optimizer/\(checkpoint.optimizer[0].name)/\(checkpoint.optimizer[0].tensors[0].key)[1] = nan"
        #expect(failure?.code == .badData && failure?.message.hasPrefix(place) == true, "\(failure as Any)")
    }
}

@Suite("Where a run goes on")
struct ResumePointTests {
    /// A run folder with checkpoints of steps 3 and 6 and obstacles under the names of later steps.
    private func folder() throws -> Scratch {
        let scratch = try Scratch()
        try Folder.make(scratch.file("run/checkpoints"))
        let keeper = CheckpointKeeper(folder: scratch.file("run/checkpoints"), keep: 9)
        for step in [3, 6] { _ = try keeper.save(sampleCheckpoint(step: step), isBest: false) }
        return scratch
    }

    private func find(_ scratch: Scratch, ranks: Int = 1) throws -> [ResumePoint?] {
        let path = scratch.file("run")
        return try InProcessWorld(size: ranks).run { try ResumePoint.find(.auto, runDirectory: path, over: $0) }
    }

    @Test("a newest checkpoint that cannot be read gives way to the one before it, with a warning", arguments: [1, 2])
    func unreadable(ranks: Int) throws {
        let scratch = try folder()
        func name(_ step: Int) -> String { scratch.file("run/checkpoints/" + CheckpointKeeper.name(step: step)) }
        try Folder.make(name(7))
        #expect(mkfifo(name(8), 0o600) == 0)
        try FileManager.default.createSymbolicLink(atPath: name(9), withDestinationPath: "gone.h5")
        try DurableFile.write("no checkpoint", to: name(10))
        var broken = try sampleCheckpoint(step: 11)
        broken.weights[0].values[0] = .nan
        try CheckpointFile.write(broken, to: name(11))
        try DurableFile.write("", to: scratch.file("run/checkpoints/step-99999999999999999999.h5"))
        for point in try find(scratch, ranks: ranks) {
            #expect(point?.checkpoint.header.step == 6 && point?.isSameRun == true)
        }
        let warnings = try #require(try find(scratch)[0]?.warnings)
        #expect(warnings.count == 5)
        for (step, words) in [
            (7, "a folder"), (8, "a named pipe"), (9, "No such file"), (10, "too short"), (11, "nan"),
        ] {
            #expect(warnings[11 - step].hasPrefix(name(step)) && warnings[11 - step].contains(words), "\(warnings)")
        }
    }

    @Test("if none can be read the error names them all")
    func none() throws {
        let scratch = try folder()
        for step in [3, 6] {
            let path = scratch.file("run/checkpoints/" + CheckpointKeeper.name(step: step))
            try FileManager.default.removeItem(atPath: path)
            try Folder.make(path)
        }
        let failure = #expect(throws: Failure.self) { try find(scratch) }
        #expect(failure?.code == .badData)
        for step in [3, 6] { #expect(failure?.message.contains(CheckpointKeeper.name(step: step)) == true) }
    }

    @Test("last belongs to the run whether it is a link or a file")
    func last() throws {
        let scratch = try folder()
        let last = scratch.file("run/checkpoints/last")
        func point() throws -> ResumePoint? {
            try ResumePoint.find(
                .checkpoint(path: last), runDirectory: scratch.file("run"), over: SingleCommunicator())
        }
        #expect(try point()?.isSameRun == true)
        try FileManager.default.removeItem(atPath: last)
        try DurableFile.copy(scratch.file("run/checkpoints/step-000000006.h5"), to: last)
        #expect(try point()?.isSameRun == true && point()?.checkpoint.header.step == 6)
        let elsewhere = try ResumePoint.find(
            .checkpoint(path: last), runDirectory: scratch.file("other"), over: SingleCommunicator())
        #expect(elsewhere?.isSameRun == false)
    }
}

@Suite("The best evaluation")
struct BestEvaluationTests {
    @Test("any number beats NaN, NaN never beats a number, and the first of NaN alone stays")
    func best() {
        for metric in [Configuration.BestMetric.loss, .accuracy1] {
            var progress = TrainingProgress(stepsPerEpoch: 1, totalSteps: 9)
            func add(_ loss: Double, correct: Double) -> Bool {
                progress.stepsDone += 1
                var score = Score()
                (score.loss, score.divisor, score.samples, score.correct1) = (loss, 1, 1, correct)
                return progress.addEvaluation(score, metric: metric)
            }
            #expect(add(.nan, correct: .nan) && !add(.nan, correct: .nan) && progress.best?.step == 1)
            #expect(add(7, correct: 0.1) && !add(.nan, correct: .nan) && progress.best?.step == 3)
            #expect(add(6, correct: 0.2) && !add(6, correct: 0.2) && progress.best?.step == 5)
        }
    }
}
