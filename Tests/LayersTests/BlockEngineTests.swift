import Foundation
import TestSupport
import Testing

@testable import Layers
@testable import Models
@testable import Tensors

/// The engine of channel blocks computes what the reference engine computes, whose results are golden, and the same bits on
/// every kernel set, for any threads, shards at once and parts of a network.
@Suite("Blocks of channels")
struct BlockEngineTests {
    private static func options(
        _ kernels: KernelSet? = nil, _ statistics: BatchStatistics = .shard, _ convolution: ConvolutionChoice = .direct
    ) -> PlanOptions {
        var options = PlanOptions()
        options.engine = .blocks
        options.convolution = convolution
        options.kernels = kernels
        options.batchStatistics = statistics
        return options
    }

    private static func reference(_ statistics: BatchStatistics = .shard) -> PlanOptions {
        var options = PlanOptions()
        options.engine = .reference
        options.batchStatistics = statistics
        return options
    }

    private struct Draw {
        let model: ModelDescription
        let shards, imagesPerShard: Int
        let data: TestImages
        let counts: [Int32]
        let statistics: BatchStatistics

        init(_ number: Int) {
            var draws = PropertyDraws(id: 9_900 + UInt64(number))
            model = BlockNetworks.draw(number)
            (shards, imagesPerShard) = (draws.element(of: [1, 2, 4]), draws.integer(in: 2...9))
            data = TestImages(
                shards * imagesPerShard, imageBytes: model.input.count, classes: UInt32(model.classes),
                id: UInt64(number))
            let most = imagesPerShard
            counts = (0..<shards).map { $0 == 0 ? Int32(most) : Int32(draws.integer(in: 0...most)) }
            statistics = draws.element(of: [.shard, .global])
        }

        func run(_ options: PlanOptions, threads: Int = 1) throws -> (probe: PlanProbe, run: PlanProbe.Run) {
            let probe = try PlanProbe(
                model, imagesPerShard: imagesPerShard, shards: shards, threads: threads, options: options)
            return (probe, try probe.run(images: data.images, labels: data.labels, counts: counts))
        }
    }

    /// The largest difference as a share of the largest expected magnitude.
    private func error(_ actual: some Collection<Float>, _ expected: some Collection<Float>) -> Double {
        guard actual.count == expected.count else { return .infinity }
        let scale = expected.reduce(1e-3) { max($0, abs($1)) }
        return zip(actual, expected).reduce(0) { worst, pair in
            let error = Double(abs(pair.0 - pair.1) / scale)
            return error <= worst ? worst : error.isNaN ? .infinity : error
        }
    }

