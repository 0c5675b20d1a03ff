package import Tensors

/// The layers whose parameters a training leaves as they are: they get no gradient.
package struct Freezing: Equatable, Sendable {
    /// By their paths.
    package var layers: Set<String> = []
    /// Whether frozen batch normalisations take statistics of the batch and renew their running ones, like others; otherwise
    /// they normalise by the running ones and leave them alone.
    package var renewsStatistics = false

    package init(layers: Set<String> = [], renewsStatistics: Bool = false) {
        self.layers = layers
        self.renewsStatistics = renewsStatistics
    }
}

/// A described network with its shapes checked and its parameters listed.
package struct Network: Sendable {
    package struct Stage: Sendable {
        package let path: String
        package let layer: any Layer
        package let operation: Operation
        /// What the layer takes, numbered as in `ModelDescription.Value`, and one sample of each.
        package let inputValues: [Int]
        package let inputs: [Shape]
        package let output: Shape
        /// Indices into the parameter list.
        package let parameters: Range<Int>
        /// Whether its parameters stay as they are.
        package let isFrozen: Bool
        /// Sums that it leaves behind for its buffers, and those of layers before it among a shard's statistics.
        package let statisticCount, statisticOffset: Int

        /// Whether it has parameters that training changes.
        package var isTrained: Bool { !parameters.isEmpty && !isFrozen }
    }

    /// Elements of one value or of all parameters, and multiplications with an addition, of one sample: more have no
    /// memory and no time anywhere, and fewer keep sums and products of them within 64 bits.
    package static let largestCount = 1 << 40
    package static let largestMultiplyAdds = 1 << 49

    package let description: ModelDescription
    package let stages: [Stage]
    package let parameterList: ParameterList
    /// Sums that every shard of a training step leaves behind for the buffers of all layers.
    package let statisticCount: Int

    /// Throws: `ShapeMismatch`, naming the layer, when a layer cannot take what the one before it gives, when something is
    /// too large to be counted, or when the last one does not give one logit a class (unless a fragment will do, which can be
    /// looked at but neither trained nor evaluated).
    package init(
        _ description: ModelDescription, freezing: Freezing = Freezing(), isFragment: Bool = false
    ) throws {
        var shapes = [description.input]
        var stages: [Stage] = []
        var described: [(key: String, description: ParameterDescription, isFrozen: Bool)] = []
        var statistics = 0
        var (elements, multiplyAdds) = (0, 0)
        func require(_ fits: Bool, _ place: String, _ what: @autoclosure () -> String) throws {
            if !fits { throw ShapeMismatch("\(description.name), \(place): \(what())") }
        }
        try require(
            description.input.fits(Self.largestCount)
                && description.input.dimensions.allSatisfy { $0 <= WindowArithmetic.largestExtent }, "input",
            "images \(description.input), expected extents up to \(WindowArithmetic.largestExtent) and at most "
                + "\(Self.largestCount) elements")
        for node in description.nodes {
            let inputs = node.inputs.map { shapes[$0.index] }
            if let expected = node.expected {
                try require(
                    inputs[0][0] == expected.channels, "layer \(node.path)",
                    "\(expected.word) = \(expected.channels), but it gets \(inputs[0])")
            }
            let output: Shape
            let operation: Operation
            do {
                output = try node.layer.outputShape(for: inputs)
                operation = try node.layer.operation(for: inputs)
            } catch {
                throw ShapeMismatch("\(description.name), layer \(node.path): \(error)")
            }
            let place = "layer \(node.path)"
            try require(
                output.fits(Self.largestCount), place,
                "\(node.layer.typeName) gives \(output), expected at most \(Self.largestCount) elements")
            let first = described.count
            let isFrozen = freezing.layers.contains(node.path)
            for parameter in node.layer.parameters(for: inputs[0]) {
                try require(
                    parameter.shape.fits(Self.largestCount - elements), place,
                    "\(parameter.name) of \(node.layer.typeName) is \(parameter.shape), expected at most "
                        + "\(Self.largestCount) elements in all parameters")
                elements += parameter.shape.count
                described.append(("\(node.path).\(parameter.name)", parameter, isFrozen))
            }
            multiplyAdds += try node.layer.multiplyAdds(for: inputs[0])
            try require(
                multiplyAdds <= Self.largestMultiplyAdds, place,
                "more than \(Self.largestMultiplyAdds) multiply-adds for one image up to here")
            let statisticCount =
                isFrozen && !freezing.renewsStatistics ? 0 : node.layer.statisticCount(for: inputs[0])
            stages.append(
                Stage(
                    path: node.path, layer: node.layer, operation: operation, inputValues: node.inputs.map(\.index),
                    inputs: inputs, output: output, parameters: first..<described.count, isFrozen: isFrozen,
                    statisticCount: statisticCount, statisticOffset: statistics))
            statistics += statisticCount
            shapes.append(output)
        }
        let last = shapes[shapes.count - 1]
        guard isFragment || last == [description.classes] else {
            throw ShapeMismatch(
                "\(description.name) ends in \(last), expected one logit for each of \(description.classes) classes")
        }
        let keys = Set(described.map(\.key))
        guard keys.count == described.count else {
            throw ShapeMismatch("\(description.name): two layers share a path and with it a parameter key")
        }
        self.description = description
        self.stages = stages
        parameterList = ParameterList(described)
        statisticCount = statistics
    }

    /// One sample of a value: of the image, or of what a stage makes.
    package func shape(ofValue value: Int) -> Shape { value == 0 ? description.input : stages[value - 1].output }

    /// The last value in front of everything trained that depends on its own image alone, bit for bit, and that all later
    /// stages see the image through; nil where there is none worth keeping, and for networks of the lane engine.
    ///
    /// A product over several samples may round a sample otherwise in other company, so what lies behind one does not count.
    package func steadyValue(_ options: PlanOptions) -> Int? {
        guard options.laneProgram(self) == nil else { return nil }
        let first = stages.firstIndex { stage in
            if stage.isTrained || stage.statisticCount > 0 { return true }
            switch stage.operation {
            case .affine, .opaque: return true
            case .dropout(let probability): return probability > 0
            default: return false
            }
        }
        guard let first else { return nil }
        return (0...first).last { value in
            stages[value...].allSatisfy { $0.inputValues.allSatisfy { $0 >= value } }
                && stages[..<value].contains { !$0.parameters.isEmpty }
        }
    }

    /// Whether it ends in one logit a class: what a loss takes.
    package var endsInLogits: Bool { stages.last?.output == [description.classes] }

    /// Brings the buffers of all layers up to date after a step, from its statistics over all shards and ranks and the
    /// number of its samples.
    package func updateBuffers(
        _ values: UnsafeMutablePointer<Float>, statistics: UnsafePointer<Double>, samples: Double
    ) {
        for stage in stages where stage.statisticCount > 0 {
            stage.layer.updateBuffers(
                for: stage.inputs[0], statistics: statistics + stage.statisticOffset, samples: samples,
                parameters: stage.parameters.map { values + parameterList.parameters[$0].offset })
        }
    }

    /// Multiplications with an addition of one sample's forward pass.
    package func multiplyAdds() throws -> Int {
        try stages.reduce(0) { try $0 + $1.layer.multiplyAdds(for: $1.inputs[0]) }
    }

    /// Floating-point operations of one sample's training step: forward, the weight gradients of trained layers and,
    /// behind the first of them, input gradients.
    package func trainingOperations(_ part: NetworkPart = .whole) throws -> Int {
        var seenTrained = false
        return try stages[part.stages(of: self)].reduce(0) { sum, stage in
            let multiplyAdds = try stage.layer.multiplyAdds(for: stage.inputs[0])
            defer { seenTrained = seenTrained || stage.isTrained }
            return sum + 2 * multiplyAdds * (1 + (stage.isFrozen ? 0 : 1) + (seenTrained ? 1 : 0))
        }
    }

    /// Floating-point operations of one image's pass through layers alone: forward, and the gradients of parameters and of the
    /// image.
    package func fragmentOperations() throws -> Int {
        try stages.reduce(0) { sum, stage in
            try sum + 2 * stage.layer.multiplyAdds(for: stage.inputs[0]) * (stage.parameters.isEmpty ? 2 : 3)
        }
    }

    /// Bytes of the arena that such a plan has; allocates nothing. Throws: `ShapeMismatch`.
    package func planBytes(
        imagesPerShard: Int, shards: Int, mode: ExecutionPlan.Mode, options: PlanOptions = PlanOptions(), threads: Int
    ) throws -> Int {
        try PlanRequest(
            network: self, imagesPerShard: imagesPerShard, shards: shards, mode: mode, options: options,
            threads: threads
        ).engine().byteCount
    }

    /// What of a processor decides the bits that a plan makes, in words: equal words promise equal bits. OpenBLAS is loaded.
    ///
    /// Throws: `ShapeMismatch`.
    package func arithmetic(mode: ExecutionPlan.Mode, options: PlanOptions) throws -> String {
        try PlanRequest(network: self, imagesPerShard: 1, shards: 1, mode: mode, options: options, threads: 1).engine()
            .arithmetic
    }

    /// The layers that normalise over a batch: how many values a channel each image gives them.
    package var batchNormalizations: [(path: String, type: String, valuesPerImage: Int)] {
        stages.filter { $0.statisticCount > 0 }.map {
            ($0.path, $0.layer.typeName, $0.inputs[0].count / max(1, $0.inputs[0][0]))
        }
    }

    /// Compiles the network for shards of up to `imagesPerShard` images.
    package func plan(
        imagesPerShard: Int, shards: Int, mode: ExecutionPlan.Mode, options: PlanOptions = PlanOptions(),
        input: PixelConversion, pool: ThreadPool
    ) throws -> ExecutionPlan {
        try ExecutionPlan(
            network: self, imagesPerShard: imagesPerShard, shards: shards, mode: mode, options: options, input: input,
            pool: pool)
    }
}
