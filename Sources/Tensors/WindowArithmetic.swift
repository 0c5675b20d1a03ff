/// The sizes of convolution and pooling outputs along one axis, for everything that needs one.
///
/// Source: the formulas and the refusals of torch.nn.functional.conv2d, max_pool2d and conv_transpose2d.
package enum WindowArithmetic {
    /// Why a window does not fit its input.
    package struct Misfit: Error, Equatable, CustomStringConvertible {
        package let description: String

        package init(description: String) {
            self.description = description
        }
    }

    /// Extents up to here keep every number of a kernel within 32 bits, and every product of two of them within 64.
    package static let largestExtent = 1 << 24

    /// Places from the first to the last that a kernel reads: dilation·(kernel − 1) + 1.
    package static func reach(kernel: Int, dilation: Int) -> Int { dilation * (kernel - 1) + 1 }

    /// Of a convolution: floor((input + before + after − reach) / stride) + 1.
    ///
    /// Throws: `Misfit` when an argument is out of range or the kernel is larger than the padded input.
    package static func outputExtent(
        input: Int, kernel: Int, stride: Int, dilation: Int = 1, before: Int, after: Int
    ) throws(Misfit) -> Int {
        guard kernel >= 1, stride >= 1, dilation >= 1, before >= 0, after >= 0, input >= 1 else {
            throw Misfit(
                description: "input \(input), kernel \(kernel), stride \(stride), dilation \(dilation) and padding "
                    + "\(before), \(after): expected at least 1, 1, 1, 1 and 0, 0")
        }
        try check(input, kernel, stride, dilation, before, after)
        let reach = reach(kernel: kernel, dilation: dilation)
        guard input + before + after >= reach else {
            throw Misfit(
                description: "the kernel reaches over \(reach) places, the padded input has \(input + before + after)")
        }
        return try checked((input + before + after - reach) / stride + 1)
    }

    /// Of a pooling: as a convolution's with `padding` on both sides; with `ceilMode` a window that starts inside the input
    /// or its left padding counts, even if it ends outside.
    ///
    /// Throws: `Misfit`, also for a padding of more than half the kernel, whatever its dilation.
    package static func pooledExtent(
        input: Int, kernel: Int, stride: Int, dilation: Int = 1, padding: Int, ceilMode: Bool = false
    ) throws(Misfit) -> Int {
        guard kernel >= 1, stride >= 1, dilation >= 1, padding >= 0, input >= 1 else {
            throw Misfit(
                description: "input \(input), kernel \(kernel), stride \(stride), dilation \(dilation) and padding "
                    + "\(padding): expected at least 1, 1, 1, 1 and 0")
        }
        try check(input, kernel, stride, dilation, padding)
        let reach = reach(kernel: kernel, dilation: dilation)
        guard padding * 2 <= kernel else {
            throw Misfit(
                description: "padding \(padding) is more than half the kernel \(kernel)")
        }
        let free = input + 2 * padding - reach + (ceilMode ? stride - 1 : 0)
        guard free >= 0 else {
            throw Misfit(
                description: "the kernel reaches over \(reach) places, the padded input has \(input + 2 * padding)")
        }
        let extent = free / stride + 1
        return try checked(ceilMode && (extent - 1) * stride >= input + padding ? extent - 1 : extent)
    }

    /// Of a transposed convolution: (input − 1)·stride − 2·padding + reach + outputPadding.
    ///
    /// Throws: `Misfit`, also when nothing is left, or for an output padding that is not below stride or dilation.
    package static func transposedExtent(
        input: Int, kernel: Int, stride: Int, dilation: Int = 1, padding: Int, outputPadding: Int = 0
    ) throws(Misfit) -> Int {
        guard kernel >= 1, stride >= 1, dilation >= 1, padding >= 0, outputPadding >= 0, input >= 1 else {
            throw Misfit(
                description:
                    "input \(input), kernel \(kernel), stride \(stride), dilation \(dilation), padding \(padding) "
                    + "and output padding \(outputPadding): expected at least 1, 1, 1, 1, 0 and 0")
        }
        guard outputPadding < max(stride, dilation) else {
            throw Misfit(
                description:
                    "output padding \(outputPadding), expected less than stride \(stride) or dilation \(dilation)")
        }
        try check(input, kernel, stride, dilation, padding, outputPadding)
        let extent =
            (input - 1) * stride - 2 * padding + reach(kernel: kernel, dilation: dilation) + outputPadding
        guard extent >= 1 else {
            throw Misfit(
                description: "padding \(padding) takes away the whole output, which has \(extent + 2 * padding)")
        }
        return try checked(extent)
    }

    private static func check(_ extents: Int...) throws(Misfit) {
        for extent in extents { _ = try checked(extent) }
    }

    private static func checked(_ extent: Int) throws(Misfit) -> Int {
        guard extent <= largestExtent else {
            throw Misfit(description: "an extent of \(extent), expected at most \(largestExtent)")
        }
        return extent
    }
}
