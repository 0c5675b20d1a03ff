import DataParallel
import Diagnostics
import Foundation
import Ingest
import Layers
import Report
import Tensors
import TestSupport
import Testing

@testable import Training

/// With running statistics and random numbers.
@Sendable private func makeModel(_ request: ModelRequest) -> ModelDescription? {
    guard request.name == "tiny" else { return nil }
    var model = ModelDescription(name: "tiny", input: request.input, classes: request.classes)
    model.append("conv", Conv2d(outChannels: 2, kernel: 3, stride: 2))
    model.append("bn", BatchNorm2d())
    model.append("relu", ActivationLayer(.relu))
    model.append("pool", MaxPool2d(kernel: 2))
    model.append("flatten", Flatten())
    model.append("dropout", Dropout(probability: 0.25))
    model.append("fc", Linear(outputs: request.classes))
    return model
}

/// Runs that go on from a checkpoint, with what has a memory: optimizers, averages, plateaus, early stopping.
@Suite("Going on with a run")
struct ResumeEqualityTests {
    private let scratch: Scratch

    init() throws {
        scratch = try Scratch()
        try SyntheticDataset.write(to: scratch.file("d.h5"), train: 200, test: 50)
    }

    /// Seven steps an epoch, an evaluation every four steps, a checkpoint every five.
    private func makeConfiguration() -> Configuration {
        var configuration = Configuration()
        configuration.model = Configuration.Model(name: "tiny")
        configuration.data.file = scratch.file("d.h5")
        configuration.length = .steps(24)
        configuration.optimizer.learningRate = 0.05
        configuration.evaluate.every = Interval(4, .step)
        configuration.evaluate.batchSize = 16
        configuration.checkpoint.every = Interval(5, .step)
        configuration.checkpoint.keep = 100
        return configuration
    }

    @discardableResult
    private func train(_ configuration: Configuration, _ folder: String, from checkpoint: String? = nil, ranks: Int = 1)
        throws -> Checkpoint
    {
        let directory = scratch.file(folder)
        let codes = try InProcessWorld(size: ranks).run { communicator in
            var options = TrainingSession.Options()
            options.runDirectory = directory
            options.threads = 1
            options.models = ["tiny"]
            if let checkpoint {
                options.resume = try ResumePoint.find(
                    .checkpoint(path: checkpoint), runDirectory: directory, over: communicator)
            }
            options.mayContinue = checkpoint != nil
            return try TrainingSession(
                configuration: configuration, options: options, communicator: communicator, makeModel: makeModel
            ).run(environment: [:])
        }
        #expect(codes.allSatisfy { $0 == .done })
        return try CheckpointFile.read("\(directory)/checkpoints/last")
    }

    private func expectEqual(_ found: Checkpoint, _ expected: Checkpoint) {
        #expect(found.weights == expected.weights && found.average == expected.average)
        #expect(found.optimizer.map(\.name) == expected.optimizer.map(\.name))
        #expect(found.optimizer.map(\.tensors) == expected.optimizer.map(\.tensors))
        #expect(found.header.evaluations == expected.header.evaluations && found.header.best == expected.header.best)
    }

    @Test("Adam with an average, on a plateau, clipped: 24 steps are 5 or 15 steps, a restart and the rest")
    func adam() throws {
        var configuration = makeConfiguration()
        configuration.optimizer = Configuration.Optimizer(.adam)
        configuration.optimizer.learningRate = 0.01
        configuration.averaging = Configuration.Averaging(decay: 0.8)
        configuration.clip = .norm(0.5)
        var plateau = Configuration.Schedule(.plateau)
        (plateau.patience, plateau.metric, plateau.threshold) = (0, .accuracy1, 0.5)
        configuration.schedule = plateau
        let whole = try train(configuration, "whole")
        #expect(whole.header.evaluations.count == 6 && whole.average != whole.weights)
        for (step, ranks) in [(5, 1), (15, 2), (10, 4)] {
            let start = scratch.file("whole/checkpoints/\(CheckpointKeeper.name(step: step))")
            expectEqual(try train(configuration, "from\(step)", from: start, ranks: ranks), whole)
        }
        // The plateau has made a difference.
        configuration.schedule = Configuration.Schedule()
        #expect(try train(configuration, "constant").weights != whole.weights)
    }

