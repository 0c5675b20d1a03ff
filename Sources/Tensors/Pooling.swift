internal import CKernels

/// Maximum over windows of one image [C, H, W] → [C, P, Q]; `winners` keeps which place of each window won.
///
/// Numerics: exact; the first of equal values wins, NaN wins over numbers. Source: torch.nn.functional.max_pool2d.
package struct MaxPooling2d: Sendable {
    package let window: Window2d

    package init(window: Window2d) {
        precondition(window.kernelHeight * window.kernelWidth <= 1 << 16, "window places are numbered in 16 bits")
        self.window = window
    }

    package var outputCount: Int { window.channels * window.outputArea }

    package func forward(
        x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>, winners: UnsafeMutablePointer<UInt16>
    ) {
        var extents = window.c
        CKernels_maxpool2d_f32_forward__portable(&extents, x, y, winners)
    }

    package func backward(
        dy: UnsafePointer<Float>, winners: UnsafePointer<UInt16>, dx: UnsafeMutablePointer<Float>
    ) {
        var extents = window.c
        CKernels_maxpool2d_f32_backward__portable(&extents, dy, winners, dx)
    }
}
