import DataParallel
import Datasets
import Foundation
import HDF5
import Layers
import Models
import Tensors
import Testing

@testable import Training

/// One step and ten losses of every network against PyTorch's float64, from weights and images that both sides compute.
///
/// Batch 0 has no ReLU near 0 and no maximum near a tie, so that gradients depend on rounding no more than values do.
/// Two float32 implementations that add in other orders are off float64 by different amounts. Accepted is four times what
/// PyTorch's own float32 is off (its largest error in the tensor), or 2⁻²² of the tensor's largest magnitude, and for tensors
/// that are rounding noise (a bias in front of a batch normalisation has no gradient) 2⁻²² of the network's largest gradient,
/// where that is more.
@Suite("Networks against PyTorch", .serialized)
struct NetworkStepTests {
    private static let steps = 10
    private static let samples = 64

    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let classes: Int
        let image: [Int]
        let batch: Int
        var testDescription: String { name }
    }

    private static let cases: [Case] =
        ["fashion-classifier", "mnist-classifier", "strided-cnn"].map {
            Case(name: $0, classes: 10, image: [1, 28, 28], batch: 32)
        } + [
            Case(name: "lenet5", classes: 10, image: [1, 32, 32], batch: 32),
            Case(name: "cifar-resnet20", classes: 10, image: [3, 32, 32], batch: 8),
        ]
        + ["alexnet", "vgg11", "vgg13", "vgg16", "vgg19", "vgg11-bn", "vgg13-bn", "vgg16-bn", "vgg19-bn"].map {
            Case(name: $0, classes: 1000, image: [3, 64, 64], batch: 2)
        } + [18, 34, 50, 101, 152].map { Case(name: "resnet\($0)", classes: 1000, image: [3, 64, 64], batch: 2) }

    /// Every network by the engine that takes it, and those that lanes do not take by the reference engine too.
    private static let runs = cases.map { ($0, EngineChoice.auto) } + cases[4...].map { ($0, EngineChoice.reference) }

    @Test("logits, loss, every gradient, and ten losses", arguments: runs)
    func step(_ network: Case, _ engine: EngineChoice) throws {
        let golden = try Golden(network.name)
        let step = try makeStep(network, engine, golden)
        var gradients = [Float](repeating: .nan, count: step.state.parameterList.trainedCount)
        let first = try batch(0, network)
        let scores = try gradients.withUnsafeMutableBufferPointer {
            try step.plan.run(
                images: first.images, labels: first.labels, counts: first.counts,
                randomness: StepRandomness(seed: 1, epoch: 0, ids: first.ids),
                weights: UnsafePointer(step.state.weights.baseAddress!), gradients: $0.baseAddress!)
        }
        var report = Report("\(network.name), \(step.plan.engine)")
        let losses = try golden.numbers("losses")
        let lossErrors = try golden.numbers("losses_errors")
        report.compare([scores[0].meanLoss], [losses[0]], error: lossErrors[0], "loss")
        report.compare(
            (0..<network.batch).flatMap { step.plan.logits(ofSlot: $0).map(Double.init) }, try golden.numbers("logits"),
            error: try golden.numbers("logits_error")[0], "logits")
        try compare(gradients, scores[0].divisor, step.state.parameterList.trained, golden, &report)

        let rate = try golden.numbers("learning_rate")[0]
        let batches = try golden.batches ?? Array(0..<Self.steps)
        for number in 0..<Self.steps {
            let outcome = try step.run(
                try batch(batches[number], network), epoch: 0, learningRate: rate, stopRequested: false)
            // The trace is judged as one vector: a single loss may be right by chance. Rounding errors grow from update to
            // update, and OpenBLAS adds in another order on each family of processors: up to 5.2 times PyTorch's error was seen.
            report.compare(
                [outcome.score.meanLoss], [losses[number]], error: 2 * (lossErrors.max() ?? 0),
                "loss of step \(number)")
        }
        print(report.line)
        // Lanes round products and sums apart where the processor has no fused multiply-add.
        guard engine == .auto, step.plan.engine == "blocks" || Machine.kernelSet != "portable" else { return }
        #expect(
            step.state.weightsDigest() == NetworkWeights.digests[network.name],
            "\(network.name): after ten steps other weights than on every other processor")
    }

    private func compare(
        _ gradients: [Float], _ divisor: Double, _ parameters: [Parameter], _ golden: Golden, _ report: inout Report
    ) throws {
        let keys = try golden.file.dataset("gradient_keys").readStrings()
        try #require(keys == parameters.map(\.key))
        let (norms, normErrors) = (try golden.numbers("gradient_norms"), try golden.numbers("gradient_norm_errors"))
        let (largest, errors) = (try golden.numbers("gradient_largest"), try golden.numbers("gradient_errors"))
        let entries = try golden.numbers("gradient_entries")
        let noise = 0x1p-22 * (largest.max() ?? 0)
        for (number, parameter) in parameters.enumerated() {
            let own = gradients[parameter.range]
            let norm = own.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() / divisor
            let root = Double(parameter.count).squareRoot()
            report.compare(
                [norm], [norms[number]], error: normErrors[number], floor: noise * root,
                "norm of the gradient of \(parameter.key)")
            let sampled = (0..<Self.samples).map { sample in
                let place = Int(PlaceHash.bits(UInt32(number), UInt32(sample)) % UInt32(parameter.count))
                return Double(gradients[parameter.offset + place]) / divisor
            }
            report.compare(
                sampled, Array(entries[number * Self.samples..<(number + 1) * Self.samples]), error: errors[number],
                largest: largest[number], floor: noise, "gradient of \(parameter.key)")
        }
    }

    private func makeStep(_ network: Case, _ engine: EngineChoice, _ golden: Golden) throws -> TrainingStep {
        var settings = TrainingStep.Settings()
        settings.options.engine = engine
        let request = ModelRequest(
            name: network.name, input: Shape(network.image), classes: network.classes, dropout: 0)
        let step = try TrainingStep(
            settings, network: try Network(try #require(ModelRegistry.description(request))),
            geometry: BatchGeometry(
                sampleCount: network.batch * Self.steps, batchSize: network.batch, shards: 1),
            layout: try ShardLayout(shards: 1, ranks: 1, rank: 0),
            input: PixelConversion(
                pixelType: .uint8, image: Shape(network.image), mean: [Float](repeating: 0, count: network.image[0]),
                std: [Float](repeating: 1, count: network.image[0])),
            communicator: SingleCommunicator(), pool: try ThreadPool(threads: 1))
        step.state.initialize(seed: 1)
        for (number, parameter) in step.state.parameterList.trained.enumerated() {
            PlaceHash.fill(UnsafeMutableBufferPointer(rebasing: step.state.weights[parameter.range]), number, parameter)
        }
        try golden.move(step.state.weights, step.state.parameterList.trained)
        return step
    }

    private func batch(_ number: Int, _ network: Case) throws -> Batch {
        let bytes = network.image.reduce(1, *)
        let batch = Batch(shards: 1, imagesPerShard: network.batch, imageBytes: bytes)
        for place in 0..<network.batch * bytes {
            let bits = PlaceHash.bits(1_000_001, UInt32(number * network.batch * bytes + place))
            batch.images.storeBytes(of: UInt8(bits >> 24), toByteOffset: place, as: UInt8.self)
        }
        for slot in 0..<network.batch {
            let sample = number * network.batch + slot
            batch.labels[slot] = Int32(PlaceHash.bits(1_000_002, UInt32(sample)) % UInt32(network.classes))
            batch.keys[slot] = Int64(sample)
        }
        batch.counts[0] = Int32(network.batch)
        return batch
    }

    private struct Golden {
        let file: HDF5File

        init(_ name: String) throws {
            let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
                .appendingPathComponent("NetworkGolden")
            file = try HDF5File.open(folder.appendingPathComponent("\(name).h5").path)
        }

        func numbers(_ path: String) throws -> [Double] { try file.dataset(path).readAll(as: Double.self) }

        /// The numbers of the trace's batches, where the generator has passed over some: a step at a kink of a ReLU or of a
        /// maximum goes either way by rounding alone.
        var batches: [Int]? {
            get throws {
                guard file.exists("batches") else { return nil }
                return try file.dataset("batches").readAll(as: Int64.self).map(Int.init)
            }
        }

        /// Overwrites the weights that the generator moved so that no rounding error can turn a gradient another way.
        func move(_ weights: UnsafeMutableBufferPointer<Float>, _ parameters: [Parameter]) throws {
            guard file.exists("moved_values") else { return }
            let numbers = try file.dataset("moved_parameters").readAll(as: Int64.self)
            let elements = try file.dataset("moved_elements").readAll(as: Int64.self)
            let values = try file.dataset("moved_values").readAll(as: Float.self)
            for (place, value) in zip(zip(numbers, elements), values) {
                let parameter = parameters[Int(place.0)]
                try #require(place.1 < parameter.count)
                weights[parameter.offset + Int(place.1)] = value
            }
        }
    }

    /// Collects how far we are off, in units of what PyTorch's float32 is off.
    private struct Report {
        private let name: String
        private var worst = 0.0
        private var worstPlace = ""

        init(_ name: String) { self.name = name }

        mutating func compare(
            _ values: [Double], _ exact: [Double], error: Double, largest: Double? = nil, floor: Double = 0,
            _ what: String
        ) {
            guard values.count == exact.count else {
                Issue.record("\(name), \(what): \(values.count) values, expected \(exact.count)")
                return
            }
            let magnitude = largest ?? exact.reduce(0) { max($0, abs($1)) }
            let allowed = max(4 * error, 0x1p-22 * magnitude, floor)
            let off = zip(values, exact).reduce(0.0) { $1.0.isFinite ? max($0, abs($1.0 - $1.1)) : .infinity }
            if off / allowed > worst { (worst, worstPlace) = (off / allowed, what) }
            #expect(off <= allowed, "\(name), \(what): off by \(off), PyTorch's float32 by \(error)")
        }

        var line: String {
            "\(name): at most \((worst * 1000).rounded() / 1000) of what is accepted, at the \(worstPlace)"
        }
    }
}

