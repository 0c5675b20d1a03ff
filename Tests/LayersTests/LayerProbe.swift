import Testing

@testable import Layers
@testable import Tensors

/// One layer with memory of its own, so that its real passes run on any x and any dy.
///
/// Every buffer is full of NaN before a run and ends in a guard zone; a run that writes behind a buffer is an issue.
final class LayerProbe {
    struct Result {
        var y: [Float]
        var dx: [Float]
        /// In the order of `Layer.parameters`; NaN for buffers.
        var gradients: [[Float]]
        /// The parameters after the layer has brought its buffers up to date.
        var parameters: [[Float]]
    }

    /// How many samples go into how many shards, on how many threads.
    struct Arrangement: CustomStringConvertible {
        let shards: Int
        let imagesPerShard: Int
        let threads: Int

        var description: String { "\(shards) × \(imagesPerShard) images, \(threads) threads" }

        /// One full shard; four shards of which the last ones run short; and two of which the second is empty.
        static func all(for samples: Int) -> [Arrangement] {
            [
                Arrangement(shards: 1, imagesPerShard: samples, threads: 1),
                Arrangement(shards: 4, imagesPerShard: (samples + 3) / 4, threads: 2),
                Arrangement(shards: 2, imagesPerShard: samples + 1, threads: 3),
            ]
        }

        func counts(for samples: Int) -> [Int32] {
            (0..<shards).map { Int32(max(0, min(imagesPerShard, samples - $0 * imagesPerShard))) }
        }
    }

    private let layer: any Layer
    private let site: PlanSite
    private let demand: MemoryDemand
    private let overwritesInput: Bool
    private let pool: ThreadPool
    private let arrangement: Arrangement
    /// Elements in front of the layer's parameters, as if other layers had some.
    private static let offset = 16

    init(
        _ layer: any Layer, input: Shape, _ arrangement: Arrangement, overwritesInput: Bool = false,
        isTraining: Bool = true,
        batchStatistics: BatchStatistics = .shard
    ) throws {
        self.layer = layer
        self.arrangement = arrangement
        self.overwritesInput = overwritesInput
        site = PlanSite(
            path: "probe", number: 0, inputs: [input], output: try layer.outputShape(for: [input]),
            shards: arrangement.shards,
            imagesPerShard: arrangement.imagesPerShard, needsInputGradients: [true], isTraining: isTraining,
            trainsParameters: isTraining, batchStatistics: isTraining ? batchStatistics : nil)
        demand = try layer.demand(for: site)
        pool = try ThreadPool(threads: arrangement.threads)
    }

