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

    package func laneForm(for input: Shape) -> LaneForm? {
        guard Rank.rank == 2, Kind.extreme == .maximum, !ceilMode,
            (try? dilation.resolved(rank: 2)) == [1, 1],
            // The kernels number the places of a window in 16 bits.
            let places = try? kernel.resolved(rank: 2), Int.product(places[0], places[1]) <= 1 << 16,
            let window = LaneWindow(
                channels: input[0], extents: Array(input.dimensions.dropFirst()), kernel: kernel, stride: stride,
                padding: padding)
        else { return nil }
        let isPairs =
            [kernel, stride].allSatisfy { (try? $0.resolved(rank: 2)) == [2, 2] }
            && (try? padding.resolved(rank: 2)) == [0, 0]
        return .maximum(window, isPairs: isPairs)
    }

    func spans(axis: Int, input: Int) throws(WindowArithmetic.Misfit) -> PoolingSpans {
        try PoolingSpans(
            input: input, kernel: kernel.resolved(rank: Rank.rank)[axis],
            stride: stride.resolved(rank: Rank.rank)[axis],
            dilation: dilation.resolved(rank: Rank.rank)[axis], padding: padding.resolved(rank: Rank.rank)[axis],
            ceilMode: ceilMode)
    }
}
