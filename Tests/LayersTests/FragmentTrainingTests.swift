import Tensors
import Testing

@testable import Layers

@Suite("Layers that are trained without a loss")
struct FragmentTrainingTests {
    @Test(
        "from a gradient of ones come the sums of the inputs for the weights, and the number of places for the bias",
        arguments: [EngineChoice.reference, .blocks], [(18, 2), (16, 32), (3, 16)])
    func gradients(engine: EngineChoice, channels: (of: Int, to: Int)) throws {
        // Two images of whole numbers, so that every sum is exact.
        let shape: Shape = [channels.of, 3, 3]
        let images = (0..<2 * shape.count).map { Float($0 % 7) - 3 }
        var model = ModelDescription(name: "fragment", input: shape, classes: 1)
        model.append("conv", Conv2d(outChannels: channels.to, kernel: 1))
        let network = try Network(model, isFragment: true)
        var options = PlanOptions()
        (options.part, options.engine) = (.front(until: 1), engine)
        let plan = try network.plan(
            imagesPerShard: 2, shards: 1, mode: .fragmentTraining, options: options,
            input: PixelConversion(
                pixelType: .float32, image: shape, mean: [Float](repeating: 0, count: channels.of),
                std: [Float](repeating: 1, count: channels.of)), pool: try ThreadPool(threads: 1))
        let weights = [Float](repeating: 1, count: network.parameterList.count)
        var gradients = [Float](repeating: -1, count: weights.count)
        // Images are stored with their channels last.
        _ = try images.withUnsafeBytes {
            try plan.run(
                images: $0.baseAddress!, labels: [0, 0], counts: [2], weights: weights, gradients: &gradients)
        }
        let sums = (0..<channels.of).map { channel in
            stride(from: channel, to: images.count, by: channels.of).reduce(0) { $0 + images[$1] }
        }
        #expect(gradients == (0..<channels.to).flatMap { _ in sums } + [Float](repeating: 18, count: channels.to))
        // Kernels over planes make no gradient of them, which counts as done: the reference engine takes a thin image.
        #expect((plan.engine == "blocks") == (engine == .blocks && channels.of == 16), "\(plan.engine)")
        // Forward, and twice as much backward.
        #expect(try network.fragmentOperations() == 3 * 2 * network.multiplyAdds())
    }
}
