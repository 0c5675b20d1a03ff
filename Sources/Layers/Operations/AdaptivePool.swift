package import Tensors

package typealias AdaptiveAvgPool1d = AdaptiveAvgPool<OneAxis>
package typealias AdaptiveAvgPool2d = AdaptiveAvgPool<TwoAxes>
package typealias AdaptiveAvgPool3d = AdaptiveAvgPool<ThreeAxes>
package typealias AdaptiveMaxPool1d = AdaptiveMaxPool<OneAxis>
package typealias AdaptiveMaxPool2d = AdaptiveMaxPool<TwoAxes>
package typealias AdaptiveMaxPool3d = AdaptiveMaxPool<ThreeAxes>

/// Mean over windows that are chosen so that the output has given extents; 1 is global average pooling.
///
/// Shapes: x [N, C, H, W] → y [N, C, output]. Source: torch.nn.AdaptiveAvgPool2d.
package struct AdaptiveAvgPool<Rank: SpatialRank>: PoolingLayer {
    package let output: Extents

    package init(output: Extents) {
        self.output = output
    }

    static var extreme: Pooling.Extreme? { nil }
    package var typeName: String { "AdaptiveAvgPool\(Rank.suffix)" }

    package func operation(for inputs: [Shape]) throws -> Operation {
        .pooling(.mean(countsPadding: false), try adaptive(over: inputs[0]))
    }

    func spans(axis: Int, input: Int) throws(WindowArithmetic.Misfit) -> PoolingSpans {
        try PoolingSpans(input: input, adaptingTo: positive(output.resolved(rank: Rank.rank)[axis]))
    }
}

/// Maximum over windows that are chosen so that the output has given extents. Source: torch.nn.AdaptiveMaxPool2d.
package struct AdaptiveMaxPool<Rank: SpatialRank>: PoolingLayer {
    package let output: Extents

    package init(output: Extents) {
        self.output = output
    }

    static var extreme: Pooling.Extreme? { .maximum }
    package var typeName: String { "AdaptiveMaxPool\(Rank.suffix)" }

    package func operation(for inputs: [Shape]) throws -> Operation {
        .pooling(.maximum, try adaptive(over: inputs[0]))
    }

    func spans(axis: Int, input: Int) throws(WindowArithmetic.Misfit) -> PoolingSpans {
        try PoolingSpans(input: input, adaptingTo: positive(output.resolved(rank: Rank.rank)[axis]))
    }
}

private func positive(_ extent: Int) throws(WindowArithmetic.Misfit) -> Int {
    guard extent >= 1 else {
        throw WindowArithmetic.Misfit(description: "an output extent of \(extent), expected at least 1")
    }
    return extent
}
