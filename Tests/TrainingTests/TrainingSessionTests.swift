import DataParallel
import Datasets
import Diagnostics
import Foundation
import Ingest
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

private let models = ["tiny"]

@Sendable private func makeModel(_ request: ModelRequest) -> ModelDescription? {
    request.name == "tiny" ? TinyModel.description(input: request.input, classes: request.classes) : nil
}

/// 200 training and 50 test glyphs, a batch of 32 in four shards: seven steps an epoch, the last of 8 samples.
private func makeConfiguration(_ scratch: Scratch) throws -> Configuration {
    if !scratch.names().contains("d.h5") {
        try SyntheticDataset.write(to: scratch.file("d.h5"), train: 200, test: 50)
    }
    var configuration = Configuration()
    configuration.model = Configuration.Model(name: "tiny")
    configuration.data.file = scratch.file("d.h5")
    configuration.data.normalize = .dataset
    configuration.length = .epochs(2)
    configuration.optimizer.learningRate = 0.05
    configuration.evaluate.batchSize = 16
    configuration.log.every = Interval(3, .step)
    configuration.log.samples = true
    return configuration
}

/// Trains on some ranks into a folder.
private func train(_ configuration: Configuration, _ folder: String, ranks: Int = 1, threads: Int = 1) throws {
    _ = try InProcessWorld(size: ranks).run { communicator in
        var options = TrainingSession.Options()
        options.runDirectory = folder
        options.threads = threads
        options.command = ["swift-train", "--run-dir", folder]
        let session = try TrainingSession(
            configuration: configuration, options: options, communicator: communicator, makeModel: makeModel)
        let code = try session.run(environment: ["OMPI_X": "1", "HOME": "secret"])
        #expect(code == .done)
    }
}

/// A value of a line. JSONDecoder reads numbers exactly; JSONSerialization can be off by their last bit.
private struct Value: Decodable {
    var number: Double?
    var text: String?

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        number = try? container.decode(Double.self)
        text = try? container.decode(String.self)
    }
}

/// The lines of metrics.jsonl.
private func events(_ scratch: Scratch, _ folder: String) throws -> [[String: Value]] {
    try scratch.text("\(folder)/metrics.jsonl").split(separator: "\n").map { line in
        try JSONDecoder().decode([String: Value].self, from: Data(line.utf8))
    }
}

private func samples(_ scratch: Scratch, _ folder: String) throws -> [Int64] {
    try scratch.bytes("\(folder)/samples.bin").withUnsafeBytes { bytes in
        (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: 8 * $0, as: Int64.self) }
    }
}

@Suite("Training from end to end")
struct TrainingSessionTests {
    @Test("a run leaves its folder, its events and checkpoints that agree with each other")
    func run() throws {
        let scratch = try Scratch()
        let configuration = try makeConfiguration(scratch)
        try train(configuration, scratch.file("run"))

        #expect(
            scratch.names(in: "run") == [
                "checkpoints", "command.txt", "config.yaml", "environment.json", "metrics.jsonl", "report.html",
                "report.json", "run.lock",
                "samples.bin",
                "train.log",
            ])
        #expect(scratch.names(in: "run/checkpoints") == ["best.h5", "last", "step-000000007.h5", "step-000000014.h5"])
        let text = try scratch.text("run/config.yaml")
        let read = try Configuration(
            yaml: text, file: "config.yaml", assignments: [], models: models, defaults: Configuration())
        #expect(read == configuration)
        #expect(try scratch.text("run/command.txt") == "swift-train --run-dir \(scratch.file("run"))\n")
        #expect(try !scratch.text("run/environment.json").contains("secret"))

        let last = try CheckpointFile.read(scratch.file("run/checkpoints/last"))
        let header = last.header
        #expect((header.epoch, header.step, header.samplesSeen) == (2, 14, 400))
        #expect((header.seed, header.batchSize, header.shards) == (1, 32, 4))
        #expect(header.configuration == text && header.configurationDigest == configuration.digest())
        #expect(header.model == "tiny" && header.input == [1, 28, 28] && header.classes.count == 10)
        #expect(header.evaluations.map(\.step) == [7, 14] && header.evaluations.contains { $0 == header.best })
        let best = try CheckpointFile.read(scratch.file("run/checkpoints/best.h5"))
        #expect(best.header.step == header.best?.step)

