internal import Tensors

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

    package func parameters(for input: Shape) -> [ParameterDescription] { [] }
    package func multiplyAdds(for input: Shape) -> Int { 0 }

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
        let (context, chunks) = (site.context, chunks(at: site.plan))
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        let argmax = site.saved.assumingMemoryBound(to: Int32.self)
        let extreme = Self.extreme
        return [
            Pass("\(site.plan.path) forward", units: chunks.units) { unit, _ in
                for slot in chunks.slots(of: unit, counts: context.counts) {
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
        let (context, chunks) = (site.context, chunks(at: site.plan))
        let (inCount, outCount) = (site.plan.input.count, site.plan.output.count)
        let argmax = site.saved.assumingMemoryBound(to: Int32.self)
        let takesExtremes = Self.extreme != nil
        return [
            Pass("\(site.plan.path) backward", units: chunks.units) { unit, _ in
                for slot in chunks.slots(of: unit, counts: context.counts) {
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

    private func pooling(on input: Shape) throws -> Pooling {
        try Rank.check(input, for: typeName)
        return try Rank.fitting(typeName, input) { () throws(WindowArithmetic.Misfit) in
            var axes: [PoolingSpans] = []
            for axis in 0..<Rank.rank { axes.append(try spans(axis: axis, input: input[axis + 1])) }
            return Pooling(channels: input[0], axes: axes)
        }
    }

    private func chunks(at site: PlanSite) -> ImageChunks {
        ImageChunks(shards: site.shards, imagesPerShard: site.imagesPerShard, imagesPerChunk: 8)
    }
}
