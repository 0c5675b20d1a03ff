internal import CKernels

/// y = weight · x + bias over samples in lanes: x [inputs, 16] · weight [outputs, inputs] → y [outputs, 16].
package struct LaneAffine: Sendable {
    package let inputs, outputs: Int
    /// Floats that `weightGradient` may overwrite.
    package var workspaceCount: Int { Int(CKernels_laneLinearWorkspace(Int64(inputs))) }

    package init(inputs: Int, outputs: Int) {
        self.inputs = inputs
        self.outputs = outputs
    }

    /// y = activation(weight · x + bias).
    package func forward(
        _ kernels: KernelSet, x: UnsafePointer<Float>, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        activation: LaneActivation, y: UnsafeMutablePointer<Float>
    ) {
        kernels.table.pointee.linear_f32_forward(Int64(inputs), Int64(outputs), x, weights, bias, activation.c, y)
    }

    /// dx, times the derivative of the activation that made x.
    package func inputGradient(
        _ kernels: KernelSet, dy: UnsafePointer<Float>, weights: UnsafePointer<Float>, activation: LaneActivation,
        x: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>
    ) {
        kernels.table.pointee.linear_f32_inputGradient(
            Int64(inputs), Int64(outputs), dy, weights, activation.c, x, dx)
    }

    /// Overwrites dweights and dbias with those of the group: a chain over each shard's lanes, then the tree over shards.
    package func weightGradient(
        _ kernels: KernelSet, x: UnsafePointer<Float>, dy: UnsafePointer<Float>, lanesPerShard: Int, lanes: Int,
        workspace: UnsafeMutablePointer<Float>, dweights: UnsafeMutablePointer<Float>,
        dbias: UnsafeMutablePointer<Float>?
    ) {
        kernels.table.pointee.linear_f32_weightGradient(
            Int64(inputs), Int64(outputs), x, dy, Int64(lanesPerShard), Int64(lanes), workspace, dweights, dbias)
    }
}
