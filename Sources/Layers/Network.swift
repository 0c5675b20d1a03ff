package import Tensors

/// A described network with its shapes checked and its parameters listed.
package struct Network: Sendable {
    package struct Stage: Sendable {
        package let path: String
        package let layer: any Layer
        package let input: Shape
        package let output: Shape
        /// Indices into the parameter list.
        package let parameters: Range<Int>
    }

    package let description: ModelDescription
    package let stages: [Stage]
    package let parameterList: ParameterList

    /// Throws: `ShapeMismatch`, naming the layer, when a layer cannot take what the one before it gives, or when the last
    /// one does not give one logit a class.
    package init(_ description: ModelDescription) throws {
        var shape = description.input
        var stages: [Stage] = []
        var described: [(key: String, description: ParameterDescription)] = []
        for node in description.nodes {
            let output: Shape
            do {
                output = try node.layer.outputShape(for: shape)
            } catch {
                throw ShapeMismatch("\(description.name), layer \(node.path): \(error)")
            }
            let first = described.count
            described += node.layer.parameters(for: shape).map { ("\(node.path).\($0.name)", $0) }
            stages.append(
                Stage(
                    path: node.path, layer: node.layer, input: shape, output: output,
                    parameters: first..<described.count))
            shape = output
        }
        guard shape == [description.classes] else {
            throw ShapeMismatch(
                "\(description.name) ends in \(shape), expected one logit for each of \(description.classes) classes")
        }
        let keys = Set(described.map(\.key))
        guard keys.count == described.count else {
            throw ShapeMismatch("\(description.name): two layers share a path and with it a parameter key")
        }
        self.description = description
        self.stages = stages
        parameterList = ParameterList(described)
    }

    /// Multiplications with an addition of one sample's forward pass.
    package func multiplyAdds() throws -> Int {
        try stages.reduce(0) { try $0 + $1.layer.multiplyAdds(for: $1.input) }
    }

    /// Floating-point operations of one sample's training step: forward, weight gradients and, from the second layer
    /// with parameters on, input gradients.
    package func trainingOperations() throws -> Int {
        var seenParameters = false
        return try stages.reduce(0) { sum, stage in
            let multiplyAdds = try stage.layer.multiplyAdds(for: stage.input)
            defer { seenParameters = seenParameters || !stage.parameters.isEmpty }
            return sum + 2 * multiplyAdds * (seenParameters ? 3 : 2)
        }
    }

    /// Compiles the network for shards of up to `imagesPerShard` images.
    package func plan(
        imagesPerShard: Int, shards: Int, mode: ExecutionPlan.Mode, input: PixelConversion, pool: ThreadPool
    ) throws -> ExecutionPlan {
        try ExecutionPlan(
            network: self, imagesPerShard: imagesPerShard, shards: shards, mode: mode, input: input, pool: pool)
    }
}
