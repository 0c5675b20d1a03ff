package import Tensors

/// How a parameter gets its first values.
///
/// Element i is drawn from its own parameter's random stream, so the values depend on the seed and on the parameter's
/// place in the list, and on nothing else.
package enum Initializer: Sendable, Equatable {
    /// Uniform in −bound ..< bound.
    case uniform(bound: Float)

    /// PyTorch's default for weights and biases of convolutions and linear layers: bound 1 / √fanIn
    /// (kaiming_uniform_ with a = √5 comes to the same bound).
    package static func pytorchDefault(fanIn: Int) -> Initializer {
        .uniform(bound: 1 / Float(fanIn).squareRoot())
    }

    package func fill(_ values: UnsafeMutableBufferPointer<Float>, from stream: inout RandomStream) {
        switch self {
        case .uniform(let bound):
            for index in values.indices { values[index] = (2 * stream.nextUniform() - 1) * bound }
        }
    }
}
