internal import CKernels

/// The geometry of a convolution of one image [C, spatial extents], in one to three dimensions.
package struct Window: Sendable {
    /// One spatial axis. `before` are the zeros in front of the input; those behind follow from `output`.
    package struct Axis: Equatable, Sendable {
        package let input, kernel, stride, dilation, before, output: Int

        package init(input: Int, kernel: Int, stride: Int, dilation: Int, before: Int, output: Int) {
            self.input = input
            self.kernel = kernel
            self.stride = stride
            self.dilation = dilation
            self.before = before
            self.output = output
        }
    }

    package let channels: Int
    package let axes: [Axis]
    /// Whether the kernel is read backwards along every axis, as convolution in mathematics does.
    package let isFlipped: Bool
    let c: CKernels_Window

    /// Traps: a number of axes outside 1...3.
    package init(channels: Int, axes: [Axis], isFlipped: Bool = false) {
        precondition((1...3).contains(axes.count), "\(axes.count) spatial axes, expected 1, 2 or 3")
        self.channels = channels
        self.axes = axes
        self.isFlipped = isFlipped
        let single = Axis(input: 1, kernel: 1, stride: 1, dilation: 1, before: 0, output: 1)
        let all = [Axis](repeating: single, count: 3 - axes.count) + axes
        func triple(_ field: KeyPath<Axis, Int>) -> (Int64, Int64, Int64) {
            (Int64(all[0][keyPath: field]), Int64(all[1][keyPath: field]), Int64(all[2][keyPath: field]))
        }
        c = CKernels_Window(
            channels: Int64(channels), input: triple(\.input), kernel: triple(\.kernel), stride: triple(\.stride),
            dilation: triple(\.dilation), padding: triple(\.before), output: triple(\.output),
            flipped: isFlipped ? 1 : 0)
    }

    package var inputVolume: Int { axes.reduce(1) { Int.product($0, $1.input) } }
    package var kernelVolume: Int { axes.reduce(1) { Int.product($0, $1.kernel) } }
    package var outputVolume: Int { axes.reduce(1) { Int.product($0, $1.output) } }
    /// Rows of the unfolded image: C · kernel.
    package var patchCount: Int { Int.product(channels, kernelVolume) }

    /// Columns [C·kernel, outputs] of an image; places outside are 0.
    package func unfold(_ image: UnsafePointer<Float>, into columns: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: c) { CKernels_unfold_f32__reference($0, image, columns) }
    }

    /// The transpose of `unfold`: sums the columns into an image.
    package func fold(_ columns: UnsafePointer<Float>, into image: UnsafeMutablePointer<Float>) {
        withUnsafePointer(to: c) { CKernels_fold_f32__reference($0, columns, image) }
    }
}

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
