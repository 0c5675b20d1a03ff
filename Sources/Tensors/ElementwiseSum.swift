internal import CKernels

/// Sums of values that lie side by side, element by element.
package enum ElementwiseSum {
    /// total += addend.
    package static func add(_ addend: UnsafePointer<Float>, to total: UnsafeMutablePointer<Float>, count: Int) {
        CKernels_add_f32__portable(total, addend, Int64(count), total)
    }

    /// sum = a + b; sum may be one of them.
    package static func sum(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int, into sum: UnsafeMutablePointer<Float>
    ) {
        CKernels_add_f32__portable(a, b, Int64(count), sum)
    }
}
