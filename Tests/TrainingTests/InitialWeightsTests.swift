import DataParallel
import Datasets
import Diagnostics
import Files
import Ingest
import Interchange
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

/// With running statistics, and a head of its own width.
@Sendable private func makeModel(_ request: ModelRequest) -> ModelDescription? {
    guard request.name == "tiny" else { return nil }
    var model = ModelDescription(name: "tiny", input: request.input, classes: request.classes)
    model.append("conv", Conv2d(outChannels: 2, kernel: 3, stride: 2))
    model.append("bn", BatchNorm2d())
    model.append("relu", ActivationLayer(.relu))
    model.append("pool", AvgPool2d(kernel: 13))
    model.append("flatten", Flatten())
    model.append("fc", Linear(outputs: request.classes))
    return model
}

@Suite("Runs that start from weights")
struct InitialWeightsTests {
    private let scratch: Scratch
    private var configuration = Configuration()
    /// What the file holds: values that no initialiser draws.
    private let origin: ModelState

    init() throws {
        scratch = try Scratch()
        try SyntheticDataset.write(to: scratch.file("d.h5"), train: 200, test: 50)
        configuration.model = Configuration.Model(name: "tiny")
        configuration.data.file = scratch.file("d.h5")
        configuration.length = .steps(6)
        configuration.optimizer.learningRate = 0.05
        configuration.checkpoint.every = Interval(3, .step)
        configuration.evaluate.every = Interval(6, .step)
        configuration.weights = scratch.file("w.safetensors")
        origin = try Self.state(classes: 10, value: 0.25)
        try write(origin, "w.safetensors")
    }

