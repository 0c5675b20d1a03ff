internal import CKernels

/// One image [C, H, W] as planes and as blocks of sixteen channels, [C/16, H, W, 16].
package struct BlockLayout: Sendable {
    private let channels, area: Int
    private let kernels: KernelSet

    /// Traps: channels that fill no blocks.
    package init(channels: Int, area: Int, _ kernels: KernelSet) {
        precondition(channels % KernelSet.laneCount == 0, "\(channels) channels fill no blocks")
        (self.channels, self.area, self.kernels) = (channels, area, kernels)
    }

    package func blocks(_ planes: UnsafePointer<Float>, into blocks: UnsafeMutablePointer<Float>) {
        kernels.table.pointee.blocks_f32_fromPlanes(Int64(channels), Int64(area), planes, blocks)
    }

    package func planes(_ blocks: UnsafePointer<Float>, into planes: UnsafeMutablePointer<Float>) {
        kernels.table.pointee.blocks_f32_toPlanes(Int64(channels), Int64(area), blocks, planes)
    }

    /// Channels of zeros in front of and behind those of this image in blocks, `padded` in all.
    package func pad(before: Int, padded: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>) {
        kernels.table.pointee.blockPadChannels_f32_forward(
            Int64(channels), Int64(before), Int64(padded), Int64(area), x, y)
    }

    /// What of a gradient of the padded image the image sees.
    package func unpad(before: Int, padded: Int, _ dy: UnsafePointer<Float>, into dx: UnsafeMutablePointer<Float>) {
        kernels.table.pointee.blockPadChannels_f32_backward(
            Int64(channels), Int64(before), Int64(padded), Int64(area), dy, dx)
    }
}
