internal import Layers
package import Tensors

/// A convolution as one product of matrices: every window of the image becomes a column, the kernel a row (im2col).
///
/// Source: Chellapilla et al. 2006; torch.nn.functional.unfold.
package struct ImageColumns: Sendable {
    /// [places of the kernel, windows]
    package let rows, columns: Int
    package let values: [Float]
    /// The kernel's row times the columns: one value a window.
    package let product: [Float]

    /// `pixels` [H, W], with their margins already. OpenBLAS is loaded. Throws: `ShapeMismatch`; `Arena.OutOfMemory`.
    package init(
        of pixels: [Float], height: Int, width: Int, _ filter: ImageFilter, kernel: FilterKernel, pool: ThreadPool
    ) throws {
        let shape: Shape = [1, height, width]
        let unfold = Unfold(
            kernel: [kernel.rows, kernel.columns], dilation: Extents(filter.dilation), stride: Extents(filter.stride))
        let output = try unfold.outputShape(for: shape)
        (rows, columns) = (output[0], output[1])
        values = try LayerRun("columns", unfold, input: shape).values(of: pixels, pool: pool)
        let row = filter.flipsKernel ? kernel.values.reversed() : kernel.values
        var product = [Float](repeating: 0, count: columns)
        BLAS.multiply(
            row, leadingDimension: rows, values, leadingDimension: columns, m: 1, n: columns, k: rows, into: &product,
            leadingDimension: columns)
        self.product = product
    }
}
