import Datasets
import Diagnostics
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

@Sendable private func noModel(_ request: ModelRequest) -> ModelDescription? { nil }

@Suite("Explanations")
struct ExplainerTests {
    /// A network of drawn weights, this many times as large.
    private func trained(loss: String = "cross_entropy", scale: Float = 1) throws -> TrainedNetwork {
        let scratch = try Scratch()
        let yaml = """
            model:
              name: small
              layers:
                - Conv2d: {name: conv, out_channels: 4, kernel_size: 3}
                - ReLU
                - Flatten
                - Linear: {name: fc, out_features: classes}
            data: {file: d.h5}
            loss: \(loss)
            """
        let configuration = try Configuration(
            yaml: yaml, file: "c.yaml", assignments: [], models: [], defaults: Configuration())
        let network = try Network(configuration.model.description(input: [1, 6, 6], classes: 3, noModel))
        let state = ModelState(parameterList: network.parameterList)
        state.initialize(seed: 1)
        for place in state.weights.indices { state.weights[place] *= scale }
        var header = Checkpoint.Header()
        (header.model, header.input, header.classes) = ("small", [1, 6, 6], ["a", "b", "c"])
        (header.inputMean, header.inputStd) = ([0.25], [0.5])
        (header.batchSize, header.shards) = (4, 1)
        header.configuration = try configuration.yaml()
        try CheckpointFile.write(Checkpoint(header: header, state: state), to: scratch.file("c.h5"))
        return try TrainedNetwork(checkpoint: scratch.file("c.h5"), models: [], makeModel: noModel)
    }

    private let image = (0..<36).map { UInt8($0 * 7) }

    private func explain(_ trained: TrainedNetwork, class wanted: Int? = nil) throws -> GradCAM {
        let explainer = Explainer(trained, value: 2, pool: try ThreadPool(threads: 1))
        return try image.withUnsafeBytes { try explainer.explain($0, .uint8, class: wanted, name: "i.png") }
    }

    @Test("the class and its score are those of predictions, with either loss, and every class can be asked for")
    func scores() throws {
        try BLAS.load()
        for loss in ["cross_entropy", "mean_squared_error"] {
            let trained = try trained(loss: loss)
            let logits = try image.withUnsafeBytes {
                try trained.value(4, of: $0, .uint8, pool: ThreadPool(threads: 1))
            }
            let prediction = logits.withUnsafeBufferPointer {
                Prediction(logits: $0, top: 3, loss: trained.configuration.loss)
            }
            guard case .classes(let classes) = prediction else {
                Issue.record("\(prediction)")
                return
            }
            let best = try explain(trained)
            // Predictions come from the engine that the network is trained by, explanations from the reference engine.
            #expect(best.classIndex == classes[0].index && abs(best.probability - classes[0].probability) < 1e-6)
            #expect(trained.givesProbabilities == (loss == "cross_entropy"))
            if !trained.givesProbabilities, let largest = logits.max() {
                #expect(abs(best.probability - largest) < 1e-6)
            }
            for one in classes {
                let found = try explain(trained, class: one.index)
                #expect(found.classIndex == one.index && abs(found.probability - one.probability) < 1e-6)
                if one.index == best.classIndex { #expect(found.map == best.map) }
            }
        }
    }

    @Test("an image that leads to outputs which are not finite is refused by its name")
    func notFinite() throws {
        try BLAS.load()
        let trained = try trained(scale: 1e20)
        for wanted in [nil, 1] {
            let failure = #expect(throws: Failure.self) { try explain(trained, class: wanted) }
            #expect(failure?.code == .badData && failure?.message.hasPrefix("i.png: leads to outputs") == true)
        }
    }
}
