import Diagnostics
import Files
import Interchange
import Layers
import Models
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite("What exports say of their weights")
struct ExportedOriginTests {
    private static let known = ModelRegistry.names.compactMap { name in
        ModelRegistry.usual(name).map { (name: name, input: $0.input, classes: $0.classes) }
    }

    private static let yaml = """
        model:
          name: small
          layers:
            - Conv2d: {name: conv, out_channels: 4, kernel_size: 3}
            - BatchNorm2d: {name: bn}
            - ReLU
            - Flatten
            - Linear: {name: fc, out_features: classes}
        data: {file: /secret/place/d.h5}
        engine: blocks
        loss: mean_squared_error
        evaluate: {batch_size: 7}
        """

    /// A checkpoint of a network of its own, and its export.
    private func exported(_ scratch: Scratch) throws -> (checkpoint: String, weights: String) {
        let configuration = try Configuration(
            yaml: Self.yaml, file: "c.yaml", assignments: [], models: [], defaults: Configuration())
        let network = try Network(
            configuration.model.description(input: [2, 6, 6], classes: 3, ModelRegistry.description))
        let state = ModelState(parameterList: network.parameterList)
        state.initialize(seed: 1)
        var header = Checkpoint.Header()
        (header.model, header.input, header.classes) = ("small", [2, 6, 6], ["a,\"b\"", "ü", "c"])
        (header.inputMean, header.inputStd) = ([0.1, 1e-7], [0.3, 1 / 3])
        (header.batchSize, header.shards) = (4, 1)
        header.preprocessing = "{\"fit\": \"pad\"}"
        header.configuration = try configuration.yaml()
        let (checkpoint, weights) = (scratch.file("c.h5"), scratch.file("w.safetensors"))
        try CheckpointFile.write(Checkpoint(header: header, state: state), to: checkpoint)
        try WeightsExport(checkpoint: checkpoint, raw: false).write(to: weights, models: [])
        return (checkpoint, weights)
    }

    @Test("a network, its images and what decides its outputs come back from an export as from the checkpoint")
    func roundTrip() throws {
        let scratch = try Scratch()
        let (checkpoint, weights) = try exported(scratch)
        let own = try TrainedNetwork(checkpoint: checkpoint, models: [], makeModel: ModelRegistry.description)
        for (path, isCheckpoint) in [(weights, false), (checkpoint, true)] {
            let back = try TrainedNetwork(
                weights: path, model: nil, known: Self.known, makeModel: ModelRegistry.description)
            #expect(back.classNames == own.classNames && back.input == own.input && back.assumption == nil)
            #expect(back.normalization.mean == own.normalization.mean)
            #expect(back.normalization.std == own.normalization.std && back.preprocessing == own.preprocessing)
            #expect(back.configuration.loss == .meanSquaredError && back.configuration.engine == .blocks)
            #expect(back.configuration.evaluate.batchSize == 7 && back.modelName == "small")
            #expect(back.state.weightsDigest() == own.state.weightsDigest(), "\(isCheckpoint)")
        }
        let text = String(decoding: try scratch.bytes("w.safetensors").prefix(4096), as: UTF8.self)
        #expect(!text.contains("secret"), "places of the machine do not travel")
        // Images of another size are taken where the network has the same weights for them, which this one has not.
        let other = #expect(throws: Failure.self) {
            try TrainedNetwork(
                weights: weights, model: nil, size: (7, 6), known: Self.known, makeModel: ModelRegistry.description)
        }
        #expect(other?.code == .usage && other?.message.contains("would need other weights") == true)
    }

    @Test("texts that export does not write are refused by their name, and files of others say nothing")
    func texts() throws {
        let scratch = try Scratch()
        let origin = try #require(try WeightsFile(exported(scratch).weights).origin)
        #expect(try ExportedOrigin(texts: origin.texts, path: "w") == origin)
        for (key, text, words) in [
            ("classes", "[]", "the names of the classes"), ("classes", "[1, 2]", "the names of the classes"),
            ("input", "[2, 6]", "[channels, height, width]"), ("input", "[2, 0, 6]", "[channels, height, width]"),
            ("input", "[2, 6, 99999999999]", "[channels, height, width]"),
            ("input_mean", "[0.5]", "2 numbers"), ("input_mean", "[0.5, nan]", "2 numbers"),
            ("input_std", "[0.5, 0]", "above 0"), ("input_std", "0.5, 0.5", "above 0"),
        ] {
            let failure = #expect(throws: Failure.self) {
                try ExportedOrigin(texts: origin.texts.merging([key: text]) { $1 }, path: "w")
            }
            #expect(failure?.code == .badData && failure?.message.contains("w: \(key) of its metadata") == true)
            #expect(failure?.message.contains(words) == true, "\(failure as Any)")
        }
        #expect(try ExportedOrigin(texts: ["format": "pt", "model": "x", "classes": "y"], path: "w") == nil)
    }

    /// The weights of a network by name, without texts, all 0, some of another shape.
    private func write(_ name: String, to path: String, changed: [String: [Int]] = [:]) throws {
        let usual = try #require(ModelRegistry.usual(name))
        let description = try Configuration.Model(name: name).description(
            input: usual.input, classes: usual.classes, ModelRegistry.description)
        let entries = try Network(description).parameterList.parameters.map {
            TensorEntry(key: $0.key, shape: changed[$0.key] ?? $0.shape.dimensions, type: .float32)
        }
        let file = try TemporaryFile(for: path)
        try SafetensorsWriter.write(entries, metadata: [:], to: file) { entry, write in
            try [Float](repeating: 0, count: entry.count).withUnsafeBytes(write)
        }
        try file.commit()
    }

    @Test("the head of a file tells the classes, and one without rows is refused")
    func heads() throws {
        let scratch = try Scratch()
        let path = scratch.file("w.safetensors")
        func trained() throws -> TrainedNetwork {
            try TrainedNetwork(weights: path, model: nil, known: Self.known, makeModel: ModelRegistry.description)
        }
        try write("lenet5", to: path, changed: ["fc.fc3.weight": [3, 84], "fc.fc3.bias": [3]])
        let three = try trained()
        #expect(three.classNames == ["0", "1", "2"])
        #expect(
            three.assumption
                == "\(path) says nothing of its images: those of lenet5's article are taken, \(three.input), with pixels in 0…1"
        )
        try write("lenet5", to: path, changed: ["fc.fc3.weight": [0, 84], "fc.fc3.bias": [0]])
        let empty = #expect(throws: Failure.self) { try trained() }
        #expect(empty?.code == .badData && empty?.message.contains("a row for each class") == true, "\(empty as Any)")
        try write("lenet5", to: path, changed: ["fc.fc3.weight": [3, 84], "fc.fc3.bias": [4]])
        let torn = #expect(throws: Failure.self) { try trained() }
        #expect(torn?.code == .badData && torn?.message.contains("fc.fc3.bias") == true, "\(torn as Any)")
    }
}
