internal import CKernels

/// A convolution or pooling window over images in lanes, [C, H, W, 16]; dilation 1.
package struct LaneWindow: Sendable {
    let c: CKernels_LaneWindow

    /// Traps: other than two axes, a dilation.
    package init(channels: Int, height: Window.Axis, width: Window.Axis) {
        precondition(height.dilation == 1 && width.dilation == 1, "dilated windows have no lane kernels")
        c = CKernels_LaneWindow(
            channels: Int64(channels), height: Int64(height.input), width: Int64(width.input),
            kernelHeight: Int64(height.kernel), kernelWidth: Int64(width.kernel),
            strideHeight: Int64(height.stride), strideWidth: Int64(width.stride),
            paddingTop: Int64(height.before), paddingLeft: Int64(width.before),
            outputHeight: Int64(height.output), outputWidth: Int64(width.output))
    }

    /// `argmax` keeps the place in its window that each output came from.
    package func maximum(
        _ kernels: KernelSet, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        argmax: UnsafeMutablePointer<UInt16>
    ) {
        withUnsafePointer(to: c) { kernels.table.pointee.maxpool2d_f32_forward($0, x, y, argmax) }
    }

    package func maximumBackward(
        _ kernels: KernelSet, dy: UnsafePointer<Float>, argmax: UnsafePointer<UInt16>,
        dx: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: c) { kernels.table.pointee.maxpool2d_f32_backward($0, dy, argmax, dx) }
    }

    package func average(
        _ kernels: KernelSet, countsPadding: Bool, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: c) { kernels.table.pointee.avgpool2d_f32_forward($0, countsPadding ? 1 : 0, x, y) }
    }

    package func averageBackward(
        _ kernels: KernelSet, countsPadding: Bool, dy: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: c) { kernels.table.pointee.avgpool2d_f32_backward($0, countsPadding ? 1 : 0, dy, dx) }
    }
}

/// A convolution over images in lanes: x [C, H, W, 16] · weights [K, C, R, S] → y [K, P, Q, 16].
///
/// Memory: `workspace` has `workspaceCount` floats.
package struct LaneConvolution: Sendable {
    package let weightCount: Int
    package let workspaceCount: Int
    private let outChannels, outputHeight, outputWidth: Int
    private let c: CKernels_LaneConvolution

    package init(window: LaneWindow, outChannels: Int) {
        var shape = CKernels_LaneConvolution(window: window.c, outputChannels: Int64(outChannels))
        c = shape
        self.outChannels = outChannels
        outputHeight = Int(window.c.outputHeight)
        outputWidth = Int(window.c.outputWidth)
        weightCount = outChannels * Int(window.c.channels * window.c.kernelHeight * window.c.kernelWidth)
        workspaceCount = Int(CKernels_laneConvolutionWorkspace(&shape))
    }

    /// y = activation(convolution + bias).
    package func forward(
        _ kernels: KernelSet, x: UnsafePointer<Float>, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        activation: LaneActivation, y: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: c) {
            kernels.table.pointee.conv2d_f32_forward($0, x, weights, bias, activation.c, y)
        }
    }

    /// y [K, P/2, Q/2, 16] = activation(maximum over 2 × 2 of (convolution + bias)).
    package func forwardPooled(
        _ kernels: KernelSet, x: UnsafePointer<Float>, weights: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
        activation: LaneActivation, workspace: UnsafeMutablePointer<Float>, y: UnsafeMutablePointer<Float>,
        argmax: UnsafeMutablePointer<UInt16>
    ) {
        withUnsafePointer(to: c) {
            kernels.table.pointee.conv2d_pool_f32_forward(
                $0, x, weights, bias, activation.c, workspace, y, argmax)
        }
    }

    /// The weights in the order that `inputGradient` reads.
    package func transpose(
        _ kernels: KernelSet, weights: UnsafePointer<Float>, into transposed: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: c) { kernels.table.pointee.conv2d_f32_transpose($0, weights, transposed) }
    }

    /// dx, times the derivative of the activation that made x.
    package func inputGradient(
        _ kernels: KernelSet, dy: UnsafePointer<Float>, transposed: UnsafePointer<Float>, activation: LaneActivation,
        x: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>
    ) {
        withUnsafePointer(to: c) {
            kernels.table.pointee.conv2d_f32_inputGradient($0, dy, transposed, activation.c, x, dx)
        }
    }

    /// Overwrites dweights and dbias with those of the group's first `lanes` lanes.
    package func weightGradient(
        _ kernels: KernelSet, x: UnsafePointer<Float>, dy: UnsafePointer<Float>, lanes: Int,
        workspace: UnsafeMutablePointer<Float>, dweights: UnsafeMutablePointer<Float>,
        dbias: UnsafeMutablePointer<Float>?
    ) {
        withUnsafePointer(to: c) {
            kernels.table.pointee.conv2d_f32_weightGradient(
                $0, x, dy, Int64(lanes), workspace, dweights, dbias)
        }
    }

    /// The same from the gradient behind a fused pooling.
    package func weightGradientPooled(
        _ kernels: KernelSet, x: UnsafePointer<Float>, y: UnsafePointer<Float>, dy: UnsafePointer<Float>,
        argmax: UnsafePointer<UInt16>, activation: LaneActivation, lanes: Int,
        workspace: UnsafeMutablePointer<Float>, dweights: UnsafeMutablePointer<Float>,
        dbias: UnsafeMutablePointer<Float>?
    ) {
        withUnsafePointer(to: c) {
            kernels.table.pointee.conv2d_pool_f32_weightGradient(
                $0, x, y, dy, argmax, activation.c, Int64(lanes), workspace, dweights, dbias)
        }
    }

    /// The gradient of the convolution's own output, from that behind a fused activation and pooling.
    package func unpool(
        _ kernels: KernelSet, y: UnsafePointer<Float>, dy: UnsafePointer<Float>, argmax: UnsafePointer<UInt16>,
        activation: LaneActivation, into full: UnsafeMutablePointer<Float>
    ) {
        kernels.table.pointee.unpool_f32_backward(
            Int64(outChannels), Int64(outputHeight), Int64(outputWidth), y, dy, argmax, activation.c, full)
    }
}
