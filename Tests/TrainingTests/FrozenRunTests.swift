import DataParallel
import Diagnostics
import Foundation
import Ingest
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

/// With a dropout behind the frozen layers, whose random numbers must not change by what is computed once.
@Sendable private func makeModel(_ request: ModelRequest) -> ModelDescription? {
    guard request.name == "tiny" else { return nil }
    var model = ModelDescription(name: "tiny", input: request.input, classes: request.classes)
    model.append("conv1", Conv2d(outChannels: 3, kernel: 3, stride: 2))
    model.append("bn1", BatchNorm2d())
    model.append("relu1", ActivationLayer(.relu))
    let start = model.append("pool", MaxPool2d(kernel: 2))
    let main = model.append("conv2", Conv2d(outChannels: 3, kernel: 3, padding: 1))
    model.append("add", ResidualAdd(), from: [main, start])
    model.append("bn2", BatchNorm2d())
    model.append("flatten", Flatten())
    model.append("dropout", Dropout(probability: 0.25))
    model.append("fc", Linear(outputs: request.classes))
    return model
}

/// Runs with frozen layers from end to end.
@Suite("Runs with frozen layers")
struct FrozenRunTests {
    private let scratch: Scratch

    init() throws {
        scratch = try Scratch()
        try SyntheticDataset.write(to: scratch.file("d.h5"), train: 200, test: 50)
    }

    /// Seven steps an epoch.
    private func makeConfiguration(_ assignments: [String]) throws -> Configuration {
        var configuration = Configuration()
        configuration.model = Configuration.Model(name: "tiny")
        configuration.data.file = scratch.file("d.h5")
        configuration.length = .steps(24)
        configuration.optimizer = Configuration.Optimizer(.adam)
        configuration.optimizer.learningRate = 0.01
        configuration.evaluate.every = Interval(4, .step)
        configuration.evaluate.batchSize = 16
        configuration.checkpoint.every = Interval(5, .step)
        configuration.checkpoint.keep = 100
        return try Configuration(
            yaml: nil, file: "test", assignments: assignments, models: ["tiny"], defaults: configuration)
    }

