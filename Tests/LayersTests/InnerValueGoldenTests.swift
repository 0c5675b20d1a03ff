import TestSupport
import Testing

@testable import Layers
@testable import Tensors

/// Values inside a network, gradients of a logit with respect to them, and class activation maps, against PyTorch.
@Suite("Values inside a network")
struct InnerValueGoldenTests {
    private let golden: GoldenFile
    private let network: Network
    private let weights: [Float]
    private let images: [Float]
    private let labels: [Int32]

    init() throws {
        golden = try GoldenFile("inner")
        var model = ModelDescription(name: "small", input: [3, 12, 14], classes: 5)
        model.append("conv1", Conv2d(outChannels: 6, kernel: 5, padding: 2))
        model.append("bn1", BatchNorm2d())
        let shortcut = model.append("relu1", ActivationLayer(.relu))
        model.append("conv2", Conv2d(outChannels: 6, kernel: 3, padding: 1, bias: false))
        let main = model.append("bn2", BatchNorm2d())
        model.append("add", ResidualAdd(), from: [main, shortcut])
        model.append("relu2", ActivationLayer(.relu))
        model.append("pool1", MaxPool2d(kernel: 2))
        model.append("conv3", Conv2d(outChannels: 8, kernel: 3))
        model.append("relu3", ActivationLayer(.relu))
        model.append("pool2", AvgPool2d(kernel: 2))
        model.append("dropout", Dropout(probability: 0.5))
        model.append("flatten", Flatten())
        model.append("fc1", Linear(outputs: 10))
        model.append("relu4", ActivationLayer(.relu))
        model.append("fc2", Linear(outputs: 5))
        network = try Network(model)
        var weights = [Float](repeating: .nan, count: network.parameterList.count)
        for parameter in network.parameterList.parameters {
            weights.replaceSubrange(parameter.range, with: try golden.floats("/weights/\(parameter.key)"))
        }
        self.weights = weights
        images = try golden.floats("/images")
        labels = try golden.integers("/labels").map(Int32.init)
    }

    private func plan(_ mode: ExecutionPlan.Mode, _ options: PlanOptions = PlanOptions(), threads: Int = 1) throws
        -> ExecutionPlan
    {
        let input = PixelConversion(
            pixelType: .float32, image: network.description.input, mean: [0, 0, 0], std: [1, 1, 1])
        let plan = try network.plan(
            imagesPerShard: labels.count, shards: 1, mode: mode, options: options, input: input,
            pool: try ThreadPool(threads: threads))
        _ = try images.withUnsafeBytes { images in
            try plan.run(
                images: images.baseAddress!, labels: labels, counts: [Int32(labels.count)], weights: weights,
                gradients: nil)
        }
        return plan
    }

    /// The largest difference, as a share of the largest golden value.
    private func difference(_ values: [Float], _ path: String) throws -> Float {
        let expected = try golden.floats(path)
        try #require(values.count == expected.count, "\(path)")
        let scale = expected.map(abs).max() ?? 0
        return (zip(values, expected).map { abs($0 - $1) }.max() ?? 0) / max(scale, .leastNormalMagnitude)
    }

    /// PyTorch's own float32 is off by 1.7e-6 and 2.4e-7 of the largest value.
    private let tolerance: Float = 1e-5

    @Test("every value is PyTorch's, with a plan that ends there and with one that goes back to it", arguments: [1, 2])
    func values(threads: Int) throws {
        for (index, name) in (["input"] + network.stages.map(\.path)).enumerated() {
            var options = PlanOptions()
            options.part = .front(until: index)
            // Like the plan that goes back, bit for bit.
            options.engine = .reference
            let kept = try plan(.logitGradient(ofValue: index), threads: threads)
            let values = labels.indices.map { Array(kept.valueAndGradient(ofSlot: $0).value) }
            #expect(try difference(values.flatMap { $0 }, "/\(name)/value") <= tolerance, "\(name)")
            guard index > 0 else { continue }
            let front = try plan(.evaluation, options, threads: threads)
            #expect(labels.indices.map { Array(front.logits(ofSlot: $0)) } == values, "\(name)")
        }
    }

    @Test("the gradient of each image's logit with respect to every value is PyTorch's")
    func gradients() throws {
        for (index, name) in (["input"] + network.stages.map(\.path)).enumerated() {
            let plan = try plan(.logitGradient(ofValue: index))
            let gradients = labels.indices.flatMap { Array(plan.valueAndGradient(ofSlot: $0).gradient) }
            #expect(try difference(gradients, "/\(name)/gradient") <= tolerance, "\(name)")
            let logits = labels.indices.flatMap { Array(plan.logits(ofSlot: $0)) }
            #expect(try difference(logits, "/fc2/value") <= tolerance, "\(name)")
        }
    }

    @Test("a class activation map is PyTorch's, also at the image's size")
    func maps() throws {
        let value = try #require(network.lastMaps)
        #expect(network.stages[value - 1].path == "relu3")
        #expect(network.firstMaps.map { network.stages[$0 - 1].path } == "relu1")
        let plan = try plan(.logitGradient(ofValue: value))
        let maps = labels.indices.map { slot in
            let (value, gradient) = plan.valueAndGradient(ofSlot: slot)
            return GradCAM(
                maps: Array(value), gradients: Array(gradient), shape: [8, 4, 5], classIndex: Int(labels[slot]),
                probability: 1)
        }
        #expect(try difference(maps.flatMap(\.map), "/map/value") <= 1e-5)
        #expect(try difference(maps.flatMap { $0.resized(height: 12, width: 14) }, "/map/larger") <= 1e-5)
        let nothing = GradCAM(maps: [1, 1], gradients: [-1, -1], shape: [1, 1, 2], classIndex: 0, probability: 0)
        #expect(nothing.map == [0, 0] && nothing.resized(height: 2, width: 2) == [0, 0, 0, 0])
    }

    @Test("a network of the lane engine shows its values too")
    func lanes() throws {
        let probe = try PlanProbe.fashion(imagesPerShard: 2, mode: .evaluation)
        #expect(probe.plan.engine.hasPrefix("lanes"))
        let kept = try PlanProbe.fashion(imagesPerShard: 2, mode: .logitGradient(ofValue: 5))
        #expect(kept.plan.engine.hasPrefix("reference"))
        #expect(kept.network.lastMaps == 5 && kept.network.firstMaps == 2)
    }
}
