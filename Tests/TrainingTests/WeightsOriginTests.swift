import Diagnostics
import Interchange
import Layers
import Models
import Tensors
import TestSupport
import Testing

@testable import Training

@Suite("What weights were trained as")
struct WeightsOriginTests {
    private struct Known: Sendable {
        let name: String
        let input: Shape
        let list: ParameterList
    }

    private static func known() throws -> [Known] {
        try ModelRegistry.names.map { name in
            let usual = try #require(ModelRegistry.usual(name))
            let description = try Configuration.Model(name: name).description(
                input: usual.input, classes: usual.classes, ModelRegistry.description)
            return Known(name: name, input: usual.input, list: try Network(description).parameterList)
        }
    }

    @Test("the keys and shapes of every network that has a name fit that network alone, whatever its classes")
    func unique() throws {
        let known = try Self.known()
        for origin in known {
            let entries = origin.list.parameters.map {
                TensorEntry(key: $0.key, shape: $0.shape.dimensions, type: .float32)
            }
            let fitting = known.filter { candidate in
                let match = WeightsMatch(candidate.list, entries, head: .auto, source: "")
                return (try? match.check(path: "", model: "")) != nil
            }
            #expect(fitting.map(\.name) == [origin.name])
        }
    }

    @Test("a checkpoint says its network, its images, what they were divided by and how they were prepared")
    func checkpoint() throws {
        let scratch = try Scratch()
        var configuration = Configuration()
        configuration.model = Configuration.Model(name: "lenet5")
        configuration.model.classes = 10
        let description = try configuration.model.description(
            input: [1, 32, 32], classes: 10, ModelRegistry.description)
        let state = ModelState(parameterList: try Network(description).parameterList)
        state.initialize(seed: 1)
        var header = Checkpoint.Header()
        (header.model, header.input, header.inputMean, header.inputStd) = ("lenet5", [1, 32, 32], [0.25], [0.5])
        (header.batchSize, header.shards) = (4, 1)
        header.classes = (0..<10).map(String.init)
        (header.configuration, header.preprocessing) = (try configuration.yaml(), "{\"fit\": \"pad\"}")
        try CheckpointFile.write(Checkpoint(header: header, state: state), to: scratch.file("c.h5"))
        let origin = try WeightsOrigin(
            scratch.file("c.h5"), model: nil, known: [("lenet5", [1, 32, 32], 10)],
            makeModel: ModelRegistry.description)
        #expect(origin.model == Configuration.Model(name: "lenet5") && origin.input == [1, 32, 32])
        #expect(origin.normalize == .values(mean: [0.25], std: [0.5]) && origin.preprocessing == "{\"fit\": \"pad\"}")
        let chosen = try Configuration(
            fineTuning: origin, from: "c.h5", data: "d.h5", split: "val", localRanks: 1,
            makeModel: ModelRegistry.description)
        #expect(chosen.weights == "c.h5" && chosen.evaluate.split == "val" && chosen.batchSize == 32)
        let wrong = #expect(throws: Failure.self) {
            try WeightsOrigin(
                scratch.file("c.h5"), model: "resnet18", known: [("resnet18", [3, 224, 224], 1000)],
                makeModel: ModelRegistry.description)
        }
        #expect(wrong?.code == .badData && wrong?.message.contains("do not fit resnet18") == true, "\(wrong as Any)")
    }
}
