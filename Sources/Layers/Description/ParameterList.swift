package import Tensors

/// One parameter tensor and its place in the parameter vector.
package struct Parameter: Sendable {
    /// PyTorch's key ("conv1.weight").
    package let key: String
    package let shape: Shape
    package let role: ParameterRole
    package let initializer: Initializer
    /// Elements before this one in the vector.
    package let offset: Int

    package var count: Int { shape.count }
    package var range: Range<Int> { offset..<offset + count }
}

/// The one ordered list of a network's parameters and buffers, in PyTorch's order, and one vector of floats that holds
/// them: first what is trained, in the order of the list, then the buffers.
///
/// Broadcast, gradient tree, norms, optimizer, checkpoint and export all walk this list.
package struct ParameterList: Sendable {
    package let parameters: [Parameter]
    /// Elements of the vector.
    package let count: Int
    /// Elements that have a gradient: the first ones of the vector.
    package let trainedCount: Int

    init(_ described: [(key: String, description: ParameterDescription)]) {
        var trained = 0
        var buffers = described.filter { $0.description.role != .buffer }.reduce(0) { $0 + $1.description.shape.count }
        trainedCount = buffers
        parameters = described.map { entry in
            let (description, isBuffer) = (entry.description, entry.description.role == .buffer)
            let offset = isBuffer ? buffers : trained
            if isBuffer { buffers += description.shape.count } else { trained += description.shape.count }
            return Parameter(
                key: entry.key, shape: description.shape, role: description.role, initializer: description.initializer,
                offset: offset)
        }
        count = buffers
    }

    /// The parameters that have a gradient, in order; their ranges tile 0 ..< trainedCount.
    package var trained: [Parameter] { parameters.filter { $0.role != .buffer } }

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
