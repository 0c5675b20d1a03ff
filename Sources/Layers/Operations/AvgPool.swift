package import Tensors

package typealias AvgPool1d = AvgPool<OneAxis>
package typealias AvgPool2d = AvgPool<TwoAxes>
package typealias AvgPool3d = AvgPool<ThreeAxes>

/// Mean over windows of every channel.
///
/// Shapes: x [N, C, H, W] → y [N, C, P, Q] as `ExtremePool`. With `countIncludePad` the zeros of the padding count in the
/// divisor, but never places beyond it. Source: layout and defaults of torch.nn.AvgPool2d.
package struct AvgPool<Rank: SpatialRank>: PoolingLayer {
    package let kernel, stride, padding: Extents
    package let ceilMode, countIncludePad: Bool

    /// `stride` is the kernel where it is not given.
    package init(
        kernel: Extents, stride: Extents? = nil, padding: Extents = 0, ceilMode: Bool = false,
        countIncludePad: Bool = true
    ) {
        self.kernel = kernel
        self.stride = stride ?? kernel
        self.padding = padding
        self.ceilMode = ceilMode
        self.countIncludePad = countIncludePad
    }

    static var extreme: Pooling.Extreme? { nil }
    package var typeName: String { "AvgPool\(Rank.suffix)" }

    package func operation(for inputs: [Shape]) throws -> Operation {
        .pooling(
            .mean(countsPadding: countIncludePad),
            try sliding(over: inputs[0], kernel: kernel, stride: stride, padding: padding, ceilMode: ceilMode))
    }

    func spans(axis: Int, input: Int) throws(WindowArithmetic.Misfit) -> PoolingSpans {
        try PoolingSpans(
            input: input, kernel: kernel.resolved(rank: Rank.rank)[axis],
            stride: stride.resolved(rank: Rank.rank)[axis],
            padding: padding.resolved(rank: Rank.rank)[axis], ceilMode: ceilMode, countsPadding: countIncludePad)
    }
}