    @discardableResult
    private func train(
        _ configuration: Configuration, _ folder: String, from checkpoint: String? = nil, ranks: Int = 1,
        threads: Int = 1, afterDryRun: Bool = false
    ) throws -> Checkpoint {
        let directory = scratch.file(folder)
        let codes = try InProcessWorld(size: ranks).run { communicator in
            var options = TrainingSession.Options()
            options.runDirectory = directory
            options.threads = threads
            options.models = ["tiny"]
            if let checkpoint {
                options.resume = try ResumePoint.find(
                    .checkpoint(path: checkpoint), runDirectory: directory, over: communicator)
            }
            let session = try TrainingSession(
                configuration: configuration, options: options, communicator: communicator, makeModel: makeModel)
            if afterDryRun {
                let plan = try session.dryRun()
                #expect(plan.steps == 24 && plan.runSeconds > 0)
                if !configuration.unfreeze.isEmpty { #expect(plan.runSeconds < 24 * plan.stepSeconds) }
            }
            return try session.run(environment: [:])
        }
        #expect(codes.allSatisfy { $0 == .done })
        return try CheckpointFile.read("\(directory)/checkpoints/last")
    }

    private func expectEqual(_ found: Checkpoint, _ expected: Checkpoint, _ what: String) {
        #expect(found.weights == expected.weights && found.average == expected.average, "\(what)")
        #expect(found.optimizer.map(\.tensors) == expected.optimizer.map(\.tensors), "\(what)")
        #expect(found.header.evaluations == expected.header.evaluations, "\(what)")
        #expect(found.header.updatesMissed == expected.header.updatesMissed, "\(what)")
    }

    @Test(
        "values behind frozen layers that are computed once give the same run, on any ranks and threads and after a stop",
        arguments: [
            ["freeze=backbone"], ["freeze=until conv2", "ema.decay=0.9"],
            ["freeze=backbone", "unfreeze={conv2: 2 epochs, \"*\": 3 epochs}"],
        ])
    func once(assignments: [String]) throws {
        let once = try makeConfiguration(assignments)
        let expected = try train(makeConfiguration(assignments + ["frozen_features=every_step"]), "each")
        #expect(try scratch.text("each/train.log").contains("features") == false)
        expectEqual(try train(once, "once"), expected, "once")
        #expect(try scratch.text("once/train.log").contains("are computed once for 200 + 50 images"))
        expectEqual(try train(once, "threads", threads: 2), expected, "two threads")
        expectEqual(try train(once, "dry", afterDryRun: true), expected, "after a dry run")
        for ranks in [2, 4] { expectEqual(try train(once, "ranks\(ranks)", ranks: ranks), expected, "\(ranks) ranks") }
        for stop in [5, 10, 15, 20] {
            let path = scratch.file("once/checkpoints/step-0000000\(stop < 10 ? "0" : "")\(stop).h5")
            expectEqual(try train(once, "again\(stop)", from: path), expected, "after a stop at \(stop)")
        }
    }

    @Test(
        "values kept in a file beside the runs are read by the next one, and computed again where they are damaged or others"
    )
    func file() throws {
        func files() throws -> [String] {
            try FileManager.default.contentsOfDirectory(atPath: scratch.file(".")).filter { $0.hasSuffix(".f32") }
                .sorted()
        }
        let assignments = ["freeze=backbone", "frozen_features=file"]
        let expected = try train(makeConfiguration(["freeze=backbone"]), "memory")
        #expect(try files().isEmpty)
        expectEqual(try train(makeConfiguration(assignments), "first", afterDryRun: true), expected, "the first")
        let names = try files()
        #expect(names.count == 2)
        func stamps() throws -> [[UInt8]] { try names.map { try scratch.bytes($0) } }
        let kept = try stamps()
        for ranks in [1, 2, 4] {
            expectEqual(
                try train(makeConfiguration(assignments), "next\(ranks)", ranks: ranks), expected, "\(ranks) ranks")
        }
        for (number, change) in ([{ $0[5] ^= 1 }, { $0.removeLast() }, { $0 = [] }] as [(inout [UInt8]) -> Void])
            .enumerated()
        {
            var damaged = kept[0]
            change(&damaged)
            try Data(damaged).write(to: URL(fileURLWithPath: scratch.file(names[0])))
            expectEqual(try train(makeConfiguration(assignments), "damaged\(number)", ranks: 2), expected, "damaged")
            #expect(try stamps() == kept)
        }
        // Whole files of other values give another run: what is in the files is what is trained on.
        for name in names {
            var values = try scratch.bytes(name).dropLast(CheckpointSeal.byteCount).map { $0 }
            for index in values.indices { values[index] = index % 4 == 3 ? 0x3f : 0 }
            let seal = values.withUnsafeBytes { CheckpointSeal.seal(for: $0) }
            try Data(values + seal).write(to: URL(fileURLWithPath: scratch.file(name)))
        }
        #expect(try train(makeConfiguration(assignments), "changed").weights != expected.weights)
        try train(makeConfiguration(assignments + ["seed=2"]), "other")
        #expect(try files().count == 4)
    }

    @Test("a run that goes on where a period ends computes no values that no step would use")
    func atPeriodEnd() throws {
        let assignments = ["freeze=backbone", "unfreeze={\"*\": 2 epochs}", "checkpoint.every=7 steps", "steps=21"]
        let expected = try train(makeConfiguration(assignments), "run")
        #expect(try scratch.text("run/train.log").contains("are computed once"))
        let ends = scratch.file("run/checkpoints/step-000000014.h5")
        let found = try train(makeConfiguration(assignments + ["frozen_features=file"]), "again", from: ends)
        expectEqual(found, expected, "from the end of the first period")
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.file(".")).allSatisfy { !$0.hasSuffix(".f32") })
    }

    @Test("groups that nothing trained belongs to are named")
    func idleGroups() throws {
        let groups =
            "optimizer.groups=[{match: bn1, weight_decay: 0}, {match: fc, learning_rate: 1}, {match: fc.bias, weight_decay: 0}]"
        try train(makeConfiguration(["freeze=backbone", "steps=1", groups]), "run")
        let log = try scratch.text("run/train.log")
        #expect(log.contains("optimizer.groups[0]: bn1 changes nothing: all that it fits is frozen"), "\(log)")
        #expect(log.contains("optimizer.groups[2]: fc.bias changes nothing: groups before it fit all"), "\(log)")
        #expect(!log.contains("optimizer.groups[1]"))
    }

    @Test("a period that the run never comes to takes no memory")
    func unreached() throws {
        func memory(_ assignments: [String]) throws -> Int {
            var options = TrainingSession.Options()
            (options.threads, options.models) = (1, ["tiny"])
            let session = try TrainingSession(
                configuration: makeConfiguration(["freeze=backbone"] + assignments), options: options,
                communicator: SingleCommunicator(), makeModel: makeModel)
            return try session.memoryNeed().reduce(0) { $0 + $1.bytes }
        }
        let head = try memory([])
        #expect(try memory(["unfreeze={\"*\": 9 epochs}"]) == head)
        #expect(try memory(["unfreeze={\"*\": 2 epochs}"]) > head)
    }

    @Test("a dry run keeps no values")
    func dryRun() throws {
        var options = TrainingSession.Options()
        (options.runDirectory, options.threads, options.models) = (scratch.file("run"), 1, ["tiny"])
        let session = try TrainingSession(
            configuration: makeConfiguration(["freeze=backbone", "frozen_features=file"]), options: options,
            communicator: SingleCommunicator(), makeModel: makeModel)
        _ = try session.dryRun()
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.file(".")) == ["d.h5"])
    }

    @Test(
        "only what stays and comes again is computed once",
        arguments: [
            ("freeze=backbone", "the values behind flatten are computed once"),
            ("frozen_batch_norm=renewed", "the values behind conv1 are computed once"),
            ("freeze=[conv1]", "the values behind conv1 are computed once"), ("freeze=[fc]", nil),
            ("data.augment=[RandomHorizontalFlip]", nil), ("data.mix=[MixUp]", nil), ("steps=7", nil),
            ("data.fraction=0.2", nil),
        ] as [(String, String?)])
    func once(assignment: String, words: String?) throws {
        try train(makeConfiguration(["freeze=backbone", "steps=8", assignment]), "run")
        let log = try scratch.text("run/train.log")
        #expect(log.contains(words ?? "are computed once") == (words != nil), "\(log)")
    }

    @Test("frozen layers are the same bytes before and after, and the first lines say what is trained")
    func unchanged() throws {
        let found = try train(makeConfiguration(["freeze=backbone"]), "run", ranks: 2)
        let first = try train(makeConfiguration(["freeze=backbone", "steps=1"]), "first")
        for (now, before) in zip(found.weights, first.weights) {
            #expect((now == before) == !now.key.hasPrefix("fc."), "\(now.key)")
        }
        #expect(found.optimizer.allSatisfy { $0.tensors.map(\.key) == ["fc.weight", "fc.bias"] })
        #expect(
            try scratch.text("run/train.log").contains(
                /trained +1,090 of 1,216 parameters, 8,720 bytes of optimizer state, at most 4,360 bytes of gradients sent/
            ))
    }

    @Test("other frozen layers make another run, which does not go on")
    func resuming() throws {
        try train(makeConfiguration(["freeze=backbone", "steps=5"]), "run")
        let failure = #expect(throws: Failure.self) {
            try train(
                makeConfiguration(["freeze=until conv2", "steps=5"]), "other",
                from: scratch.file("run/checkpoints/last"))
        }
        #expect(
            failure?.code == .configuration && failure?.message.contains("freeze was backbone, is until conv2") == true)
    }
}
