internal import CKernels

/// Which places of one axis each output of a pooling reads.
package struct PoolingSpans: Sendable {
    package let input: Int
    fileprivate let spans: [CKernels_Span]

    package var output: Int { spans.count }

    /// Windows of a kernel that moves by a stride; places outside the input are left out.
    ///
    /// An average divides by the places of the window inside the padded input (`countsPadding`) or inside the input.
    /// Throws: `WindowArithmetic.Misfit`.
    package init(
        input: Int, kernel: Int, stride: Int, dilation: Int = 1, padding: Int = 0, ceilMode: Bool = false,
        countsPadding: Bool = true
    ) throws(WindowArithmetic.Misfit) {
        let outputs = try WindowArithmetic.pooledExtent(
            input: input, kernel: kernel, stride: stride, dilation: dilation, padding: padding, ceilMode: ceilMode)
        let reach = WindowArithmetic.reach(kernel: kernel, dilation: dilation)
        self.input = input
        spans = (0..<outputs).map { index in
            let start = index * stride - padding
            let first = start >= 0 ? start : start + (-start + dilation - 1) / dilation * dilation
            let last = min(start + reach, input)
            let inPaddedInput = min(start + reach, input + padding) - start
            return CKernels_Span(
                first: Int32(first), last: Int32(last), step: Int32(dilation),
                divisor: Int32(countsPadding ? inPaddedInput : max(1, last - first)))
        }
    }

    /// Windows that cut the input into `output` parts of about equal length, which may overlap by one place.
    package init(input: Int, adaptingTo output: Int) {
        self.input = input
        spans = (0..<output).map { index in
            let first = index * input / output
            let last = ((index + 1) * input + output - 1) / output
            return CKernels_Span(first: Int32(first), last: Int32(last), step: 1, divisor: Int32(last - first))
        }
    }
}

/// Pooling of one image [C, input] → [C, output] in one to three dimensions.
///
/// Numerics: an extreme is exact, and the first of equal values wins, NaN over numbers; an average is one chain of additions
/// and one division. Source: torch.nn.functional.max_pool2d, avg_pool2d and their adaptive forms.
package struct Pooling: Sendable {
    package enum Extreme: Int32, Sendable {
        case maximum = 1
        case minimum = -1
    }

    package let channels: Int
    package let axes: [PoolingSpans]
    /// Three axes.
    private let all: [PoolingSpans]

    package init(channels: Int, axes: [PoolingSpans]) {
        precondition((1...3).contains(axes.count), "\(axes.count) spatial axes, expected 1, 2 or 3")
        self.channels = channels
        self.axes = axes
        all = [PoolingSpans](repeating: PoolingSpans(input: 1, adaptingTo: 1), count: 3 - axes.count) + axes
    }

    package var inputCount: Int { axes.reduce(channels) { Int.product($0, $1.input) } }
    package var outputCount: Int { axes.reduce(channels) { Int.product($0, $1.output) } }
    /// Whether every place of a channel has a number that `argmax` can hold.
    package var numbersFit: Bool { axes.reduce(1) { Int.product($0, $1.input) } <= Int(Int32.max) }

    /// `argmax` keeps the place in its channel that each output came from.
    package func extreme(
        _ extreme: Extreme, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        argmax: UnsafeMutablePointer<Int32>
    ) {
        withExtents { CKernels_extremePool_f32_forward__reference($0, extreme.rawValue, x, y, argmax) }
    }

    package func extremeBackward(
        dy: UnsafePointer<Float>, argmax: UnsafePointer<Int32>, dx: UnsafeMutablePointer<Float>
    ) {
        withExtents { CKernels_extremePool_f32_backward__reference($0, dy, argmax, dx) }
    }

    package func average(x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        withExtents { CKernels_averagePool_f32_forward__reference($0, x, y) }
    }

    package func averageBackward(dy: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>) {
        withExtents { CKernels_averagePool_f32_backward__reference($0, dy, dx) }
    }

    // ---- Images in blocks of sixteen channels, of two axes; the same values and places.

    package func maximum(
        _ kernels: KernelSet, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>,
        argmax: UnsafeMutablePointer<Int32>
    ) {
        withExtents { kernels.table.pointee.blockMaxPool_f32_forward($0, x, y, argmax) }
    }

    package func maximumBackward(
        _ kernels: KernelSet, dy: UnsafePointer<Float>, argmax: UnsafePointer<Int32>, dx: UnsafeMutablePointer<Float>
    ) {
        withExtents { kernels.table.pointee.blockMaxPool_f32_backward($0, dy, argmax, dx) }
    }

    package func average(_ kernels: KernelSet, x: UnsafePointer<Float>, y: UnsafeMutablePointer<Float>) {
        withExtents { kernels.table.pointee.blockAveragePool_f32_forward($0, x, y) }
    }

    package func averageBackward(_ kernels: KernelSet, dy: UnsafePointer<Float>, dx: UnsafeMutablePointer<Float>) {
        withExtents { kernels.table.pointee.blockAveragePool_f32_backward($0, dy, dx) }
    }

    private func withExtents(_ body: (UnsafePointer<CKernels_Pooling>) -> Void) {
        all[0].spans.withUnsafeBufferPointer { first in
            all[1].spans.withUnsafeBufferPointer { second in
                all[2].spans.withUnsafeBufferPointer { third in
                    var extents = CKernels_Pooling(
                        channels: Int64(channels),
                        input: (Int64(all[0].input), Int64(all[1].input), Int64(all[2].input)),
                        output: (Int64(first.count), Int64(second.count), Int64(third.count)),
                        spans: (first.baseAddress, second.baseAddress, third.baseAddress))
                    body(&extents)
                }
            }
        }
    }
}
