package import Tensors

/// A layer that pools every channel over windows: what all of them share.
protocol PoolingLayer: SingleInputLayer {
    associatedtype Rank: SpatialRank
    /// nil takes averages.
    static var extreme: Pooling.Extreme? { get }
    /// The windows along one axis (numbered from the outermost) of an input of this extent.
    func spans(axis: Int, input: Int) throws(WindowArithmetic.Misfit) -> PoolingSpans
}

extension PoolingLayer {
    package func outputShape(for input: Shape) throws -> Shape {
        Shape([input.rank > 0 ? input[0] : 0] + (try pooling(on: input).axes.map(\.output)))
    }

    package func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        if Self.extreme != nil {
            demand.savedBytes = Int.product(site.slots, site.output.count, MemoryLayout<Int32>.stride)
        }
        return demand
    }

    package func forwardPasses(at site: BoundSite) throws -> [Pass] {
        let pooling = try pooling(on: site.plan.input)
        guard Self.extreme == nil || pooling.numbersFit else {
            throw ShapeMismatch(
                "\(typeName) on \(site.plan.input): expected at most \(Int32.max) places a channel, which 32 bits can number"
            )
        }
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        let argmax = site.saved.assumingMemoryBound(to: Int32.self)
        let extreme = Self.extreme
        return [
            site.pass("forward", imagesPerChunk: 8) { slots, _ in
                for slot in slots {
                    let (x, y) = (site.x + slot * inCount, site.y + slot * outCount)
                    if let extreme {
                        pooling.extreme(extreme, x: x, y: y, argmax: argmax + slot * outCount)
                    } else {
                        pooling.average(x: x, y: y)
                    }
                }
            }
        ]
    }

    package func backwardPasses(at site: BoundSite) throws -> [Pass] {
        guard let dy = site.dy, let dx = site.dx else { return [] }
        let pooling = try pooling(on: site.plan.input)
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        let argmax = site.saved.assumingMemoryBound(to: Int32.self)
        let takesExtremes = Self.extreme != nil
        return [
            site.pass("backward", imagesPerChunk: 8) { slots, _ in
                for slot in slots {
                    let (dy, dx) = (dy + slot * outCount, dx + slot * inCount)
                    if takesExtremes {
                        pooling.extremeBackward(dy: dy, argmax: argmax + slot * outCount, dx: dx)
                    } else {
                        pooling.averageBackward(dy: dy, dx: dx)
                    }
                }
            }
        ]
    }

    /// The windows of a kernel of these extents. Throws: `ShapeMismatch`.
    func sliding(
        over input: Shape, kernel: Extents, stride: Extents, dilation: Extents = 1, padding: Extents, ceilMode: Bool
    ) throws -> PoolingWindows {
        let pooling = try pooling(on: input)
        return try Rank.fitting(typeName, input) { () throws(WindowArithmetic.Misfit) in
            let kernel = try kernel.resolved(rank: Rank.rank)
            let stride = try stride.resolved(rank: Rank.rank)
            let dilation = try dilation.resolved(rank: Rank.rank)
            let padding = try padding.resolved(rank: Rank.rank)
            let axes = pooling.axes.indices.map {
                Window.Axis(
                    input: input[$0 + 1], kernel: kernel[$0], stride: stride[$0], dilation: dilation[$0],
                    before: padding[$0], output: pooling.axes[$0].output)
            }
            return .sliding(Window(channels: input[0], axes: axes), ceilMode: ceilMode)
        }
    }

    /// The parts that an adaptive pooling cuts its input into. Throws: `ShapeMismatch`.
    func adaptive(over input: Shape) throws -> PoolingWindows {
        let axes = try pooling(on: input).axes
        return .adaptive(input: axes.map(\.input), output: axes.map(\.output))
    }

    /// Throws: `ShapeMismatch`.
    func pooling(on input: Shape) throws -> Pooling {
        try Rank.check(input, for: typeName)
        return try Rank.fitting(typeName, input) { () throws(WindowArithmetic.Misfit) in
            var axes: [PoolingSpans] = []
            for axis in 0..<Rank.rank { axes.append(try spans(axis: axis, input: input[axis + 1])) }
            return Pooling(channels: input[0], axes: axes)
        }
    }
}

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
