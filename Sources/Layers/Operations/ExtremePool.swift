package import Tensors

package typealias MaxPool1d = ExtremePool<OneAxis, Maximum>
package typealias MaxPool2d = ExtremePool<TwoAxes, Maximum>
package typealias MaxPool3d = ExtremePool<ThreeAxes, Maximum>
package typealias MinPool1d = ExtremePool<OneAxis, Minimum>
package typealias MinPool2d = ExtremePool<TwoAxes, Minimum>
package typealias MinPool3d = ExtremePool<ThreeAxes, Minimum>

/// Which end of a window's values a pooling takes.
package protocol ExtremeKind: Sendable {
    static var extreme: Pooling.Extreme { get }
    /// "Max"
    static var prefix: String { get }
}

package enum Maximum: ExtremeKind {
    package static let extreme = Pooling.Extreme.maximum
    package static let prefix = "Max"
}

package enum Minimum: ExtremeKind {
    package static let extreme = Pooling.Extreme.minimum
    package static let prefix = "Min"
}

/// Maximum (or minimum) over windows of every channel; padding never wins.
///
/// Shapes: x [N, C, H, W] → y [N, C, P, Q], P = (H + 2·padding − dilation·(kernel − 1) − 1) / stride + 1, rounded down or, with
/// `ceilMode`, up; Q likewise. Padding is at most half the kernel, whatever its dilation.
/// Source: layout and defaults of torch.nn.MaxPool2d; the minimum is −maxPool(−x).
package struct ExtremePool<Rank: SpatialRank, Kind: ExtremeKind>: PoolingLayer {
    package let kernel, stride, padding, dilation: Extents
    package let ceilMode: Bool

    /// `stride` is the kernel where it is not given.
    package init(
        kernel: Extents, stride: Extents? = nil, padding: Extents = 0, dilation: Extents = 1, ceilMode: Bool = false
    ) {
        self.kernel = kernel
        self.stride = stride ?? kernel
        self.padding = padding
        self.dilation = dilation
        self.ceilMode = ceilMode
    }

    static var extreme: Pooling.Extreme? { Kind.extreme }
    package var typeName: String { "\(Kind.prefix)Pool\(Rank.suffix)" }

    package func operation(for inputs: [Shape]) throws -> Operation {
        .pooling(
            Kind.extreme == .maximum ? .maximum : .minimum,
            try sliding(
                over: inputs[0], kernel: kernel, stride: stride, dilation: dilation, padding: padding,
                ceilMode: ceilMode))
    }

    func spans(axis: Int, input: Int) throws(WindowArithmetic.Misfit) -> PoolingSpans {
        try PoolingSpans(
            input: input, kernel: kernel.resolved(rank: Rank.rank)[axis],
            stride: stride.resolved(rank: Rank.rank)[axis],
            dilation: dilation.resolved(rank: Rank.rank)[axis], padding: padding.resolved(rank: Rank.rank)[axis],
            ceilMode: ceilMode)
    }
}