    private static func state(classes: Int, value: Float) throws -> ModelState {
        let description = try #require(
            makeModel(ModelRequest(name: "tiny", input: [1, 28, 28], classes: classes, dropout: nil)))
        let state = ModelState(parameterList: try Network(description).parameterList)
        for index in state.weights.indices { state.weights[index] = value + Float(index) / 256 }
        return state
    }

    private func write(_ state: ModelState, _ name: String, leavingOut: String? = nil) throws {
        let parameters = state.parameterList.parameters.filter { $0.key != leavingOut }
        let places = Dictionary(uniqueKeysWithValues: parameters.map { ($0.key, $0.range) })
        let file = try TemporaryFile(for: scratch.file(name))
        try SafetensorsWriter.write(
            parameters.map { TensorEntry(key: $0.key, shape: $0.shape.dimensions, type: .float32) }, metadata: [:],
            to: file
        ) { entry, write in
            let place = try #require(places[entry.key])
            try write(UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: state.weights[place])))
        }
        try file.commit()
    }

    /// A checkpoint that holds the weights for classes of these names.
    private func writeCheckpoint(_ name: String, classes: [String]) throws {
        var header = Checkpoint.Header()
        (header.model, header.input, header.inputMean, header.inputStd) = ("tiny", [1, 28, 28], [0], [1])
        (header.batchSize, header.shards, header.classes) = (4, 1, classes)
        try CheckpointFile.write(Checkpoint(header: header, state: origin), to: scratch.file(name))
    }

    private static func session(
        _ scratch: Scratch, _ configuration: Configuration, _ communicator: any Communicator, folder: String? = nil,
        from checkpoint: String? = nil, named: String? = nil
    ) throws -> TrainingSession {
        var options = TrainingSession.Options()
        options.runDirectory = folder.map(scratch.file)
        options.threads = 1
        options.models = ["tiny"]
        options.namedWeights = named
        if let checkpoint {
            options.resume = try ResumePoint.find(
                .checkpoint(path: scratch.file(checkpoint)), runDirectory: options.runDirectory, over: communicator)
        }
        return try TrainingSession(
            configuration: configuration, options: options, communicator: communicator, makeModel: makeModel)
    }

    /// The first weights of a run, by key.
    private func first(_ configuration: Configuration, ranks: Int = 1) throws -> [[String: [Float]]] {
        try InProcessWorld(size: ranks).run { [scratch] communicator in
            let state = try Self.session(scratch, configuration, communicator).prepare().step.state
            if let average = state.average { #expect(average.elementsEqual(state.weights)) }
            return Dictionary(
                uniqueKeysWithValues: state.parameterList.parameters.map { ($0.key, Array(state.weights[$0.range])) })
        }
    }

    @discardableResult
    private func train(
        _ configuration: Configuration, _ folder: String, ranks: Int = 1, from checkpoint: String? = nil,
        named: String? = nil
    ) throws -> Checkpoint {
        let codes = try InProcessWorld(size: ranks).run { [scratch] communicator in
            try Self.session(scratch, configuration, communicator, folder: folder, from: checkpoint, named: named).run(
                environment: [:])
        }
        #expect(codes.allSatisfy { $0 == .done })
        return try CheckpointFile.read(scratch.file("\(folder)/checkpoints/last"))
    }

    private func failure(
        _ configuration: Configuration, from checkpoint: String? = nil, named: String? = nil, ranks: Int = 1
    ) -> Failure? {
        #expect(throws: Failure.self) {
            try InProcessWorld(size: ranks).run { [scratch] communicator in
                _ = try Self.session(scratch, configuration, communicator, from: checkpoint, named: named)
            }
        }
    }

    @Test(
        "the first weights are the file's on every rank, running statistics and the average too", arguments: [1, 2, 4])
    func taken(ranks: Int) throws {
        var configuration = configuration
        configuration.averaging = Configuration.Averaging(decay: 0.9)
        for weights in try first(configuration, ranks: ranks) {
            for parameter in origin.parameterList.parameters {
                #expect(weights[parameter.key] == Array(origin.weights[parameter.range]), "\(parameter.key)")
            }
        }
    }

    @Test("a new head has the values that it would have from nothing with the same seed")
    func newHead() throws {
        var configuration = configuration
        configuration.head = .new
        configuration.seed = 7
        let found = try first(configuration)[0]
        configuration.weights = nil
        configuration.head = .auto
        let fromNothing = try first(configuration)[0]
        #expect(found["fc.weight"] == fromNothing["fc.weight"] && found["fc.bias"] == fromNothing["fc.bias"])
        #expect(found["conv.weight"]?.first == 0.25 && found["conv.weight"] != fromNothing["conv.weight"])
    }

    @Test("by default the head is new for another number of classes, and for classes of other names")
    func autoHead() throws {
        let fromNothing: [String: [Float]] = try {
            var configuration = configuration
            configuration.weights = nil
            return try first(configuration)[0]
        }()
        try write(Self.state(classes: 1000, value: 0.5), "thousand.safetensors")
        let names = try DatasetFile(path: scratch.file("d.h5")).classes
        try writeCheckpoint("others.h5", classes: names.map { "no " + $0 })
        try writeCheckpoint("same.h5", classes: names)
        for (file, isNew) in [("thousand.safetensors", true), ("others.h5", true), ("same.h5", false)] {
            var configuration = configuration
            configuration.weights = scratch.file(file)
            let found = try first(configuration)[0]
            #expect((found["fc.weight"] == fromNothing["fc.weight"]) == isNew, "\(file)")
            #expect(found["conv.weight"] != fromNothing["conv.weight"])
        }
    }

    @Test("a run from weights has equal bits on 1, 2 and 4 ranks, says what it took and records their digest")
    func ranks() throws {
        let one = try train(configuration, "one")
        #expect(one.header.initialWeights.count == 64)
        #expect(one.header.initialWeights == origin.weightsDigest())
        #expect(one.header.configurationDigest == configuration.digest(initialWeights: origin.weightsDigest()))
        #expect(try scratch.text("one/train.log").contains("(safetensors): all 8 tensors taken, digest"))
        for ranks in [2, 4] {
            let found = try train(configuration, "on\(ranks)", ranks: ranks)
            #expect(found.weights == one.weights && found.header.initialWeights == one.header.initialWeights)
        }
        // Another place and another format, the same run.
        try writeCheckpoint("w.h5", classes: DatasetFile(path: scratch.file("d.h5")).classes)
        var other = configuration
        other.weights = scratch.file("w.h5")
        let moved = try train(other, "moved")
        #expect(moved.weights == one.weights && moved.header.configurationDigest == one.header.configurationDigest)
        other.head = .new
        #expect(try train(other, "new").weights != one.weights)
        #expect(try scratch.text("new/train.log").contains("  new          2  fc.weight [10, 2]"))
    }

    @Test("a run goes on without the file; a named one is compared with what it began from")
    func resume() throws {
        let whole = try train(configuration, "whole")
        var missing = configuration
        missing.weights = scratch.file("gone.safetensors")
        for (folder, weights, named) in [
            ("a", configuration, nil), ("b", missing, nil), ("c", missing, missing.weights),
            ("d", configuration, configuration.weights),
        ] {
            let found = try train(weights, folder, from: "whole/checkpoints/step-000000003.h5", named: named)
            #expect(found.weights == whole.weights && found.header.initialWeights == whole.header.initialWeights)
        }
        try write(Self.state(classes: 10, value: 0.5), "other.safetensors")
        var other = configuration
        other.weights = scratch.file("other.safetensors")
        let changed = failure(other, from: "whole/checkpoints/last", named: other.weights)
        #expect(changed?.code == .configuration && changed?.message.contains("holds other weights") == true)
        other.weights = nil
        let without = failure(other, from: "whole/checkpoints/last")
        #expect(without?.code == .configuration && without?.message.contains("weights was") == true)
        other.weights = configuration.weights
        other.head = .new
        #expect(failure(other, from: "whole/checkpoints/last")?.message.contains("head was auto, is new") == true)
    }

    @Test("what cannot be a beginning ends the start on all ranks, with the table where keys do not fit")
    func refused() throws {
        var wrong = configuration
        wrong.weights = scratch.file("none.safetensors")
        #expect(failure(wrong, ranks: 2)?.code == .inputMissing)

        try write(origin, "part.safetensors", leavingOut: "conv.bias")
        wrong.weights = scratch.file("part.safetensors")
        let part = failure(wrong, ranks: 2)
        #expect(part?.code == .badData && part?.message.contains("1 missing (conv.bias [2])") == true)
        #expect(part?.message.contains("\n  missing      1  conv.bias") == true, "\(part as Any)")

        try write(Self.state(classes: 1000, value: 0.5), "thousand.safetensors")
        wrong.weights = scratch.file("thousand.safetensors")
        wrong.head = .keep
        let kept = failure(wrong)
        #expect(kept?.code == .configuration && kept?.message.contains("head = keep") == true, "\(kept as Any)")

        wrong.weights = nil
        #expect(failure(wrong)?.message.contains("expected weights: FILE") == true)

        let state = try Self.state(classes: 10, value: 0.5)
        state.weights[3] = .nan
        try write(state, "nan.safetensors")
        wrong = configuration
        wrong.weights = scratch.file("nan.safetensors")
        let value = #expect(throws: Failure.self) { try first(wrong, ranks: 2) }
        #expect(value?.code == .badData && value?.message.contains("conv.weight[3] = nan") == true, "\(value as Any)")
    }
}
