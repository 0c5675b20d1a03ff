internal import CKernels

/// A function of one number, applied element by element. Source: torch.nn.functional.
package enum Activation: Equatable, Sendable {
    /// max(x, 0); NaN passes through.
    case relu
    /// x, or slope · x where x is not positive; slope ≥ 0.
    case leakyReLU(slope: Float)
    case tanh
    case sigmoid
    /// x · Φ(x).
    case gelu
    /// GELU's approximation with tanh.
    case geluTanh

    /// Whether the backward pass reads x; the others read y, so that y may take the place of x.
    package var backwardReadsInput: Bool {
        switch self {
        case .gelu, .geluTanh: true
        case .relu, .leakyReLU, .tanh, .sigmoid: false
        }
    }

    /// x and y may be one buffer.
    package func forward(x: UnsafePointer<Float>, count: Int, y: UnsafeMutablePointer<Float>) {
        let count = Int64(count)
        switch self {
        case .relu: CKernels_relu_f32_forward__reference(x, count, y)
        case .leakyReLU(let slope): CKernels_leakyRelu_f32_forward__reference(slope, x, count, y)
        case .tanh: CKernels_tanh_f32_forward__reference(x, count, y)
        case .sigmoid: CKernels_sigmoid_f32_forward__reference(x, count, y)
        case .gelu: CKernels_gelu_f32_forward__reference(x, count, y)
        case .geluTanh: CKernels_geluTanh_f32_forward__reference(x, count, y)
        }
    }

    /// `xOrY` is x where `backwardReadsInput`, else y. dy and dx may be one buffer.
    package func backward(
        xOrY: UnsafePointer<Float>, dy: UnsafePointer<Float>, count: Int, dx: UnsafeMutablePointer<Float>
    ) {
        let count = Int64(count)
        switch self {
        case .relu: CKernels_relu_f32_backward__reference(xOrY, dy, count, dx)
        case .leakyReLU(let slope): CKernels_leakyRelu_f32_backward__reference(slope, xOrY, dy, count, dx)
        case .tanh: CKernels_tanh_f32_backward__reference(xOrY, dy, count, dx)
        case .sigmoid: CKernels_sigmoid_f32_backward__reference(xOrY, dy, count, dx)
        case .gelu: CKernels_gelu_f32_backward__reference(xOrY, dy, count, dx)
        case .geluTanh: CKernels_geluTanh_f32_backward__reference(xOrY, dy, count, dx)
        }
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
