package import Tensors

/// One layer of a network as a description: shape rule, parameters, operation. It holds no memory and no state.
package protocol Layer: StageWork {
    /// PyTorch's name of the module ("Conv2d").
    var typeName: String { get }

    /// The shape of one sample after this layer, from those of its inputs. Throws: `ShapeMismatch`.
    func outputShape(for inputs: [Shape]) throws -> Shape
    /// Weights in PyTorch's names, shapes and order, for samples of this shape (of the first input).
    func parameters(for input: Shape) -> [ParameterDescription]
    /// Multiplications with an addition, for one sample.
    func multiplyAdds(for input: Shape) throws -> Int

    /// What the layer computes, for samples of these shapes. Throws: `ShapeMismatch`.
    func operation(for inputs: [Shape]) throws -> Operation

    /// How many sums over the batch each shard of a training step leaves behind for the layer's buffers.
    func statisticCount(for input: Shape) -> Int
    /// Brings the buffers up to date after a step.
    ///
    /// `statistics` are those sums over all shards and ranks, `samples` how many samples were in them, and
    /// `parameters[i]` the values of the layer's i-th parameter.
    func updateBuffers(
        for input: Shape, statistics: UnsafePointer<Double>, samples: Double,
        parameters: [UnsafeMutablePointer<Float>])
}

extension Layer {
    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }
    package func operation(for inputs: [Shape]) -> Operation { .opaque }
    package func statisticCount(for input: Shape) -> Int { 0 }

    package func updateBuffers(
        for input: Shape, statistics: UnsafePointer<Double>, samples: Double,
        parameters: [UnsafeMutablePointer<Float>]
    ) {}
}

/// A layer that takes one value; nearly all do.
package protocol SingleInputLayer: Layer {
    /// Throws: `ShapeMismatch`.
    func outputShape(for input: Shape) throws -> Shape
}

extension SingleInputLayer {
    package func outputShape(for inputs: [Shape]) throws -> Shape {
        guard inputs.count == 1 else { throw ShapeMismatch("\(typeName) takes one value, found \(inputs.count)") }
        return try outputShape(for: inputs[0])
    }
}

/// A shape that a layer cannot take.
package struct ShapeMismatch: Error, Equatable, CustomStringConvertible {
    package let description: String

    package init(_ description: String) {
        self.description = description
    }
}

/// A tensor that belongs to a layer.
package struct ParameterDescription: Sendable {
    /// PyTorch's name inside the module ("weight").
    package let name: String
    package let shape: Shape
    package let role: ParameterRole
    package let initializer: Initializer

    package init(_ name: String, _ shape: Shape, _ role: ParameterRole, _ initializer: Initializer) {
        self.name = name
        self.shape = shape
        self.role = role
        self.initializer = initializer
    }

    /// The weight of a layer that multiplies, and its bias [outputs] if it has one.
    static func weightAndBias(
        _ shape: Shape, outputs: Int, hasBias: Bool, weight: Initialization, bias: Initialization
    ) -> [ParameterDescription] {
        let fans = Fans(ofWeight: shape)
        let parameter = ParameterDescription("weight", shape, .weight, weight.initializer(fans))
        guard hasBias else { return [parameter] }
        return [parameter, ParameterDescription("bias", [outputs], .bias, bias.initializer(fans))]
    }
}

/// What a tensor is for, which decides how an optimizer treats it.
package enum ParameterRole: Sendable {
    case weight
    case bias
    /// Scale or shift of a normalisation.
    case normalization
    /// Kept with the weights and saved with them, but changed by the layer itself (running statistics): no gradient.
    case buffer
}

/// Memory of one layer's operations beyond x, y, dx and dy.
package struct MemoryDemand: Sendable {
    /// Whether the backward passes read x, and y. What no one reads again is free for others after the forward pass.
    package var backwardReadsInput = false
    package var backwardReadsOutput = false
    /// Whether the backward passes that read x read the inputs behind the first one, too.
    package var backwardReadsOtherInputs = true
    /// Whether `restoringPasses` cost so little, and no scratch, that y is always computed again: its bytes are free for others
    /// between the passes forward and backward that read it.
    package var restoresOutput = false
    /// Whether `restoringPasses` read what the forward passes save, and save nothing themselves.
    package var restoringReadsSaved = false
    package var sharing = Sharing.ownOutput
    /// Bytes that the forward pass leaves for the backward pass.
    package var savedBytes = 0
    /// Bytes that the units of the forward passes share, alive during these.
    package var forwardBytes = 0
    /// Bytes that each worker may overwrite while it runs a unit.
    package var workspaceBytes = 0
    /// Bytes of partial weight gradients, alive during the backward passes.
    package var partialGradientBytes = 0

    package init() {}
}

/// How a layer's output may lie in memory (and, the other way round, the gradient of its input).
package enum Sharing: Sendable {
    /// y has a place of its own.
    case ownOutput
    /// y may overwrite x, unless a backward pass reads x.
    case mayOverwriteInput
    /// y is x under another shape: no pass moves anything.
    case sameBytes
}
