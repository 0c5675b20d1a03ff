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
