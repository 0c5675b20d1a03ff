internal import CKernels

/// Sums of values that lie side by side, element by element; `sum` may be one of them.
package enum ElementwiseSum {
    package static func sum(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int, into sum: UnsafeMutablePointer<Float>
    ) {
        KernelSet.inUse.add(a, b, count: count, into: sum)
    }

    package static func sum(
        _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>, count: Int, into sum: UnsafeMutablePointer<Double>
    ) {
        for i in 0..<count { sum[i] = a[i] + b[i] }
    }
}

/// Changes of a vector element by element, around an update.
package enum ElementwiseUpdate {
    /// Replaces gradients by gradient · scale · coefficient, no further from 0 than `limit`.
    package static func clip(
        _ gradients: UnsafeMutablePointer<Float>, count: Int, scale: Float, coefficient: Float, limit: Float
    ) {
        KernelSet.inUse.table.pointee.clip_f32(scale, coefficient, limit, Int64(count), gradients)
    }

    /// Moves an average by `share` of its way towards the values, as torch.lerp does.
    package static func average(
        _ average: UnsafeMutablePointer<Float>, towards values: UnsafePointer<Float>, share: Float, count: Int
    ) {
        KernelSet.inUse.table.pointee.average_f32(share, values, Int64(count), average)
    }
}