        let events = try events(scratch, "run")
        // Saving goes on beside training, so a checkpoint's event may come some steps later.
        let names = events.compactMap { $0["event"]?.text }.filter { $0 != "checkpoint" }
        #expect(names == ["start", "step", "step", "epoch", "eval", "step", "step", "epoch", "eval", "end"])
        #expect(events.last?["weights_sha256"]?.text == last.weightsDigest())
        #expect(events.last?["exit_code"]?.number == 0 && events.last?["step"]?.number == 14)
        let expected: [String: Set<String>] = [
            "step": [
                "epoch", "step", "split", "loss", "acc1", "lr", "images_per_second", "seconds",
                "training_seconds", "data_wait_seconds", "communication_seconds",
            ],
            "epoch": [
                "epoch", "step", "split", "loss", "acc1", "acc5", "lr", "images_per_second", "seconds",
                "training_seconds", "data_wait_seconds", "communication_seconds",
            ],
            "eval": ["epoch", "step", "split", "loss", "acc1", "acc5", "seconds"],
            "checkpoint": ["step", "file", "seconds", "stall_seconds"],
        ]
        for event in events {
            let name = event["event"]?.text ?? ""
            if let keys = expected[name] { #expect(Set(event.keys) == keys.union(["event", "time"]), "\(name)") }
        }
        let evaluations = events.filter { $0["event"]?.text == "eval" }
        #expect(evaluations.map { $0["loss"]?.number } == header.evaluations.map(\.loss))
        #expect(evaluations.map { $0["acc1"]?.number } == header.evaluations.map(\.accuracy1))
        #expect(evaluations.map { $0["split"]?.text } == ["test", "test"])
        let saved = events.filter { $0["event"]?.text == "checkpoint" }.map { $0["file"]?.text }
        #expect(saved == ["step-000000007.h5", "step-000000014.h5"])
        // The checkpoint knows how long the metrics were when it was made.
        let metrics = try scratch.bytes("run/metrics.jsonl")
        let known = String(decoding: metrics[..<header.metricsBytes], as: UTF8.self).split(separator: "\n")
        #expect(metrics[header.metricsBytes - 1] == 10 && known.last?.contains("\"event\":\"eval\"") == true)
    }

    @Test("ranks and threads change neither weights, nor evaluations, nor the order of samples")
    func ranks() throws {
        let scratch = try Scratch()
        let configuration = try makeConfiguration(scratch)
        try train(configuration, scratch.file("one"))
        let one = try CheckpointFile.read(scratch.file("one/checkpoints/last"))
        let order = try samples(scratch, "one")
        #expect(order.count == 400 && Set(order[..<200]).count == 200 && Set(order[200...]).count == 200)
        #expect(order[..<200] != order[200...])
        for (name, ranks, threads) in [("two", 2, 1), ("four", 4, 2)] {
            try train(configuration, scratch.file(name), ranks: ranks, threads: threads)
            let found = try CheckpointFile.read(scratch.file("\(name)/checkpoints/last"))
            #expect(found.weights == one.weights && found.optimizer[0].tensors == one.optimizer[0].tensors)
            #expect(found.header.evaluations == one.header.evaluations, "\(ranks) ranks")
            #expect(try samples(scratch, name) == order)
        }
    }

    @Test("evaluating a checkpoint gives the bits that training printed, on any number of ranks")
    func evaluation() throws {
        let scratch = try Scratch()
        try train(makeConfiguration(scratch), scratch.file("run"))
        let path = scratch.file("run/checkpoints/last")
        let expected = try #require(try CheckpointFile.read(path).header.evaluations.last)
        for ranks in [1, 2, 3, 4] {
            let scores = try InProcessWorld(size: ranks).run { communicator in
                try EvaluationSession(
                    source: .checkpoint(path: path, assignments: []), data: nil, split: nil, threads: 1, models: models,
                    communicator: communicator, makeModel: makeModel
                ).run().score
            }
            for score in scores {
                #expect(score.samples == 50 && score.divisor == 50)
                #expect(score.meanLoss.bitPattern == expected.loss.bitPattern, "\(ranks) ranks")
                #expect(score.accuracy1 == expected.accuracy1 && score.accuracy5 == expected.accuracy5)
            }
        }
        let train = try EvaluationSession(
            source: .checkpoint(path: path, assignments: []), data: nil, split: "train", threads: 2, models: models,
            communicator: SingleCommunicator(), makeModel: makeModel)
        #expect(try train.run().score.samples == 200)
    }

