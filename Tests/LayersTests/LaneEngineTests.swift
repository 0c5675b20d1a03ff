import Testing

@testable import Layers
@testable import Models
@testable import Tensors

/// The lane engine computes what the reference engine computes, whose results are golden.
@Suite("Lanes agree with the reference engine")
struct LaneEngineTests {
    private static func options(_ kernels: KernelSet) -> PlanOptions {
        var options = PlanOptions()
        options.kernels = kernels
        return options
    }

    private static var reference: PlanOptions {
        var options = PlanOptions()
        options.engine = .reference
        return options
    }

    /// All sets that run here; the portable one does everywhere.
    static let sets = KernelSet.runnable.map(\.name)

    /// The largest error of an element as a share of the largest expected magnitude.
    private func error(_ actual: [Float], _ expected: [Float]) -> Double {
        guard actual.count == expected.count else { return .infinity }
        let scale = expected.reduce(1e-3) { max($0, abs($1)) }
        return zip(actual, expected).reduce(0) { worst, pair in
            let error = Double(abs(pair.0 - pair.1) / scale)
            return error <= worst ? worst : error.isNaN ? .infinity : error
        }
    }

    /// The largest error of an element of one parameter's gradient as a share of the largest sum of magnitudes: gradients that
    /// nearly cancel keep the rounding errors of their terms.
    private func error(_ gradients: [Float], _ exact: ExactNetwork.Gradients, _ range: Range<Int>) -> Double {
        let scale = exact.magnitudes[range].reduce(1e-30) { max($0, $1) }
        return range.reduce(0) { worst, place in
            let error = abs(Double(gradients[place]) - exact.sums[place]) / scale
            return error <= worst ? worst : error.isNaN ? .infinity : error
        }
    }

    @Test("a training that scores against targets leaves the lanes to its evaluations")
    func targets() throws {
        var options = PlanOptions()
        options.takesTargets = true
        let model = RandomNetworks.draw(0)
        #expect(try PlanProbe(model, imagesPerShard: 4, options: options).plan.engine.hasPrefix("blocks"))
        let plain = try PlanProbe(model, imagesPerShard: 4, mode: .evaluation)
        let scored = try PlanProbe(model, imagesPerShard: 4, mode: .evaluation, options: options)
        #expect(scored.plan.engine.hasPrefix("lanes") && scored.plan.engine == plain.plan.engine)
        func bytes(_ options: PlanOptions) throws -> Int {
            try scored.network.planBytes(imagesPerShard: 4, shards: 1, mode: .evaluation, options: options, threads: 1)
        }
        #expect(try bytes(options) == bytes(PlanOptions()))
    }

