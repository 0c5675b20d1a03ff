internal import CKernels

/// y = x · weightᵀ + bias for a group of samples.
///
/// Shapes: x [N, inputs] · weight [outputs, inputs] · bias [outputs] → y [N, outputs].
/// Numerics: float32; an element's chain is fixed by N, the extents and BLAS's kernel set.
/// Source: layout of torch.nn.functional.linear.
package struct Affine: Sendable {
    package let inputs, outputs: Int

    package init(inputs: Int, outputs: Int) {
        self.inputs = inputs
        self.outputs = outputs
    }

    package func forward(
        samples: Int, x: UnsafePointer<Float>, weight: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        y: UnsafeMutablePointer<Float>
    ) {
        if let bias { for sample in 0..<samples { (y + sample * outputs).update(from: bias, count: outputs) } }
        BLAS.multiply(
            x, leadingDimension: inputs, weight, .transposed, leadingDimension: inputs, m: samples, n: outputs,
            k: inputs, into: y, leadingDimension: outputs, adding: bias != nil)
    }

    package func inputGradient(
        samples: Int, dy: UnsafePointer<Float>, weight: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>
    ) {
        BLAS.multiply(
            dy, leadingDimension: outputs, weight, leadingDimension: inputs, m: samples, n: inputs, k: outputs,
            into: dx, leadingDimension: inputs)
    }

    /// Writes the gradients of some rows of weight and bias, summed over the samples; zeros without samples.
    ///
    /// Shapes: dweight [rows.count, inputs], dbias [rows.count].
    package func weightGradient(
        rows: Range<Int>, samples: Int, x: UnsafePointer<Float>, dy: UnsafePointer<Float>,
        dweight: UnsafeMutablePointer<Float>, dbias: UnsafeMutablePointer<Float>?
    ) {
        let dyRows = dy + rows.lowerBound
        BLAS.multiply(
            dyRows, .transposed, leadingDimension: outputs, x, leadingDimension: inputs, m: rows.count, n: inputs,
            k: samples, into: dweight, leadingDimension: inputs)
        guard let dbias else { return }
        dbias.update(repeating: 0, count: rows.count)
        CKernels_addColumnSums_f32__reference(dyRows, Int64(samples), Int64(rows.count), Int64(outputs), dbias)
    }
}