    @Test(
        "give the logits, losses and gradients of the reference engine, for random networks", arguments: 0..<60,
        [ConvolutionChoice.direct, .winograd])
    func randomNetworks(number: Int, convolution: ConvolutionChoice) throws {
        let draw = Draw(number)
        let (blocks, found) = try draw.run(Self.options(nil, draw.statistics, convolution), threads: 2)
        let (images, expected) = try draw.run(Self.reference(draw.statistics))
        #expect(blocks.plan.engine.hasPrefix("blocks") && images.plan.engine.hasPrefix("reference"))
        for (shard, count) in draw.counts.enumerated() {
            #expect(found.scores[shard].samples == expected.scores[shard].samples)
            for slot in shard * draw.imagesPerShard..<shard * draw.imagesPerShard + Int(count) {
                #expect(error(blocks.logits(ofSlot: slot), images.logits(ofSlot: slot)) < 1e-4, "\(draw.model.name)")
            }
        }
        // Gradients that cancel, like those of a bias in front of a normalisation, keep the rounding errors of their terms, and
        // a ReLU's input may round to the other side of 0: few elements may differ, and none by much.
        let scale = expected.gradients.reduce(1e-3) { max($0, abs($1)) }
        let differences = zip(found.gradients, expected.gradients).map { abs($0 - $1) / scale }
        #expect(differences.allSatisfy { $0 < 0.05 }, "\(draw.model.name): \(draw.model.nodes.map(\.layer.typeName))")
        #expect(
            Double(differences.count { $0 > 1e-4 }) <= 0.02 * Double(differences.count),
            "\(draw.model.name): \(draw.model.nodes.map(\.layer.typeName))")
    }

    @Test(
        "give the same bits on every kernel set and with any number of threads", arguments: 0..<12,
        [ConvolutionChoice.direct, .winograd])
    func sets(number: Int, convolution: ConvolutionChoice) throws {
        let draw = Draw(number)
        let first = try draw.run(Self.options(KernelSet.runnable[0], draw.statistics, convolution))
        #expect(first.run.gradients.allSatisfy { $0.isFinite })
        for set in KernelSet.runnable {
            for threads in [1, 3] where set != KernelSet.runnable[0] || threads > 1 {
                // Regions of the reference engine that OpenBLAS multiplies depend on the processor, not on the set.
                let other = try draw.run(Self.options(set, draw.statistics, convolution), threads: threads)
                #expect(sameBits(other.run.gradients, first.run.gradients), "\(set.name), \(threads) threads")
                #expect(other.run.scores == first.run.scores)
            }
        }
    }

    @Test(
        "give a shard the same bits alone and among others, and empty ones +0", arguments: 0..<12,
        [ConvolutionChoice.direct, .winograd])
    func shards(number: Int, convolution: ConvolutionChoice) throws {
        let draw = Draw(number)
        let options = Self.options(nil, .shard, convolution)
        let together = try draw.run(options)
        let size = draw.imagesPerShard
        let alone = try draw.counts.enumerated().map { shard, count in
            let slots = shard * size..<(shard + 1) * size
            let probe = try PlanProbe(draw.model, imagesPerShard: size, options: options)
            let bytes = draw.model.input.count
            // Bytes of another kind where no image is.
            var images = Array(draw.data.images[slots.lowerBound * bytes..<slots.upperBound * bytes])
            for place in Int(count) * bytes..<images.count { images[place] = 255 - images[place] }
            return try probe.run(images: images, labels: Array(draw.data.labels[slots]), counts: [count])
        }
        #expect(sameBits(together.run.gradients, treeSum(alone.map(\.gradients)[...])))
        #expect(together.run.scores == alone.map { $0.scores[0] })
    }

    @Test(
        "join layers without changing a bit: a network cut anywhere computes what the whole one does",
        arguments: 0..<12,
        [ConvolutionChoice.direct, .winograd])
    func parts(number: Int, convolution: ConvolutionChoice) throws {
        let draw = Draw(number)
        let (whole, run) = try evaluate(draw, Self.options(nil, .shard, convolution), draw.data.images)
        for value in 1..<draw.model.nodes.count where isCut(draw.model, at: value) {
            var options = Self.options(nil, .shard, convolution)
            options.part = .front(until: value)
            let front = try PlanProbe(
                draw.model, imagesPerShard: draw.imagesPerShard, shards: draw.shards, mode: .evaluation,
                options: options)
            _ = try front.run(images: draw.data.images, labels: draw.data.labels, counts: draw.counts)
            let values = (0..<draw.shards * draw.imagesPerShard).flatMap { front.logits(ofSlot: $0) }
            options.part = .rest(from: value)
            let count = front.network.shape(ofValue: value).count
            let pool = try ThreadPool(threads: 1)
            let plan = try front.network.plan(
                imagesPerShard: draw.imagesPerShard, shards: draw.shards, mode: .evaluation, options: options,
                input: PixelConversion(
                    pixelType: .float32, image: [count, 1, 1], mean: [Float](repeating: 0, count: count),
                    std: [Float](repeating: 1, count: count)), pool: pool)
            let scores = try values.withUnsafeBytes {
                Array(
                    try plan.run(
                        images: $0.baseAddress!, labels: draw.data.labels, counts: draw.counts, weights: whole.weights,
                        gradients: nil))
            }
            #expect(scores == run.scores, "\(draw.model.name) cut at \(value)")
        }
    }

    private func evaluate(_ draw: Draw, _ options: PlanOptions, _ images: [UInt8]) throws -> (PlanProbe, PlanProbe.Run)
    {
        let probe = try PlanProbe(
            draw.model, imagesPerShard: draw.imagesPerShard, shards: draw.shards, mode: .evaluation, options: options)
        return (probe, try probe.run(images: images, labels: draw.data.labels, counts: draw.counts))
    }

    /// Whether everything behind a value sees the image through it.
    private func isCut(_ model: ModelDescription, at value: Int) -> Bool {
        model.nodes[value...].allSatisfy { $0.inputs.allSatisfy { $0.index >= value } }
    }

    @Test("are Winograd's where the shape allows it, and by auto where it saves three eighths of the products")
    func choice() throws {
        func convolution(_ side: Int, kernel: Int = 3, stride: Int = 1, channels: Int = 32) throws -> BlockConvolution {
            let layer = Conv2d(
                outChannels: 16, kernel: .init(kernel), stride: .init(stride), padding: .symmetric(.init(kernel / 2)))
            var model = ModelDescription(name: "one", input: [channels, side, side], classes: 16)
            model.append("conv", layer)
            model.append("gap", AdaptiveAvgPool2d(output: 1))
            model.append("flatten", Flatten())
            let stage = try Network(model).stages[0]
            guard case .convolution(let padded, _) = stage.operation else { throw ShapeMismatch("no convolution") }
            return try #require(BlockConvolution(padded, takesPlanes: true))
        }
        #expect(try convolution(7).allowsWinograd && convolution(7).gainsByWinograd)
        #expect(try convolution(2).allowsWinograd && !convolution(2).gainsByWinograd)
        #expect(try !convolution(7, kernel: 5).allowsWinograd)
        #expect(try !convolution(7, stride: 2).allowsWinograd && !convolution(7, stride: 2).gainsByWinograd)
        #expect(try !convolution(7, channels: 3).allowsWinograd)
    }

    @Test(
        "take strides beyond the image, and leave kernels of a very long reach to the reference engine",
        arguments: [(3, 1_000_000, 1, 1), (2, 1, 200, 100), (3, 1, 20_000, 20_000), (2, 3, 32_768, 16_384)])
    func extremes(kernel: Int, stride: Int, dilation: Int, padding: Int) throws {
        var model = ModelDescription(name: "extreme", input: [16, 9, 7], classes: 3)
        model.append(
            "conv",
            Conv2d(
                outChannels: 16, kernel: .init(kernel), stride: .init(stride), dilation: .init(dilation),
                padding: .symmetric(.init(padding))))
        model.append("gap", AdaptiveAvgPool2d(output: 1))
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: 3))
        let data = TestImages(4, imageBytes: 16 * 63, classes: 3, id: 1)
        func run(_ options: PlanOptions) throws -> [Float] {
            try PlanProbe(model, imagesPerShard: 4, options: options)
                .run(images: data.images, labels: data.labels, counts: [4]).gradients
        }
        #expect(error(try run(Self.options()), try run(Self.reference())) < 1e-4)
    }

    @Test("need no memory for weight gradients where none are computed")
    func workspace() throws {
        let convolution = Conv2d(outChannels: 512, kernel: 3, padding: 1)
        var model = ModelDescription(name: "wide", input: [512, 4, 4], classes: 2)
        model.append("conv", convolution)
        model.append("gap", AdaptiveAvgPool2d(output: 1))
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: 2))
        let bytes = try Network(model).planBytes(
            imagesPerShard: 1, shards: 1, mode: .evaluation, options: Self.options(), threads: 1)
        let weights = 512 * 512 * 9 * 4
        // The weights in the kernel's order, a padded copy of the image, and values.
        #expect(bytes < weights + 1 << 21, "\(bytes)")
    }

    @Test("keep one value of a convolution and its normalisation, and compute the other one again")
    func restoring() throws {
        /// Bytes of a training plan of some convolutions, with a normalisation and a ReLU each or without.
        func bytes(_ layers: Int) throws -> Int {
            var model = ModelDescription(name: "chain", input: [16, 64, 64], classes: 2)
            for layer in 0..<layers {
                model.append("conv\(layer)", Conv2d(outChannels: 16, kernel: 3, padding: 1, bias: false))
                model.append("bn\(layer)", BatchNorm2d())
                model.append("relu\(layer)", ActivationLayer(.relu))
            }
            model.append("gap", AdaptiveAvgPool2d(output: 1))
            model.append("flatten", Flatten())
            model.append("fc", Linear(outputs: 2))
            return try Network(model).planBytes(
                imagesPerShard: 4, shards: 1, mode: .training, options: Self.options(), threads: 1)
        }
        let value = 4 * 16 * 64 * 64 * 4
        #expect(try bytes(12) - bytes(8) < 4 * value + value / 2)
        // Passes backward that read it are preceded by one that computes it.
        let request = ModelRequest(name: "cifar-resnet20", input: [3, 32, 32], classes: 10)
        let plan = try PlanProbe(
            #require(ModelRegistry.description(request)), imagesPerShard: 2, options: Self.options()
        ).plan
        let names = plan.passNames
        let again = names.indices.filter { names[$0].hasSuffix("forward again") }
        #expect(again.count > 9)
        for place in again {
            let name = names[place].replacingOccurrences(of: " again", with: "")
            #expect(names.firstIndex(of: name).map { $0 < place } == true, "\(names[place])")
        }
    }

    @Test("compute a ResNet without OpenBLAS, and say where it is needed")
    func names() throws {
        func name(_ model: ModelDescription) throws -> String {
            try PlanProbe(model, imagesPerShard: 1, mode: .evaluation, options: Self.options()).plan.engine
        }
        var model = ModelDescription(name: "grouped", input: [16, 4, 4], classes: 2)
        model.append("conv", Conv2d(outChannels: 16, kernel: 1, groups: 2))
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: 2))
        #expect(try name(model).hasPrefix("blocks, reference (OpenBLAS"))
        let request = ModelRequest(name: "cifar-resnet20", input: [3, 32, 32], classes: 10)
        #expect(try name(#require(ModelRegistry.description(request))) == "blocks")
    }
}