    @Test("intervals in steps: evaluations and checkpoints where asked, and at the end")
    func intervals() throws {
        let scratch = try Scratch()
        var configuration = try makeConfiguration(scratch)
        configuration.length = .steps(10)
        configuration.evaluate.every = Interval(4, .step)
        configuration.checkpoint.every = Interval(3, .step)
        configuration.checkpoint.keep = 2
        configuration.log.samples = false
        try train(configuration, scratch.file("run"))
        let names = scratch.names(in: "run/checkpoints").filter { $0.hasPrefix("step") }
        #expect(names == ["step-000000009.h5", "step-000000010.h5"])
        #expect(!scratch.names(in: "run").contains("samples.bin"))
        let header = try CheckpointFile.read(scratch.file("run/checkpoints/last")).header
        #expect(header.evaluations.map(\.step) == [4, 8, 10] && header.epoch == 1)
    }

    @Test("a run of no steps ends well and saves nothing")
    func noSteps() throws {
        let scratch = try Scratch()
        var configuration = try makeConfiguration(scratch)
        configuration.length = .epochs(0)
        try train(configuration, scratch.file("run"))
        #expect(scratch.names(in: "run/checkpoints").isEmpty)
        #expect(try events(scratch, "run").compactMap { $0["event"]?.text } == ["start", "end"])
    }

    @Test("a learning rate that is far too high ends as not finite, naming step and tensor")
    func notFinite() throws {
        let scratch = try Scratch()
        var configuration = try makeConfiguration(scratch)
        configuration.optimizer.learningRate = 1e30
        let hopeless = configuration
        let failure = #expect(throws: Failure.self) { try train(hopeless, scratch.file("run"), ranks: 2) }
        #expect(failure?.code == .notFinite && failure?.message.hasPrefix("step ") == true, "\(failure?.message ?? "")")
        #expect(scratch.names(in: "run/checkpoints").isEmpty)
    }

    @Test("what does not fit the data is refused before anything is written")
    func refusals() throws {
        let scratch = try Scratch()
        let good = try makeConfiguration(scratch)
        func refused(_ code: ExitCode, _ words: String, ranks: Int = 1, _ change: (inout Configuration) -> Void) {
            var configuration = good
            change(&configuration)
            let changed = configuration
            let failure = #expect(throws: Failure.self) { try train(changed, scratch.file("run"), ranks: ranks) }
            #expect(failure?.code == code && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
        refused(.inputMissing, "none.h5") { $0.data.file = scratch.file("none.h5") }
        refused(.configuration, "has no split val, expected one of test, train") { $0.evaluate.split = "val" }
        refused(.configuration, "model.classes = 7") { $0.model.classes = 7 }
        refused(.configuration, "model.channels = 3") { $0.model.channels = 3 }
        refused(.configuration, "no network of this name") { $0.model = Configuration.Model(name: "other") }
        refused(.configuration, "expected one for each of the 1 channels") {
            $0.data.normalize = .values(mean: [0, 0], std: [1, 1])
        }
        refused(.configuration, "leaves the range of float32") {
            $0.data.normalize = .values(mean: [1e30], std: [1e-30])
        }
        refused(.configuration, "5 ranks with shards: 4", ranks: 5) { _ in }
        refused(.configuration, "raise shards to 8", ranks: 8) { _ in }
        #expect(scratch.names() == ["d.h5"])
    }

    @Test("skipping every step ends as not finite, since nothing has been learnt")
    func allLeftOut() throws {
        let scratch = try Scratch()
        var configuration = try makeConfiguration(scratch)
        configuration.optimizer = Configuration.Optimizer(.adam)
        configuration.optimizer.learningRate = 1e38
        configuration.onNotFinite = .skip
        let hopeless = configuration
        let failure = #expect(throws: Failure.self) { try train(hopeless, scratch.file("run"), ranks: 2) }
        #expect(
            failure?.code == .notFinite && failure?.message.contains("none of 14 steps") == true,
            "\(failure?.message ?? "")")
        let warnings = try events(scratch, "run").filter { $0["event"]?.text == "warning" }
        #expect(warnings.count >= 14)
        #expect(try CheckpointFile.read(scratch.file("run/checkpoints/last")).header.skippedSteps == 14)
    }

    @Test("ranks that were told different things end with a table that names the key")
    func disagreement() throws {
        let scratch = try Scratch()
        let good = try makeConfiguration(scratch)
        let results = InProcessWorld(size: 2).results { communicator in
            var configuration = good
            if communicator.rank == 1 { configuration.optimizer.momentum = 0.5 }
            var options = TrainingSession.Options()
            options.runDirectory = scratch.file("run")
            _ = try TrainingSession(
                configuration: configuration, options: options, communicator: communicator, makeModel: makeModel)
        }
        for result in results {
            let failure = #expect(throws: Failure.self) { try result.get() }
            #expect(failure?.code == .ranksDisagree && failure?.message.contains("optimizer.momentum") == true)
        }
        #expect(scratch.names() == ["d.h5"])
    }
}
