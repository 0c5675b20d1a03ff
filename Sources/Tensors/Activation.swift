internal import CKernels

/// A function of one number, applied element by element: a row of CKernels_activations.h. Source: torch.nn.functional.
package struct Activation: Equatable, @unchecked Sendable {
    // A constant row, which nobody writes.
    private let row: UnsafePointer<CKernels_ElementwiseFunction>
    /// The number that the function takes, such as a slope; 0 where it takes none.
    package let parameter: Float

    /// All of them, in the order of the table, with 0 for their parameters.
    package static let all = Array(
        sequence(state: Int32(0)) { number in
            defer { number += 1 }
            return CKernels_elementwiseFunction(number).map { Activation(row: $0, parameter: 0) }
        })

    private init(row: UnsafePointer<CKernels_ElementwiseFunction>, parameter: Float) {
        self.row = row
        self.parameter = parameter
    }

    /// Traps: a name that the table does not have.
    private init(_ function: String, parameter: Float = 0) {
        guard let found = Self.all.first(where: { $0.function == function }) else {
            preconditionFailure("no activation \(function)")
        }
        self.init(row: found.row, parameter: parameter)
    }

    /// max(x, 0); NaN passes through.
    package static let relu = Activation("relu")
    package static let tanh = Activation("tanh")
    package static let sigmoid = Activation("sigmoid")
    /// x · Φ(x).
    package static let gelu = Activation("gelu")
    /// GELU's approximation with tanh (Hendrycks, Gimpel 2016).
    package static let geluTanh = Activation("geluTanh")

    /// x, or slope · x where x is not positive. Traps: a negative slope.
    package static func leakyReLU(slope: Float = 0.01) -> Activation {
        precondition(slope >= 0, "a slope of \(slope)")
        return Activation("leakyRelu", parameter: slope)
    }

    /// Its name in C, which no other has.
    package var function: String { String(cString: row.pointee.function) }
    /// PyTorch's name of the layer.
    package var layerName: String { String(cString: row.pointee.layer) }
    package var takesParameter: Bool { row.pointee.parameters > 0 }
    /// Whether the backward pass reads x; the others read y, so that y may take the place of x.
    package var backwardReadsInput: Bool { row.pointee.readsInput != 0 }

    /// x and y may be one buffer.
    package func forward(x: UnsafePointer<Float>, count: Int, y: UnsafeMutablePointer<Float>) {
        row.pointee.forward_f32(parameter, x, Int64(count), y)
    }

    /// `xOrY` is x where `backwardReadsInput`, else y. dy and dx may be one buffer.
    package func backward(
        xOrY: UnsafePointer<Float>, dy: UnsafePointer<Float>, count: Int, dx: UnsafeMutablePointer<Float>
    ) {
        row.pointee.backward_f32(parameter, xOrY, dy, Int64(count), dx)
    }
}

/// Softmax over the first axis of one sample [classes, area]. Source: torch.nn.functional.softmax(dim = 1).
package enum ChannelSoftmax {
    package static func forward(x: UnsafePointer<Float>, classes: Int, area: Int, y: UnsafeMutablePointer<Float>) {
        CKernels_softmax_f32_forward__reference(x, Int64(classes), Int64(area), y)
    }

    package static func backward(
        y: UnsafePointer<Float>, dy: UnsafePointer<Float>, classes: Int, area: Int, dx: UnsafeMutablePointer<Float>
    ) {
        CKernels_softmax_f32_backward__reference(y, dy, Int64(classes), Int64(area), dx)
    }
}