/// The numbers that the generator of the golden files computes too: a hash of a stream and a place.
private enum PlaceHash {
    static func bits(_ stream: UInt32, _ index: UInt32) -> UInt32 {
        var h = index &* 0x9E37_79B1 &+ stream &* 0x85EB_CA77
        h ^= h >> 16
        h = h &* 0x85EB_CA6B
        h ^= h >> 13
        h = h &* 0xC2B2_AE35
        return h ^ h >> 16
    }

    /// A multiple of 2⁻²³ in −1 ..< 1.
    private static func uniform(_ stream: UInt32, _ index: UInt32) -> Double {
        Double(bits(stream, index) >> 8) * 0x1p-23 - 1
    }

    static func fill(_ values: UnsafeMutableBufferPointer<Float>, _ number: Int, _ parameter: Parameter) {
        let stream = UInt32(number)
        let extents = parameter.shape.dimensions
        let bound = (6 / Double(extents.dropFirst().reduce(1, *))).squareRoot()
        let isScale = parameter.key.hasSuffix("weight")
        // With a scale of 1 behind every bottleneck rounding errors would grow to the size of the gradients.
        let scale = parameter.key.hasSuffix("bn3.weight") ? 0.1 : 1
        for index in values.indices {
            let u = uniform(stream, UInt32(index))
            values[index] = Float(extents.count > 1 ? u * bound : isScale ? scale * (1 + 0.25 * u) : 0.1 * u)
        }
    }
}
