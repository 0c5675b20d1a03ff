internal import CKernels

/// 2-D cross-correlation of one image with K kernels, by unfolding and one matrix product.
///
/// Shapes: x [C, H, W] · weight [K, C, R, S] · bias [K] → y [K, P, Q].
/// Memory: `workspace` holds C·R·S × P·Q floats and is overwritten; nothing is allocated.
/// Numerics: float32; an element's chain is fixed by the extents and by BLAS's kernel set.
/// Source: layout and definition of torch.nn.functional.conv2d; unfolding after Chellapilla et al. 2006.
package struct Convolution2d: Sendable {
    package let window: Window2d
    package let outChannels: Int

    package init(window: Window2d, outChannels: Int) {
        self.window = window
        self.outChannels = outChannels
    }

    package var workspaceCount: Int { window.patchCount * window.outputArea }

    package func forward(
        x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        y: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
    ) {
        unfold(x, into: workspace)
        let area = window.outputArea
        if let bias { CKernels_fillRows_f32__portable(bias, Int64(outChannels), Int64(area), y) }
        BLAS.multiply(
            weight, leadingDimension: window.patchCount, workspace, leadingDimension: area, m: outChannels, n: area,
            k: window.patchCount, into: y, leadingDimension: area, adding: bias != nil)
    }

    /// Adds one image's part to the gradients of weight [K, C, R, S] and bias [K].
    package func addWeightGradient(
        x: UnsafePointer<Float>, dy: UnsafePointer<Float>, dweight: UnsafeMutablePointer<Float>,
        dbias: UnsafeMutablePointer<Float>?, workspace: UnsafeMutablePointer<Float>
    ) {
        unfold(x, into: workspace)
        let area = window.outputArea
        BLAS.multiply(
            dy, leadingDimension: area, workspace, .transposed, leadingDimension: area, m: outChannels,
            n: window.patchCount, k: area, into: dweight, leadingDimension: window.patchCount, adding: true)
        if let dbias { CKernels_addRowSums_f32__portable(dy, Int64(outChannels), Int64(area), dbias) }
    }

    /// dx [C, H, W] from dy [K, P, Q].
    package func inputGradient(
        dy: UnsafePointer<Float>, weight: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>,
        workspace: UnsafeMutablePointer<Float>
    ) {
        let area = window.outputArea
        BLAS.multiply(
            weight, .transposed, leadingDimension: window.patchCount, dy, leadingDimension: area, m: window.patchCount,
            n: area, k: outChannels, into: workspace, leadingDimension: area)
        var extents = window.c
        CKernels_col2im_f32__portable(&extents, workspace, dx)
    }

    private func unfold(_ x: UnsafePointer<Float>, into columns: UnsafeMutablePointer<Float>) {
        var extents = window.c
        CKernels_im2col_f32__portable(&extents, x, columns)
    }
}
