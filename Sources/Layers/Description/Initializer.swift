package import Tensors

/// How many inputs an output of a layer sees, and how many outputs see an input: what scales first weights.
package struct Fans: Equatable, Sendable {
    package let fanIn, fanOut: Int

    /// Of a weight [outputs, inputs, kernel extents], as torch.nn.init counts them (for transposed convolutions too).
    package init(ofWeight shape: Shape) {
        let kernel = shape.dimensions.dropFirst(2).reduce(1, Int.product)
        fanIn = Int.product(shape[1], kernel)
        fanOut = Int.product(shape[0], kernel)
    }
}

/// A rule for first values that holds for layers of any size; a layer turns it into an `Initializer` with its fans.
///
/// Sources: torch.nn.init; He, Zhang, Ren, Sun 2015 (Kaiming); Glorot, Bengio 2010 (Xavier).
package enum Initialization: Equatable, Sendable {
    package enum Fan: Sendable {
        case fanIn, fanOut
    }

    /// torch.nn.Linear's and Conv2d's: uniform within 1 / √fanIn, for weights and biases.
    case pytorchDefault
    /// Uniform within gain · √(3 / fan), and normal with deviation gain / √fan; √2 is the gain of ReLU.
    case kaimingUniform(Fan = .fanIn, gain: Float = Float(2).squareRoot())
    case kaimingNormal(Fan = .fanIn, gain: Float = Float(2).squareRoot())
    /// Uniform within gain · √(6 / (fanIn + fanOut)), and normal with deviation gain · √(2 / (fanIn + fanOut)).
    case xavierUniform(gain: Float = 1)
    case xavierNormal(gain: Float = 1)
    case normal(deviation: Float)
    case constant(Float)

    package func initializer(_ fans: Fans) -> Initializer {
        switch self {
        case .pytorchDefault: .uniform(bound: 1 / Float(fans.fanIn).squareRoot())
        case .kaimingUniform(let fan, let gain): .uniform(bound: gain * (3 / Self.count(fan, fans)).squareRoot())
        case .kaimingNormal(let fan, let gain): .normal(deviation: gain / Self.count(fan, fans).squareRoot())
        case .xavierUniform(let gain): .uniform(bound: gain * (6 / Self.sum(fans)).squareRoot())
        case .xavierNormal(let gain): .normal(deviation: gain * (2 / Self.sum(fans)).squareRoot())
        case .normal(let deviation): .normal(deviation: deviation)
        case .constant(let value): .constant(value)
        }
    }

    /// What torch.nn.init.calculate_gain gives.
    package enum Gain {
        package static let linear: Float = 1
        package static let tanh: Float = 5 / 3
        package static let relu = Float(2).squareRoot()
        package static func leakyReLU(slope: Float) -> Float { (2 / (1 + slope * slope)).squareRoot() }
    }

    private static func count(_ fan: Fan, _ fans: Fans) -> Float { Float(fan == .fanIn ? fans.fanIn : fans.fanOut) }
    private static func sum(_ fans: Fans) -> Float { Float(fans.fanIn + fans.fanOut) }
}

/// How a parameter gets its first values.
///
/// Element i is drawn from its own parameter's random stream, so the values depend on the seed and on the parameter's
/// place in the list, and on nothing else.
package enum Initializer: Sendable, Equatable {
    /// Uniform in −bound ..< bound.
    case uniform(bound: Float)
    /// Normal around 0.
    case normal(deviation: Float)
    case constant(Float)

    package func fill(_ values: UnsafeMutableBufferPointer<Float>, from stream: inout RandomStream) {
        switch self {
        case .uniform(let bound):
            for index in values.indices { values[index] = (2 * stream.nextUniform() - 1) * bound }
        case .normal(let deviation):
            for index in values.indices { values[index] = Float(stream.nextNormal() * Double(deviation)) }
        case .constant(let value):
            values.update(repeating: value)
        }
    }
}