    @Test("logits, losses and gradients of random small networks", arguments: sets)
    func randomNetworks(set: String) throws {
        let kernels = try #require(KernelSet.named(set))
        var (worst, worstReference) = (0.0, 0.0)
        for number in 0..<60 {
            var draws = PropertyDraws(id: 900 + UInt64(number))
            let model = RandomNetworks.draw(number)
            let imagesPerShard = draws.integer(in: 1...35)
            let shards = draws.element(of: [1, 2, 4, 8])
            let lanes = try PlanProbe(
                model, imagesPerShard: imagesPerShard, shards: shards, threads: 2, options: Self.options(kernels))
            let images = try PlanProbe(
                model, imagesPerShard: imagesPerShard, shards: shards, options: Self.reference)
            #expect(lanes.plan.passNames.contains("groups of images"), "\(model.name) runs on the wrong engine")
            #expect(!images.plan.passNames.contains("groups of images"))
            let data = TestImages(
                shards * imagesPerShard, imageBytes: model.input.count, classes: UInt32(model.classes),
                id: UInt64(number))
            let counts = (0..<shards).map { _ in Int32(draws.integer(in: 0...imagesPerShard)) }
            let found = try lanes.run(images: data.images, labels: data.labels, counts: counts)
            let expected = try images.run(images: data.images, labels: data.labels, counts: counts)
            let slots = counts.enumerated().flatMap { shard, count in
                (0..<Int(count)).map { shard * imagesPerShard + $0 }
            }
            let exact = try ExactNetwork(lanes.network).gradients(
                weights: lanes.weights, images: data.images, labels: data.labels, slots: slots)
            for parameter in lanes.network.parameterList.trained {
                let off = error(found.gradients, exact, parameter.range)
                let referenceOff = error(expected.gradients, exact, parameter.range)
                (worst, worstReference) = (max(worst, off), max(worstReference, referenceOff))
                #expect(off < 1e-6, "\(model.name) (\(model.nodes.map(\.layer.typeName))), \(parameter.key)")
                #expect(referenceOff < 1e-6, "\(model.name), \(parameter.key): the reference engine")
            }
            for (shard, count) in counts.enumerated() {
                #expect(found.scores[shard].samples == expected.scores[shard].samples)
                #expect(found.scores[shard].divisor == expected.scores[shard].divisor)
                #expect(found.scores[shard].correct1 == expected.scores[shard].correct1)
                #expect(found.scores[shard].correct5 == expected.scores[shard].correct5)
                for slot in shard * imagesPerShard..<shard * imagesPerShard + Int(count) {
                    #expect(error(lanes.logits(ofSlot: slot), images.logits(ofSlot: slot)) < 1e-5, "\(model.name)")
                    #expect(abs(lanes.plan.loss(ofSlot: slot) - images.plan.loss(ofSlot: slot)) < 1e-4)
                }
            }
        }
        print(
            "\(set): gradients are off float64 by \(worst) of their terms, the reference engine's by \(worstReference)")
    }

    @Test("for pixels that are floats, normalised")
    func floatPixels() throws {
        var draws = PropertyDraws(id: 77)
        let pixels = draws.floats(20 * 784)
        let labels = (0..<20).map { Int32($0 % 10) }
        let model = FashionClassifier.description(input: [1, 28, 28], classes: 10)
        let runs = try [PlanOptions(), Self.reference].map { options in
            try PlanProbe(model, imagesPerShard: 5, shards: 4, options: options, pixelType: .float32)
                .run(images: pixels, labels: labels, counts: [5, 5, 5, 5])
        }
        #expect(error(runs[0].gradients, runs[1].gradients) < 1e-5)
    }

    @Test("a NaN in one image makes its loss NaN and its answers wrong, and leaves the other images' alone")
    func notANumber() throws {
        var draws = PropertyDraws(id: 78)
        var pixels = draws.floats(20 * 784)
        let labels = (0..<20).map { Int32($0 % 10) }
        let model = FashionClassifier.description(input: [1, 28, 28], classes: 10)
        let probe = try PlanProbe(model, imagesPerShard: 5, shards: 4, pixelType: .float32)
        _ = try probe.run(images: pixels, labels: labels, counts: [5, 5, 5, 5])
        let before = (0..<20).map(probe.plan.loss(ofSlot:))
        for pixel in 7 * 784..<8 * 784 { pixels[pixel] = .nan }
        let run = try probe.run(images: pixels, labels: labels, counts: [5, 5, 5, 5])
        for slot in 0..<20 {
            let loss = probe.plan.loss(ofSlot: slot)
            #expect(slot == 7 ? loss.isNaN : loss == before[slot], "slot \(slot)")
        }
        #expect(run.scores[1].loss.isNaN && !run.scores[0].loss.isNaN && run.gradients.contains { $0.isNaN })
    }
}

@Suite("Which engine computes a network")
struct EngineChoiceTests {
    private func usesLanes(_ model: ModelDescription, _ options: PlanOptions = PlanOptions()) throws -> Bool {
        try PlanProbe(model, imagesPerShard: 2, options: options).plan.passNames.contains("groups of images")
    }

