import Tensors
import Testing

@testable import Layers

@Suite("Layers that are trained without a loss")
struct FragmentTrainingTests {
    /// Two images of 18 channels, whole numbers, so that every sum is exact.
    private static let shape: Shape = [18, 3, 3]
    private static let images = (0..<2 * shape.count).map { Float($0 % 7) - 3 }

    @Test(
        "from a gradient of ones come the sums of the inputs for the weights, and the number of places for the bias",
        arguments: [EngineChoice.reference, .blocks])
    func gradients(engine: EngineChoice) throws {
        var model = ModelDescription(name: "fragment", input: Self.shape, classes: 1)
        model.append("conv", Conv2d(outChannels: 2, kernel: 1))
        let network = try Network(model, isFragment: true)
        var options = PlanOptions()
        (options.part, options.engine) = (.front(until: 1), engine)
        let plan = try network.plan(
            imagesPerShard: 2, shards: 1, mode: .fragmentTraining, options: options,
            input: PixelConversion(
                pixelType: .float32, image: Self.shape, mean: [Float](repeating: 0, count: 18),
                std: [Float](repeating: 1, count: 18)), pool: try ThreadPool(threads: 1))
        let weights = [Float](repeating: 1, count: network.parameterList.count)
        var gradients = [Float](repeating: -1, count: weights.count)
        // Images are stored with their channels last.
        _ = try Self.images.withUnsafeBytes {
            try plan.run(
                images: $0.baseAddress!, labels: [0, 0], counts: [2], weights: weights, gradients: &gradients)
        }
        let sums = (0..<18).map { channel in
            stride(from: channel, to: Self.images.count, by: 18).reduce(0) { $0 + Self.images[$1] }
        }
        #expect(gradients == sums + sums + [18, 18])
        // Forward, and twice as much backward.
        #expect(try network.fragmentOperations() == 3 * 2 * network.multiplyAdds())
    }
}
