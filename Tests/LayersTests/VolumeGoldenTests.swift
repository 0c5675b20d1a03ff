import TestSupport
import Testing

@testable import Layers
@testable import Tensors

@Suite("A network of volumes against PyTorch")
struct VolumeGoldenTests {
    private static func model() -> ModelDescription {
        var model = ModelDescription(name: "volumes", input: [2, 6, 9, 8], classes: 3)
        model.append("0", Conv3d(outChannels: 16, kernel: 3, padding: 1, bias: false))
        model.append("1", BatchNorm3d())
        model.append("2", ActivationLayer(.relu))
        model.append("3", MaxPool3d(kernel: 2))
        model.append("4", Conv3d(outChannels: 16, kernel: [1, 3, 2], stride: [1, 2, 1]))
        model.append("5", ActivationLayer(.relu))
        model.append("6", AvgPool3d(kernel: [3, 1, 1]))
        model.append("7", AdaptiveAvgPool3d(output: 1))
        model.append("8", Flatten())
        model.append("9", Linear(outputs: 3))
        return model
    }

    @Test(
        "logits, loss and every gradient, with activations kept and computed again",
        arguments: [EngineChoice.auto, .reference], [1, 3])
    func step(engine: EngineChoice, segments: Int) throws {
        let golden = try GoldenFile("volume")
        let labels = try golden.integers("/labels").map(Int32.init)
        var options = PlanOptions()
        (options.engine, options.segments) = (engine, segments)
        for mode in [ExecutionPlan.Mode.training, .evaluation] {
            let probe = try PlanProbe(
                Self.model(), imagesPerShard: labels.count, threads: 2, mode: mode, options: options,
                pixelType: .float32)
            for parameter in probe.network.parameterList.parameters {
                probe.weights.replaceSubrange(
                    parameter.range, with: try golden.floats("/weights/\(parameter.key)"))
            }
            let run = try probe.run(
                images: try golden.floats("/volumes"), labels: labels, counts: [Int32(labels.count)])
            let logits = labels.indices.flatMap { probe.logits(ofSlot: $0) }
            expectClose(
                logits, try golden.floats(mode == .training ? "/logits" : "/evaluated"), tolerance: 1e-5, "logits")
            guard mode == .training else { continue }
            expectClose([Float(run.scores[0].loss)], try golden.floats("/loss"), tolerance: 1e-5, "loss")
            for parameter in probe.network.parameterList.parameters where parameter.role != .buffer {
                expectClose(
                    Array(run.gradients[parameter.range]), try golden.floats("/gradients/\(parameter.key)"),
                    tolerance: 1e-5, parameter.key)
            }
        }
    }
}
