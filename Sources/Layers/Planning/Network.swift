package import Tensors

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
        /// Sums of layers before this one among a shard's statistics.
        package let statisticOffset: Int
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
    package init(_ description: ModelDescription, isFragment: Bool = false) throws {
        var shapes = [description.input]
        var stages: [Stage] = []
        var described: [(key: String, description: ParameterDescription)] = []
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
            for parameter in node.layer.parameters(for: inputs[0]) {
                try require(
                    parameter.shape.fits(Self.largestCount - elements), place,
                    "\(parameter.name) of \(node.layer.typeName) is \(parameter.shape), expected at most "
                        + "\(Self.largestCount) elements in all parameters")
                elements += parameter.shape.count
                described.append(("\(node.path).\(parameter.name)", parameter))
            }
            multiplyAdds += try node.layer.multiplyAdds(for: inputs[0])
            try require(
                multiplyAdds <= Self.largestMultiplyAdds, place,
                "more than \(Self.largestMultiplyAdds) multiply-adds for one image up to here")
            stages.append(
                Stage(
                    path: node.path, layer: node.layer, operation: operation, inputValues: node.inputs.map(\.index),
                    inputs: inputs, output: output, parameters: first..<described.count, statisticOffset: statistics))
            statistics += node.layer.statisticCount(for: inputs[0])
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

    /// Whether it ends in one logit a class: what a loss takes.
    package var endsInLogits: Bool { stages.last?.output == [description.classes] }

    /// Brings the buffers of all layers up to date after a step, from its statistics over all shards and ranks and the
    /// number of its samples.
    package func updateBuffers(
        _ values: UnsafeMutablePointer<Float>, statistics: UnsafePointer<Double>, samples: Double
    ) {
        for stage in stages where stage.layer.statisticCount(for: stage.inputs[0]) > 0 {
            stage.layer.updateBuffers(
                for: stage.inputs[0], statistics: statistics + stage.statisticOffset, samples: samples,
                parameters: stage.parameters.map { values + parameterList.parameters[$0].offset })
        }
    }

    /// Multiplications with an addition of one sample's forward pass.
    package func multiplyAdds() throws -> Int {
        try stages.reduce(0) { try $0 + $1.layer.multiplyAdds(for: $1.inputs[0]) }
    }

    /// Floating-point operations of one sample's training step: forward, weight gradients and, from the second layer
    /// with parameters on, input gradients.
    package func trainingOperations() throws -> Int {
        var seenParameters = false
        return try stages.reduce(0) { sum, stage in
            let multiplyAdds = try stage.layer.multiplyAdds(for: stage.inputs[0])
            defer { seenParameters = seenParameters || !stage.parameters.isEmpty }
            return sum + 2 * multiplyAdds * (seenParameters ? 3 : 2)
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

    /// The layers that normalise over a batch: how many values a channel each image gives them.
    package var batchNormalizations: [(path: String, type: String, valuesPerImage: Int)] {
        stages.filter { $0.layer.statisticCount(for: $0.inputs[0]) > 0 }.map {
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
