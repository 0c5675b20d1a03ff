package import Tensors

/// One parameter tensor and its place in the parameter vector.
package struct Parameter: Sendable {
    /// PyTorch's key ("conv1.weight").
    package let key: String
    package let shape: Shape
    package let role: ParameterRole
    package let initializer: Initializer
    /// Whether it has a gradient: neither a buffer nor frozen.
    package let isTrained: Bool
    /// Elements before this one in the vector.
    package let offset: Int

    package var count: Int { shape.count }
    /// The path of the layer that it belongs to: `layer1.0.conv1` of `layer1.0.conv1.weight`.
    package var layer: String {
        key.split(separator: ".", omittingEmptySubsequences: false).dropLast().joined(separator: ".")
    }
    package var range: Range<Int> { offset..<offset + count }
}

/// The one ordered list of a network's parameters and buffers, in PyTorch's order, and one vector of floats that holds
/// them: first what is trained, in the order of the list, then what is frozen, then the buffers.
///
/// Broadcast, gradient tree, norms, optimizer, checkpoint and export all walk this list.
package struct ParameterList: Sendable {
    package let parameters: [Parameter]
    /// Elements of the vector.
    package let count: Int
    /// Elements that have a gradient: the first ones of the vector.
    package let trainedCount: Int
    /// Elements of all parameters, trained and frozen; the buffers lie behind them.
    package let parameterCount: Int

    /// `isFrozen` is of no meaning for buffers.
    init(_ described: [(key: String, description: ParameterDescription, isFrozen: Bool)]) {
        /// Trained, frozen, buffers.
        let parts = described.map { $0.description.role == .buffer ? 2 : $0.isFrozen ? 1 : 0 }
        var ends = [0, 0, 0]
        for (part, entry) in zip(parts, described) {
            for later in part..<3 { ends[later] += entry.description.shape.count }
        }
        var next = [0, ends[0], ends[1]]
        parameters = zip(parts, described).map { part, entry in
            defer { next[part] += entry.description.shape.count }
            return Parameter(
                key: entry.key, shape: entry.description.shape, role: entry.description.role,
                initializer: entry.description.initializer, isTrained: part == 0, offset: next[part])
        }
        (trainedCount, parameterCount, count) = (ends[0], ends[1], ends[2])
    }

    /// The parameters that have a gradient, in order; their ranges tile 0 ..< trainedCount.
    package var trained: [Parameter] { parameters.filter(\.isTrained) }

    /// The path of the last layer that has parameters, which makes the logits of other classes from the same values.
    package var head: String? { parameters.last { $0.role != .buffer }?.layer }

    /// What a vector of this many elements holds: everything, or what is trained.
    package func parameters(of vectorCount: Int) -> [Parameter] {
        precondition(vectorCount == count || vectorCount == trainedCount, "a vector of \(vectorCount) elements")
        return vectorCount == count ? parameters : trained
    }

    /// Writes the first values of every parameter.
    package func initialize(_ vector: UnsafeMutableBufferPointer<Float>, seed: UInt64) {
        precondition(vector.count == count, "a vector of \(vector.count) for \(count) parameters")
        for (index, parameter) in parameters.enumerated() {
            var stream = RandomStream(seed: seed, purpose: .initialWeights, epoch: 0, id: UInt64(index))
            parameter.initializer.fill(UnsafeMutableBufferPointer(rebasing: vector[parameter.range]), from: &stream)
        }
    }
}
