internal import CKernels

/// y = x · weightᵀ + bias for samples that are vectors, a part of the weights at a time.
///
/// Shapes: x [N, inputs] · weight [outputs, inputs] · bias [outputs] → y [N, outputs].
/// Numerics: float32, the same bits on every kernel set and in any company of samples and parts (CKernels_table.h).
package struct DenseAffine: Sendable {
    package let inputs, outputs: Int
    private let kernels: KernelSet

    package init(_ affine: Affine, _ kernels: KernelSet) {
        (inputs, outputs) = (affine.inputs, affine.outputs)
        self.kernels = kernels
    }

    /// Some outputs of all samples.
    package func forward(
        rows: Range<Int>, samples: Int, x: UnsafePointer<Float>, weight: UnsafePointer<Float>,
        bias: UnsafePointer<Float>?, y: UnsafeMutablePointer<Float>
    ) {
        kernels.table.pointee.dense_f32_forward(
            Int64(samples), Int64(inputs), Int64(outputs), Int64(rows.lowerBound), Int64(rows.count), x, weight, bias,
            y)
    }

    /// Some inputs' gradients of all samples; a part starts at a multiple of 16.
    package func inputGradient(
        columns: Range<Int>, samples: Int, dy: UnsafePointer<Float>, weight: UnsafePointer<Float>,
        dx: UnsafeMutablePointer<Float>
    ) {
        kernels.table.pointee.dense_f32_inputGradient(
            Int64(samples), Int64(inputs), Int64(outputs), Int64(columns.lowerBound), Int64(columns.count), dy, weight,
            dx)
    }

    /// Writes the gradients of some rows of weight and bias, summed over the samples; zeros without samples.
    ///
    /// Shapes: dweight [rows.count, inputs], dbias [rows.count].
    package func weightGradient(
        rows: Range<Int>, samples: Int, x: UnsafePointer<Float>, dy: UnsafePointer<Float>,
        dweight: UnsafeMutablePointer<Float>, dbias: UnsafeMutablePointer<Float>?
    ) {
        kernels.table.pointee.dense_f32_weightGradient(
            Int64(samples), Int64(inputs), Int64(outputs), Int64(rows.lowerBound), Int64(rows.count), x, dy, dweight)
        guard let dbias else { return }
        dbias.update(repeating: 0, count: rows.count)
        CKernels_addColumnSums_f32__reference(
            dy + rows.lowerBound, Int64(samples), Int64(rows.count), Int64(outputs), dbias)
    }
}