    func run(x: [Float], dy: [Float], parameters: [[Float]]) throws -> Result {
        let samples = x.count / site.input.count
        let (inCount, outCount) = (site.slots * site.input.count, site.slots * site.output.count)
        let described = layer.parameters(for: site.input)
        precondition(described.map(\.shape.count) == parameters.map(\.count), "parameters of other shapes")
        var offsets: [Int] = []
        var weights = [Float](repeating: .nan, count: Self.offset)
        for parameter in parameters {
            offsets.append(weights.count)
            weights += parameter
        }
        let xBuffer = GuardedBuffer(floats: inCount)
        let dyBuffer = GuardedBuffer(floats: outCount)
        let yBuffer = overwritesInput ? xBuffer : GuardedBuffer(floats: outCount)
        let dxBuffer = overwritesInput ? dyBuffer : GuardedBuffer(floats: inCount)
        let gradients = GuardedBuffer(floats: weights.count)
        let saved = GuardedBuffer(byteCount: demand.savedBytes)
        let forwardScratch = GuardedBuffer(byteCount: demand.forwardBytes)
        let partials = GuardedBuffer(byteCount: demand.partialGradientBytes)
        let stride = (demand.workspaceBytes + 63) & ~63
        let workspace = GuardedBuffer(byteCount: stride * pool.threads)

        let context = StepContext(
            shards: site.shards, imagesPerShard: site.imagesPerShard,
            statisticCount: layer.statisticCount(for: site.input))
        let ids = (0..<site.slots).map(Int64.init)
        for (shard, count) in arrangement.counts(for: samples).enumerated() { context.counts[shard] = count }
        context.gradients = gradients.floats
        xBuffer.floats.update(from: x, count: x.count)
        dyBuffer.floats.update(from: dy, count: dy.count)
        let bound = BoundSite(
            plan: site, context: context, xs: [xBuffer.floats], y: yBuffer.floats, dxs: [dxBuffer.floats],
            dy: dyBuffer.floats, saved: saved.base, forwardScratch: forwardScratch.base,
            partialGradients: partials.base, workspace: workspace.base,
            workspaceStride: stride, parameterOffsets: offsets, statisticOffset: 0)
        var y: [Float] = []
        try weights.withUnsafeBufferPointer { weights in
            try ids.withUnsafeBufferPointer { ids in
                context.weights = weights.baseAddress!
                context.randomness = StepRandomness(seed: 1, epoch: 0, ids: ids.baseAddress!)
                func run(_ passes: [Pass]) throws {
                    for pass in passes {
                        pool.run(pass.units, pass.body)
                        try pass.exchange?()
                    }
                }
                try run(try layer.forwardPasses(at: bound))
                y = yBuffer.prefix(samples * site.output.count)
                if site.isTraining { try run(try layer.backwardPasses(at: bound)) }
            }
        }
        if site.isTraining { updateBuffers(&weights, offsets, context, samples: samples) }
        for buffer in [xBuffer, yBuffer, dxBuffer, dyBuffer, gradients, saved, forwardScratch, partials, workspace] {
            #expect(buffer.isIntact, "a pass of \(layer.typeName) wrote behind a buffer, \(arrangement)")
        }
        #expect(gradients.prefix(Self.offset).allSatisfy { $0.isNaN }, "the gradients of other layers were written")
        let all = gradients.prefix(weights.count)
        return Result(
            y: y, dx: dxBuffer.prefix(x.count),
            gradients: zip(offsets, parameters).map { Array(all[$0..<$0 + $1.count]) },
            parameters: zip(offsets, parameters).map { Array(weights[$0..<$0 + $1.count]) })
    }

    private func updateBuffers(_ weights: inout [Float], _ offsets: [Int], _ context: StepContext, samples: Int) {
        let count = context.statisticCount
        let sums = (0..<count).map { index in
            BinaryTree.sum(0..<site.shards) { context.statistics[$0 * count + index] }
        }
        weights.withUnsafeMutableBufferPointer { weights in
            layer.updateBuffers(
                for: site.input, statistics: sums, samples: Double(samples),
                parameters: offsets.map { weights.baseAddress! + $0 })
        }
    }
}

/// Bytes of NaN between nothing and a zone that no one may write.
private final class GuardedBuffer {
    let base: UnsafeMutableRawPointer
    private let byteCount: Int
    private static let guardBytes = 256
    private static let guardByte: UInt8 = 0xA5

    init(byteCount: Int) {
        self.byteCount = byteCount
        base = .allocate(byteCount: byteCount + Self.guardBytes, alignment: 64)
        base.initializeMemory(as: UInt8.self, repeating: 0xFF, count: byteCount)
        (base + byteCount).initializeMemory(as: UInt8.self, repeating: Self.guardByte, count: Self.guardBytes)
    }

    convenience init(floats: Int) { self.init(byteCount: floats * MemoryLayout<Float>.stride) }

    deinit { base.deallocate() }

    var floats: UnsafeMutablePointer<Float> { base.assumingMemoryBound(to: Float.self) }

    var isIntact: Bool {
        UnsafeRawBufferPointer(start: base + byteCount, count: Self.guardBytes).allSatisfy { $0 == Self.guardByte }
    }

    func prefix(_ count: Int) -> [Float] { Array(UnsafeBufferPointer(start: floats, count: count)) }
}