    @Test("a run whose engine was left open goes on with the one that it has had, whatever is chosen by now")
    func engine() throws {
        var configuration = makeConfiguration()
        configuration.engine = .reference
        let whole = try train(configuration, "whole")
        configuration.engine = .auto
        var early = try CheckpointFile.read(scratch.file("whole/checkpoints/\(CheckpointKeeper.name(step: 10))"))
        early.header.configuration = try configuration.yaml()
        try CheckpointFile.write(early, to: scratch.file("early.h5"))
        let found = try train(configuration, "rest", from: scratch.file("early.h5"))
        expectEqual(found, whole)
        #expect(found.header.engine == whole.header.engine && found.header.engine.hasPrefix("reference"))
        #expect(found.header.configuration == early.header.configuration)
        #expect(try train(configuration, "new").header.engine.hasPrefix("blocks"))
    }

    @Test("on a plateau a shorter run that goes on comes to the weights of the longer one")
    func longerPlateau() throws {
        var configuration = makeConfiguration()
        var plateau = Configuration.Schedule(.plateau)
        (plateau.patience, plateau.threshold, plateau.factor) = (0, 0.5, 0.5)
        configuration.schedule = plateau
        configuration.earlyStopping = Configuration.EarlyStopping(metric: .loss, patience: 100)
        let whole = try train(configuration, "whole")
        configuration.length = .steps(10)
        let part = try train(configuration, "part")
        #expect(part.header.evaluations.map(\.step) == [4, 8, 10])
        configuration.length = .steps(24)
        let longer = try train(
            configuration, "part", from: scratch.file("part/checkpoints/\(CheckpointKeeper.name(step: 10))"))
        #expect(longer.weights == whole.weights && longer.header.evaluations.map(\.step) == [4, 8, 10, 12, 16, 20, 24])
    }

    @Test("a warm-up and a cosine go on where they were, and refuse another length of the run")
    func cosine() throws {
        var configuration = makeConfiguration()
        configuration.schedule = Configuration.Schedule(.cosine)
        configuration.warmup = Configuration.Warmup(length: Interval(1, .epoch))
        let whole = try train(configuration, "whole")
        let start = scratch.file("whole/checkpoints/\(CheckpointKeeper.name(step: 5))")
        expectEqual(try train(configuration, "again", from: start), whole)
        configuration.length = .steps(30)
        let longer = configuration
        let failure = #expect(throws: Failure.self) { try train(longer, "longer", from: start) }
        #expect(failure?.code == .configuration)
        #expect(failure?.message.contains("steps was 24, is 30") == true, "\(failure?.message ?? "")")
    }

    @Test("the average is what evaluations score, with the same bits in a later evaluation of the checkpoint")
    func averageEvaluated() throws {
        var configuration = makeConfiguration()
        configuration.averaging = Configuration.Averaging(decay: 0.9)
        let averaged = try train(configuration, "averaged")
        configuration.averaging = nil
        let plain = try train(configuration, "plain")
        #expect(averaged.weights == plain.weights && plain.average.isEmpty)
        #expect(averaged.header.evaluations != plain.header.evaluations)
        let session = try EvaluationSession(
            source: .checkpoint(path: scratch.file("averaged/checkpoints/last"), assignments: []), data: nil,
            split: nil,
            threads: 1, models: ["tiny"], communicator: SingleCommunicator(), makeModel: makeModel)
        #expect(try session.run().score.meanLoss == averaged.header.evaluations.last?.loss)
        let report = try CheckpointReport(path: scratch.file("averaged/checkpoints/last"))
        #expect(report.json[key: "ema_sha256"]?.plain == averaged.averageDigest())
        #expect(averaged.averageDigest() != averaged.weightsDigest() && plain.averageDigest() == nil)
    }

    @Test("a run without progress ends early and well; going on with it ends at once, unless it has more patience")
    func earlyStopping() throws {
        var configuration = makeConfiguration()
        configuration.earlyStopping = Configuration.EarlyStopping(metric: .loss, patience: 2, minDelta: 1000)
        let stopped = try train(configuration, "run", ranks: 2)
        #expect(stopped.header.step == 12 && stopped.header.evaluations.map(\.step) == [4, 8, 12])
        let reason = "early stopping at step 12: loss has not improved by more than 1000.0 in 2 evaluations"
        #expect(try scratch.text("run/train.log").contains(reason))
        let last = scratch.file("run/checkpoints/last")
        expectEqual(try train(configuration, "run", from: last), stopped)
        #expect(try scratch.text("run/train.log").components(separatedBy: reason).count == 3)
        configuration.earlyStopping?.patience = 4
        let longer = try train(configuration, "run", from: last)
        #expect(longer.header.step == 20)
    }
}
