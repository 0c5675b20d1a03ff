import DataParallel
import Datasets
import Diagnostics
import Ingest
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

@Sendable private func makeModel(_ request: ModelRequest) -> ModelDescription? {
    TinyModel.description(input: request.input, classes: request.classes)
}

/// 100 training glyphs and a configuration whose epochs, schedule and evaluations a check of a few samples must not follow.
private func subject() throws -> (scratch: Scratch, configuration: Configuration) {
    let scratch = try Scratch()
    try SyntheticDataset.write(to: scratch.file("d.h5"), train: 100, test: 20)
    var configuration = Configuration()
    configuration.model = Configuration.Model(name: "tiny")
    configuration.data.file = scratch.file("d.h5")
    configuration.data.normalize = .dataset
    configuration.optimizer.learningRate = 0.05
    configuration.runsDirectory = scratch.file("runs")
    return (scratch, configuration)
}

private func session(
    _ configuration: Configuration, _ communicator: any Communicator, overfit: Int? = nil, folder: String? = nil
) throws -> TrainingSession {
    var options = TrainingSession.Options()
    options.threads = 1
    options.overfit = overfit.map(Overfit.init)
    options.runDirectory = folder
    return try TrainingSession(
        configuration: configuration, options: options, communicator: communicator, makeModel: makeModel)
}

private func image(_ sample: Int, of split: any SampleSource) throws -> [UInt8] {
    var pixels = [UInt8](repeating: 0, count: split.imageBytes)
    try pixels.withUnsafeMutableBytes { try split.fill($0.baseAddress!, sample: sample) }
    return pixels
}

@Suite("Learning a few samples by heart")
struct OverfitTests {
    @Test("the batch is rounded up to the shards, and everything that few samples cannot tell is left out")
    func adapted() {
        var configuration = Configuration()
        configuration.shards = 4
        configuration.schedule = .step(every: Interval(1, .step), factor: 0.1)
        let adapted = Overfit(samples: 6).adapted(configuration)
        #expect(adapted.batchSize == 8 && adapted.evaluate.batchSize == 6 && adapted.evaluate.split == "train")
        #expect(adapted.length == .steps(300) && adapted.schedule == .constant)
        #expect(adapted.evaluate.every == Interval(300, .step) && adapted.optimizer == configuration.optimizer)
        configuration.length = .steps(40)
        #expect(Overfit(samples: 8).adapted(configuration).length == .steps(40))
    }

    @Test("the samples are the first of the seed's order, with their labels and pixels")
    func samples() throws {
        let (scratch, configuration) = try subject()
        let training = try DatasetFile(path: scratch.file("d.h5")).split("train")
        let split = try Overfit(samples: 5).split(of: training, seed: configuration.seed, file: "d.h5")
        let order = SampleOrder(count: 100, seed: configuration.seed, epoch: 0)
        #expect(split.count == 5 && split.labels == (0..<5).map { training.labels[order[$0]] })
        for place in 0..<5 {
            #expect(try image(place, of: split) == image(order[place], of: training))
        }
        let failure = #expect(throws: Failure.self) {
            try Overfit(samples: 101).split(of: training, seed: 1, file: "d.h5")
        }
        #expect(failure?.code == .configuration && failure?.message.contains("has 100 training samples") == true)
    }

    @Test(
        "a network that can learn six samples passes on 1, 2 and 4 ranks, and leaves nothing behind",
        arguments: [1, 2, 4])
    func passes(ranks: Int) throws {
        let (scratch, configuration) = try subject()
        let codes = try InProcessWorld(size: ranks).run { communicator in
            try session(configuration, communicator, overfit: 6).run(environment: [:])
        }
        #expect(codes.allSatisfy { $0 == .done } && scratch.names() == ["d.h5"])
    }

    @Test("a network that learns nothing fails with the loss it has come to")
    func fails() throws {
        var (scratch, configuration) = try subject()
        configuration.optimizer.learningRate = 0
        configuration.length = .steps(3)
        let failure = #expect(throws: Failure.self) {
            try session(configuration, SingleCommunicator(), overfit: 6).run(environment: [:])
        }
        #expect(failure?.code == .configuration)
        #expect(
            failure?.message.contains("after 3 steps on 6 samples, expected below 0.01") == true, "\(failure as Any)")
        #expect(scratch.names() == ["d.h5"])
    }

    @Test("with a run folder the learnt weights are kept")
    func folder() throws {
        let (scratch, configuration) = try subject()
        let code = try session(configuration, SingleCommunicator(), overfit: 8, folder: scratch.file("run"))
            .run(environment: [:])
        let last = try CheckpointFile.read(scratch.file("run/checkpoints/last"))
        #expect(code == .done && last.header.step < 300 && last.header.evaluations.map(\.step) == [last.header.step])
        #expect(last.header.evaluations.last?.accuracy1 == 1)
    }
}

@Suite("Dry runs")
struct DryRunTests {
    @Test("a dry run does the first step of the run, tells shapes and memory, and writes nothing", arguments: [1, 2])
    func dryRun(ranks: Int) throws {
        let (scratch, configuration) = try subject()
        let results = try InProcessWorld(size: ranks).run { communicator in
            let run = try session(configuration, communicator).dryRun()
            #expect(
                run.images == 32 / ranks && run.summary.rows.map(\.path) == ["conv", "relu", "pool", "flatten", "fc"])
            #expect(run.facts.contains { $0.key == "batch" } && run.stepSeconds > 0 && run.peakResidentBytes > 0)
            let bytes = Dictionary(uniqueKeysWithValues: run.memory.map { ($0.name, $0.bytes) })
            #expect(
                bytes["gradients"] == run.summary.parameters * 4
                    && bytes["optimizer state"] == run.summary.parameters * 4)
            let batch = 32 / ranks * 784
            #expect(bytes["batches"] == BatchLoader.depth(batchBytes: batch) * batch)
            return [run.loss, run.gradientNorm]
        }
        #expect(results.allSatisfy { $0 == results[0] && $0[0].isFinite })
        #expect(scratch.names() == ["d.h5"])

        // The same step as the run's own.
        var short = configuration
        short.length = .steps(1)
        short.log.every = Interval(1, .step)
        _ = try session(short, SingleCommunicator(), folder: scratch.file("run")).run(environment: [:])
        let line = try scratch.text("run/metrics.jsonl").split(separator: "\n").first {
            $0.contains("\"step\"") && $0.contains("lr")
        }
        #expect(line?.contains("\"loss\":\(results[0][0]),") == true, "\(line ?? "")")
    }

    @Test("a run folder that could not be made, or holds a run, is found out")
    func folder() throws {
        let (scratch, configuration) = try subject()
        try scratch.write([1], "file")
        for folder in [scratch.file("file"), scratch.file("file/run")] {
            let failure = #expect(throws: Failure.self) {
                try session(configuration, SingleCommunicator(), folder: folder).dryRun()
            }
            #expect(failure?.code == .cannotCreate, "\(folder)")
        }
        #expect(scratch.names() == ["d.h5", "file"])
    }
}
