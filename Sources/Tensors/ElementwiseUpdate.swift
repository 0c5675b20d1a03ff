internal import CKernels

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
