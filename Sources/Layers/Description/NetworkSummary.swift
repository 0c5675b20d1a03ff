package import Tensors

/// What a network looks like layer by layer, and what it costs: the columns of torchinfo, and receptive fields.
package struct NetworkSummary: Sendable {
    package struct Row: Sendable {
        package let path: String
        package let type: String
        /// Of one sample.
        package let output: Shape
        /// Trained ones, as torchinfo counts.
        package let parameters: Int
        /// Of one sample's forward pass, in convolutions and linear layers.
        package let multiplyAdds: Int
        /// Pixels of the image that one place depends on, and pixels between neighbouring places, along each axis; nil where
        /// they differ from place to place.
        package let receptiveField: ReceptiveField?
    }

    /// Along each spatial axis of the image; `isWhole` where all of the image is seen.
    package struct ReceptiveField: Equatable, Sendable {
        package let reach: [Int]
        package let stride: [Int]
        package let isWhole: Bool
    }

    /// Bytes of a training step of `images` images in one shard, float32.
    package struct Memory: Sendable {
        package let parameters: Int
        package let gradients: Int
        /// Every layer's output.
        package let activations: Int
        /// What a plan allocates for activations, their gradients and scratch after sharing what is not alive at once; nil for
        /// a fragment, which has no loss to be trained on.
        package let planned: Int?
        /// What it would allocate if it kept everything that the passes backward read, and the segments it is cut into instead.
        package let uncut: Int?
        package let segments: Int

        /// Of parameters, gradients and the plan.
        package var ofStep: Int { parameters + gradients + min(planned ?? 0, .largestProduct) }
    }

    package let name: String
    package let input: Shape
    package let endsInLogits: Bool
    package let rows: [Row]
    package let parameters: Int
    package let buffers: Int
    package let multiplyAdds: Int

    /// Throws: `ShapeMismatch`.
    package init(_ network: Network) throws {
        name = network.description.name
        input = network.description.input
        endsInLogits = network.endsInLogits
        var fields: [ReceptiveField?] = [
            ReceptiveField(
                reach: input.dimensions.dropFirst().map { _ in 1 }, stride: input.dimensions.dropFirst().map { _ in 1 },
                isWhole: false)
        ]
        rows = try network.stages.map { stage in
            let field = Self.field(
                of: stage.operation.reception, inputs: stage.inputValues.map { fields[$0] },
                image: network.description.input)
            fields.append(field)
            let own = network.parameterList.parameters[stage.parameters].filter { $0.role != .buffer }
            return Row(
                path: stage.path, type: stage.layer.typeName, output: stage.output,
                parameters: own.reduce(0) { $0 + $1.count },
                multiplyAdds: try stage.layer.multiplyAdds(for: stage.inputs[0]), receptiveField: field)
        }
        parameters = network.parameterList.parameterCount
        buffers = network.parameterList.count - network.parameterList.parameterCount
        multiplyAdds = rows.reduce(0) { $0 + $1.multiplyAdds }
    }

    /// A branch sees what its inputs see together: the widest of them.
    private static func field(of reception: Reception, inputs: [ReceptiveField?], image: Shape) -> ReceptiveField? {
        let known = inputs.compactMap { $0 }
        guard known.count == inputs.count, let first = known.first else { return nil }
        let joined = known.dropFirst().reduce(first) { sum, next in
            ReceptiveField(
                reach: zip(sum.reach, next.reach).map(max), stride: sum.stride, isWhole: sum.isWhole || next.isWhole)
        }
        if joined.isWhole { return joined }
        switch reception {
        case .place: return joined
        case .varying: return nil
        case .everything:
            let extents = Array(image.dimensions.dropFirst())
            return ReceptiveField(reach: extents, stride: extents, isWhole: true)
        case .windows(let windows):
            guard windows.count == joined.reach.count else { return nil }
            return ReceptiveField(
                reach: windows.indices.map { joined.reach[$0] + (windows[$0].reach - 1) * joined.stride[$0] },
                stride: windows.indices.map { joined.stride[$0] * windows[$0].stride }, isWhole: false)
        }
    }

    /// Throws: `ShapeMismatch`.
    package static func memory(of network: Network, images: Int, options: PlanOptions = PlanOptions()) throws -> Memory
    {
        func engine(_ options: PlanOptions) throws -> any PlanEngine {
            try PlanRequest(
                network: network, imagesPerShard: images, shards: 1, mode: .training, options: options, threads: 1
            ).engine()
        }
        let own = try network.endsInLogits ? engine(options) : nil
        let uncut = try network.endsInLogits && options.segments > 1 ? engine(options.uncut) : own
        let bytes = MemoryLayout<Float>.stride
        return Memory(
            parameters: network.parameterList.count * bytes, gradients: network.parameterList.trainedCount * bytes,
            activations: Int.product(network.stages.reduce(0) { $0 + $1.output.count }, images, bytes),
            planned: own?.byteCount, uncut: uncut?.byteCount, segments: own?.segments ?? 1)
    }
}
