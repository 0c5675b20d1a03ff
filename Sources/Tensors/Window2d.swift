internal import CKernels

/// The extents of a 2-D convolution or pooling of one image [C, H, W] → [·, P, Q].
package struct Window2d: Sendable {
    package let channels, height, width: Int
    package let kernelHeight, kernelWidth: Int
    package let outputHeight, outputWidth: Int
    private let stride: (height: Int, width: Int)
    private let padding: (top: Int, left: Int)

    /// Throws: `WindowArithmetic.Misfit` when the window does not fit the padded image.
    package init(
        image: Shape, kernel: (height: Int, width: Int), stride: (height: Int, width: Int),
        padding: (height: Int, width: Int)
    ) throws(WindowArithmetic.Misfit) {
        precondition(image.rank == 3, "an image of shape \(image), expected [C, H, W]")
        channels = image[0]
        height = image[1]
        width = image[2]
        kernelHeight = kernel.height
        kernelWidth = kernel.width
        self.stride = stride
        self.padding = (padding.height, padding.width)
        outputHeight = try WindowArithmetic.outputExtent(
            input: height, kernel: kernel.height, stride: stride.height, padding: padding.height)
        outputWidth = try WindowArithmetic.outputExtent(
            input: width, kernel: kernel.width, stride: stride.width, padding: padding.width)
    }

    package var inputCount: Int { channels * height * width }
    /// P·Q.
    package var outputArea: Int { outputHeight * outputWidth }
    /// C·R·S: the rows of the unfolded image.
    package var patchCount: Int { channels * kernelHeight * kernelWidth }

    var c: CKernels_Window {
        CKernels_Window(
            channels: Int64(channels), height: Int64(height), width: Int64(width), kernelHeight: Int64(kernelHeight),
            kernelWidth: Int64(kernelWidth), strideHeight: Int64(stride.height), strideWidth: Int64(stride.width),
            paddingTop: Int64(padding.top), paddingLeft: Int64(padding.left), outputHeight: Int64(outputHeight),
            outputWidth: Int64(outputWidth))
    }
}
