package import Tensors

/// One parameter tensor and its place in the parameter vector.
package struct Parameter: Sendable {
    /// PyTorch's key ("conv1.weight").
    package let key: String
    package let shape: Shape
    package let initializer: Initializer
    /// Elements before this one in the vector.
    package let offset: Int

    package var count: Int { shape.count }
    package var range: Range<Int> { offset..<offset + count }
}

/// The one ordered list of a network's parameters, one after the other in one vector of floats.
///
/// Broadcast, gradient tree, norms, optimizer, checkpoint and export all walk this list.
package struct ParameterList: Sendable {
    package let parameters: [Parameter]
    /// Elements of the vector.
    package let count: Int

    init(_ described: [(key: String, description: ParameterDescription)]) {
        var offset = 0
        parameters = described.map { entry in
            defer { offset += entry.description.shape.count }
            return Parameter(
                key: entry.key, shape: entry.description.shape, initializer: entry.description.initializer,
                offset: offset
            )
        }
        count = offset
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