    @Test("a plan says which engine computes it and what else decides its bits")
    func names() throws {
        let small = model([Conv2d(outChannels: 4, kernel: 3)])
        var options = PlanOptions()
        for set in KernelSet.runnable {
            options.kernels = set
            #expect(try PlanProbe(small, imagesPerShard: 2, options: options).plan.engine == "lanes (\(set.name))")
        }
        options.engine = .reference
        let reference = try PlanProbe(small, imagesPerShard: 2, options: options).plan.engine
        #expect(reference == "reference (OpenBLAS \(BLAS.coreName))")
    }

    private func model(_ layers: [any Layer], input: Shape = [1, 8, 8]) -> ModelDescription {
        var model = ModelDescription(name: "test", input: input, classes: 3)
        for (place, layer) in layers.enumerated() { model.append("\(place)", layer) }
        model.append("flatten", Flatten())
        model.append("last", Linear(outputs: 3))
        return model
    }

    @Test("small chains of convolutions, poolings, activations and linear layers run in lanes")
    func lanes() throws {
        #expect(
            try usesLanes(model([Conv2d(outChannels: 4, kernel: 3), ActivationLayer(.relu), MaxPool2d(kernel: 2)])))
        #expect(try usesLanes(model([ActivationLayer(.tanh), AvgPool2d(kernel: 2)])))
    }

    @Test("what has no lane kernel, many channels, branches and other losses do not")
    func reference() throws {
        let small: any Layer = Conv2d(outChannels: 4, kernel: 3)
        #expect(try !usesLanes(model([small, BatchNorm2d()])))
        #expect(try !usesLanes(model([small, ActivationLayer(.gelu)])))
        #expect(try !usesLanes(model([Conv2d(outChannels: 4, kernel: 3, dilation: 2)])))
        #expect(try !usesLanes(model([small, Conv2d(outChannels: 4, kernel: 3, groups: 2)])))
        #expect(try !usesLanes(model([Conv2d(outChannels: 4, kernel: 3, padding: 1, paddingMode: .circular)])))
        #expect(try !usesLanes(model([Conv2d(outChannels: 4, kernel: 3, flipsKernel: true)])))
        #expect(try !usesLanes(model([small, MaxPool2d(kernel: 2, ceilMode: true)])))
        #expect(try !usesLanes(model([Conv2d(outChannels: 80, kernel: 3)])))
        #expect(try !usesLanes(model([Conv2d(outChannels: 64, kernel: 3, padding: 1)], input: [1, 64, 64])))
        var branches = ModelDescription(name: "branches", input: [1, 8, 8], classes: 3)
        let first = branches.append("conv", Conv2d(outChannels: 1, kernel: 3, padding: 1))
        branches.append("sum", ResidualAdd(), from: .image, first)
        branches.append("flatten", Flatten())
        branches.append("last", Linear(outputs: 3))
        #expect(try !usesLanes(branches))
        var options = PlanOptions()
        options.loss = .crossEntropy(labelSmoothing: 0.1)
        #expect(try !usesLanes(model([small]), options))
        options = PlanOptions()
        options.engine = .reference
        #expect(try !usesLanes(model([small]), options))
    }

    @Test("a maximum over more places than 16 bits number is the reference engine's")
    func widePooling() throws {
        func takes(_ kernel: Extents) throws -> Bool {
            let padded = MaxPool2d(kernel: kernel, stride: 300, padding: 128)
            return try usesLanes(model([Conv2d(outChannels: 1, kernel: 1), padded], input: [1, 100, 100]))
        }
        #expect(try takes([256, 256]))
        #expect(try !takes([256, 257]) && !takes([257, 256]) && !takes([300, 300]))
        let average = AvgPool2d(kernel: 300, stride: 300, padding: 150)
        #expect(try usesLanes(model([Conv2d(outChannels: 1, kernel: 1), average], input: [1, 100, 100])))
    }
}
