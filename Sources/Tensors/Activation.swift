internal import CKernels

/// max(x, 0), element by element; NaN passes through. Source: torch.nn.functional.relu.
package enum RectifiedLinear {
    /// x and y may be one buffer.
    package static func forward(x: UnsafePointer<Float>, count: Int, y: UnsafeMutablePointer<Float>) {
        CKernels_relu_f32_forward__portable(x, Int64(count), y)
    }

    /// Takes the operation's output, not its input. dy and dx may be one buffer.
    package static func backward(
        y: UnsafePointer<Float>, dy: UnsafePointer<Float>, count: Int, dx: UnsafeMutablePointer<Float>
    ) {
        CKernels_relu_f32_backward__portable(y, dy, Int64(count), dx)
    }
}
