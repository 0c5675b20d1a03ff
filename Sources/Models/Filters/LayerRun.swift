internal import Layers
internal import Tensors

/// One layer, computed for one image by the reference engine.
struct LayerRun {
    /// [C, H, W], or what else the layer gives.
    let output: Shape
    private let network: Network
    private let weights: [Float]
    private let input: PixelConversion

    /// `weights` gives the values of each of the layer's parameters. Throws: `ShapeMismatch`.
    init(
        _ name: String, _ layer: any Layer, input shape: Shape, weights: (Parameter) -> [Float] = { _ in [] }
    ) throws {
        var model = ModelDescription(name: "filter", input: shape, classes: 1)
        model.append(name, layer)
        network = try Network(model, isFragment: true)
        output = network.shape(ofValue: 1)
        // A layer without parameters still takes a pointer to them.
        self.weights = network.parameterList.parameters.flatMap(weights) + [0]
        let channels = shape[0]
        input = PixelConversion(
            pixelType: .float32, image: shape, mean: [Float](repeating: 0, count: channels),
            std: [Float](repeating: 1, count: channels))
    }

    /// A convolution makes a column of every window, which takes the kernel's area times the image.
    private static let largestBytes = 4 << 30

    /// What the layer makes of pixels [H, W, C]. Throws: `ShapeMismatch` for more memory than filters are given;
    /// `Arena.OutOfMemory`.
    func values(of pixels: [Float], pool: ThreadPool) throws -> [Float] {
        precondition(pixels.count == network.description.input.count, "\(pixels.count) pixels")
        var options = PlanOptions()
        options.part = .front(until: 1)
        let bytes = try network.planBytes(
            imagesPerShard: 1, shards: 1, mode: .evaluation, options: options, threads: pool.threads)
        guard bytes <= Self.largestBytes else {
            throw ShapeMismatch(
                "takes \(bytes >> 20) MiB of memory, expected at most \(Self.largestBytes >> 20); take a smaller image or kernel"
            )
        }
        let plan = try network.plan(
            imagesPerShard: 1, shards: 1, mode: .evaluation, options: options, input: input, pool: pool)
        _ = try pixels.withUnsafeBytes { pixels in
            try weights.withUnsafeBufferPointer { weights in
                try plan.run(
                    images: pixels.baseAddress!, labels: [0], counts: [1], weights: weights.baseAddress!, gradients: nil
                )
            }
        }
        return Array(plan.logits(ofSlot: 0))
    }
}
