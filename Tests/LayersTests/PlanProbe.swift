import Testing

@testable import Layers
@testable import Models
@testable import Tensors

/// A network with weights and a plan, and arrays in place of pointers.
final class PlanProbe {
    struct Run {
        let gradients: [Float]
        let scores: [Score]
    }

    let network: Network
    let plan: ExecutionPlan
    var weights: [Float]

    init(
        _ description: ModelDescription, imagesPerShard: Int, shards: Int = 1, threads: Int = 1,
        mode: ExecutionPlan.Mode = .training, options: PlanOptions = PlanOptions(),
        pixelType: PixelConversion.PixelType = .uint8, seed: UInt64 = 1
    ) throws {
        network = try Network(description)
        let channels = description.input[0]
        let input = PixelConversion(
            pixelType: pixelType, image: description.input, mean: [Float](repeating: 0, count: channels),
            std: [Float](repeating: 1, count: channels))
        plan = try network.plan(
            imagesPerShard: imagesPerShard, shards: shards, mode: mode, options: options, input: input,
            pool: try ThreadPool(threads: threads))
        weights = [Float](repeating: .nan, count: network.parameterList.count)
        weights.withUnsafeMutableBufferPointer { network.parameterList.initialize($0, seed: seed) }
    }

    /// The Fashion classifier for images of 28 × 28.
    static func fashion(
        imagesPerShard: Int, shards: Int = 1, threads: Int = 1, mode: ExecutionPlan.Mode = .training
    ) throws -> PlanProbe {
        try PlanProbe(
            FashionClassifier.description(input: [1, 28, 28], classes: 10), imagesPerShard: imagesPerShard,
            shards: shards, threads: threads, mode: mode)
    }

    /// A network whose logits are its input: a linear layer with the identity as weight.
    static func passingLogitsOn(classes: Int) throws -> PlanProbe {
        var model = ModelDescription(name: "identity", input: [classes, 1, 1], classes: classes)
        model.append("flatten", Flatten())
        model.append("identity", Linear(outputs: classes))
        let probe = try PlanProbe(model, imagesPerShard: 1, pixelType: .float32)
        probe.weights = (0..<classes * classes).map { $0 / classes == $0 % classes ? 1 : 0 }
        probe.weights += [Float](repeating: 0, count: classes)
        return probe
    }

    /// `images` and `labels` for every slot; gradients are empty in evaluation mode.
    /// Samples are numbered by slot.
    func run<Pixel: BitwiseCopyable>(images: [Pixel], labels: [Int32], counts: [Int32]) throws -> Run {
        precondition(labels.count == plan.shards * plan.imagesPerShard && counts.count == plan.shards)
        var gradients = [Float](repeating: .nan, count: plan.mode == .training ? network.parameterList.trainedCount : 0)
        let ids = labels.indices.map(Int64.init)
        let scores = try images.withUnsafeBytes { images in
            try gradients.withUnsafeMutableBufferPointer { gradients in
                try ids.withUnsafeBufferPointer { ids in
                    Array(
                        try plan.run(
                            images: images.baseAddress!, labels: labels, counts: counts,
                            randomness: StepRandomness(seed: 1, epoch: 0, ids: ids.baseAddress!), weights: weights,
                            gradients: plan.mode == .training ? gradients.baseAddress! : nil))
                }
            }
        }
        return Run(gradients: gradients, scores: scores)
    }

    func logits(ofSlot slot: Int) -> [Float] { Array(plan.logits(ofSlot: slot)) }
}

/// Images and labels that are the same on every machine and in every run.
struct TestImages {
    let images: [UInt8]
    let labels: [Int32]
    let imageBytes: Int

    /// About half of the pixels are 0, as in photographs of clothes.
    init(_ count: Int, imageBytes: Int = 784, classes: UInt32 = 10, id: UInt64 = 1) {
        var stream = RandomStream(seed: 2, purpose: .synthetic, id: id)
        images = (0..<count * imageBytes).map { _ in UInt8(max(0, Int(stream.next(below: 512)) - 256)) }
        labels = (0..<count).map { _ in Int32(stream.next(below: classes)) }
        self.imageBytes = imageBytes
    }

    func images(_ slots: Range<Int>) -> [UInt8] {
        Array(images[slots.lowerBound * imageBytes..<slots.upperBound * imageBytes])
    }

    func labels(_ slots: Range<Int>) -> [Int32] { Array(labels[slots]) }
}

/// Left half plus right half, all the way down, element by element.
func treeSum(_ leaves: ArraySlice<[Float]>) -> [Float] {
    if leaves.count == 1 { return leaves.first! }
    let middle = leaves.startIndex + leaves.count / 2
    return zip(treeSum(leaves[..<middle]), treeSum(leaves[middle...])).map { $0 + $1 }
}
