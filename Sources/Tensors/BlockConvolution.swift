internal import CKernels

/// A convolution of images in blocks of sixteen channels: x [C/16, H, W, 16] → y [K/16, P, Q, 16]; of fewer than sixteen
/// channels in planes, [C, H, W], which have no gradient.
///
/// Numerics: float32, the same bits on every kernel set; an element's chains follow from the shape (CKernels_table.h).
/// Memory: `workspace` has `workspaceCount(images:)` floats; weights are read in an order of their own, `packedCount` floats
/// that start at a multiple of 64 bytes.
package struct BlockConvolution: Sendable {
    package let inputCount, outputCount, weightCount, outChannels: Int
    /// Blocks of output channels, and of input channels: the parts in which weights are packed.
    package let outBlocks, inBlocks: Int
    /// Whether the forward pass and the input gradient are Winograd's F(4×4, 3×3).
    package var isWinograd = false
    private let c: CKernels_BlockConvolution

    /// nil where the kernels do not take it: other than two axes, groups, margins of other values than zeros, a flipped kernel,
    /// numbers of channels that fill no blocks, kernels of very many places or of a very long reach.
    /// `takesPlanes`: whether the input may have fewer than sixteen channels.
    package init?(_ padded: PaddedConvolution, takesPlanes: Bool) {
        let (convolution, window) = (padded.convolution, padded.convolution.window)
        let (channels, block) = (window.channels, KernelSet.laneCount)
        guard padded.padding == nil, window.axes.count == 2, !window.isFlipped, convolution.groups == 1,
            convolution.outChannels % block == 0, channels % block == 0 || takesPlanes && channels < block,
            window.kernelVolume <= Int(CKernels_blockTaps),
            window.axes.allSatisfy({ ($0.kernel - 1) * $0.dilation < Int(CKernels_blockReach) })
        else { return nil }
        let (rows, columns) = (window.axes[0], window.axes[1])
        c = CKernels_BlockConvolution(
            channels: Int64(channels), height: Int64(rows.input), width: Int64(columns.input),
            outputChannels: Int64(convolution.outChannels), outputHeight: Int64(rows.output),
            outputWidth: Int64(columns.output), kernelHeight: Int64(rows.kernel), kernelWidth: Int64(columns.kernel),
            strideHeight: Int64(rows.stride), strideWidth: Int64(columns.stride), dilationHeight: Int64(rows.dilation),
            dilationWidth: Int64(columns.dilation), paddingTop: Int64(rows.before), paddingLeft: Int64(columns.before))
        outChannels = convolution.outChannels
        inputCount = Int.product(channels, window.inputVolume)
        outputCount = Int.product(outChannels, window.outputVolume)
        weightCount = convolution.weightCount
        (outBlocks, inBlocks) = (outChannels / block, channels / block)
    }

    /// Whether the shape is one that Winograd's kernels take: blocks of channels, 3 × 3 places, strides and dilations of 1.
    package var allowsWinograd: Bool {
        inBlocks > 0 && c.kernelHeight == 3 && c.kernelWidth == 3 && c.strideHeight == 1 && c.strideWidth == 1
            && c.dilationHeight == 1 && c.dilationWidth == 1
    }

    /// Whether Winograd's kernels save three eighths of the direct ones' products at least.
    package var gainsByWinograd: Bool {
        let tiles = (c.outputHeight + 3) / 4 * ((c.outputWidth + 3) / 4)
        return allowsWinograd && 36 * Double(tiles) <= 0.625 * 9 * Double(c.outputHeight) * Double(c.outputWidth)
    }

    /// Floats of packed weights, in either order.
    package var packedCount: Int {
        isWinograd ? withUnsafePointer(to: c) { Int(CKernels_winogradWeights($0)) } : weightCount
    }

    /// For calls that take up to so many images; 0: without weight gradients, for any number.
    package func workspaceCount(images: Int) -> Int {
        withUnsafePointer(to: c) {
            let count = Int(CKernels_blockConvolutionWorkspace($0, Int64(images)))
            return isWinograd ? max(count, Int(CKernels_winogradWorkspace($0))) : count
        }
    }

    /// One block of output channels in the order of `forward`.
    package func pack(
        _ kernels: KernelSet, block: Int, weight: UnsafePointer<Float>, into packed: UnsafeMutablePointer<Float>
    ) {
        let table = kernels.table.pointee
        let pack = isWinograd ? table.winogradConv2d_f32_pack! : table.blockConv2d_f32_pack!
        withUnsafePointer(to: c) { pack($0, Int64(block), weight, packed) }
    }

    /// One block of input channels in the order of `inputGradient`.
    package func packTransposed(
        _ kernels: KernelSet, block: Int, weight: UnsafePointer<Float>, into packed: UnsafeMutablePointer<Float>
    ) {
        let table = kernels.table.pointee
        let pack = isWinograd ? table.winogradConv2d_f32_packTransposed! : table.blockConv2d_f32_packTransposed!
        withUnsafePointer(to: c) { pack($0, Int64(block), weight, packed) }
    }

    /// One block of output channels of a weight gradient, [K, C, R, S].
    package func unpackGradient(
        _ kernels: KernelSet, block: Int, packed: UnsafePointer<Float>, into gradient: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: c) {
            kernels.table.pointee.blockConv2d_f32_unpackGradient($0, Int64(block), packed, gradient)
        }
    }

    package func forward(
        _ kernels: KernelSet, images: Int, x: UnsafePointer<Float>, packed: UnsafePointer<Float>,
        bias: UnsafePointer<Float>?, workspace: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        let table = kernels.table.pointee
        let forward = isWinograd ? table.winogradConv2d_f32_forward! : table.blockConv2d_f32_forward!
        withUnsafePointer(to: c) { forward($0, Int64(images), x, packed, bias, workspace, y) }
    }

    package func inputGradient(
        _ kernels: KernelSet, images: Int, dy: UnsafePointer<Float>, packed: UnsafePointer<Float>,
        workspace: UnsafeMutablePointer<Float>, dx: UnsafeMutablePointer<Float>
    ) {
        let table = kernels.table.pointee
        let gradient = isWinograd ? table.winogradConv2d_f32_inputGradient! : table.blockConv2d_f32_inputGradient!
        withUnsafePointer(to: c) { gradient($0, Int64(images), dy, packed, workspace, dx) }
    }

    /// Overwrites the gradients of the weights, in the order that `unpackGradient` reads, and of the bias; zeros without images.
    package func weightGradient(
        _ kernels: KernelSet, images: Int, x: UnsafePointer<Float>, dy: UnsafePointer<Float>,
        workspace: UnsafeMutablePointer<Float>, dweight: UnsafeMutablePointer<Float>,
        dbias: UnsafeMutablePointer<Float>?
    ) {
        withUnsafePointer(to: c) {
            kernels.table.pointee.blockConv2d_f32_weightGradient(
                $0, Int64(images), x, dy, workspace, dweight, dbias)
        }
    }
}
