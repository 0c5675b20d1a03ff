package import Tensors

/// One stretch of work of a plan: units that may run in any order and at once, and after them, where ranks have to meet, an
/// exchange on the calling thread, which may run twice: the first time for what it adds, the second with the sum.
package struct Pass {
    /// "conv1 forward"; for profiles and messages.
    package let name: String
    package let units: Int
    package let body: ThreadPool.Body
    package let exchange: (() throws -> Void)?

    package init(
        _ name: String, units: Int, exchange: (() throws -> Void)? = nil, body: @escaping ThreadPool.Body
    ) {
        self.name = name
        self.units = units
        self.body = body
        self.exchange = exchange
    }
}

/// What random choices of a step depend on besides the layer: Philox is keyed by these.
package struct StepRandomness {
    package let seed: UInt64
    package let epoch: UInt32
    /// The sample in every slot.
    package let ids: UnsafePointer<Int64>

    package init(seed: UInt64, epoch: UInt32, ids: UnsafePointer<Int64>) {
        self.seed = seed
        self.epoch = epoch
        self.ids = ids
    }
}

/// What changes from step to step. The plan sets every field before it runs a pass, and the passes read them.
package final class StepContext {
    /// Images present in each local shard.
    package let counts: UnsafeMutablePointer<Int32>
    /// One score for each local shard.
    package let scores: UnsafeMutableBufferPointer<Score>
    /// Each slot's loss.
    package let losses: UnsafeMutablePointer<Double>
    package var weights: UnsafePointer<Float>!
    package var gradients: UnsafeMutablePointer<Float>!
    package var images: UnsafeRawPointer!
    package var labels: UnsafePointer<Int32>!
    /// [slots, classes]; nil where the labels say everything.
    package var targets: UnsafePointer<Float>?
    /// Unset where the plan holds nothing random.
    package var randomness: StepRandomness!
    /// Adds a vector over all ranks, in the tree that continues the shards'; for layers whose result depends on the whole
    /// batch. Set before the plan runs.
    package var addOverRanks: (UnsafeMutableBufferPointer<Double>) throws -> Void = { _ in }
    /// What layers leave behind for their buffers: `statisticCount` sums for each local shard.
    package let statistics: UnsafeMutablePointer<Double>
    package let statisticCount: Int

    init(shards: Int, imagesPerShard: Int, statisticCount: Int = 0) {
        self.statisticCount = statisticCount
        statistics = .allocate(capacity: max(1, shards * statisticCount))
        statistics.initialize(repeating: 0, count: max(1, shards * statisticCount))
        counts = .allocate(capacity: shards)
        counts.initialize(repeating: 0, count: shards)
        scores = .allocate(capacity: shards)
        scores.initialize(repeating: Score())
        losses = .allocate(capacity: shards * imagesPerShard)
        losses.initialize(repeating: 0, count: shards * imagesPerShard)
    }

    deinit {
        counts.deallocate()
        scores.deallocate()
        losses.deallocate()
        statistics.deallocate()
    }
}

/// Over which samples batch normalisation takes its statistics.
package enum BatchStatistics: String, CaseIterable, Sendable {
    /// Each logical shard's own.
    case shard
    /// The whole batch's, which the ranks exchange in the middle of the network.
    case global
}

/// Where a layer stands in a plan, before memory is placed.
package struct PlanSite: Sendable {
    package let path: String
    /// The layer's place in the network.
    package let number: Int
    /// One sample of each input.
    package let inputs: [Shape]
    package let output: Shape
    package let shards: Int
    package let imagesPerShard: Int
    package let needsInputGradients: [Bool]
    package let isTraining: Bool
    /// Whether gradients of the layer's parameters are asked for.
    package let trainsParameters: Bool
    /// nil where batch normalisation takes its running statistics: outside training, and frozen.
    package let batchStatistics: BatchStatistics?

    package var slots: Int { shards * imagesPerShard }
    /// The only input of layers that have one.
    package var input: Shape { inputs[0] }
}

/// A layer's place in a plan with its memory: every pointer is valid as long as the plan.
///
/// Values are [slots, sample], slot = shard · imagesPerShard + image.
package struct BoundSite {
    package let plan: PlanSite
    package let context: StepContext
    package let xs: [UnsafeMutablePointer<Float>]
    package let y: UnsafeMutablePointer<Float>
    /// nil where no one asks for the gradient: no trained parameters lie before that input.
    package let dxs: [UnsafeMutablePointer<Float>?]
    package let dy: UnsafeMutablePointer<Float>?
    package let saved: UnsafeMutableRawPointer
    package let forwardScratch: UnsafeMutableRawPointer
    package let partialGradients: UnsafeMutableRawPointer
    package let workspace: UnsafeMutableRawPointer
    package let workspaceStride: Int
    /// Offsets of the layer's parameters in the parameter vector, in the order of `Layer.parameters`.
    package let parameterOffsets: [Int]
    /// Offset of the layer's sums among a shard's statistics.
    package let statisticOffset: Int

    /// The only input of layers that have one, and its gradient.
    package var x: UnsafeMutablePointer<Float> { xs[0] }
    package var dx: UnsafeMutablePointer<Float>? { dxs[0] }

    package func workspace(of worker: Int) -> UnsafeMutablePointer<Float> {
        (workspace + worker * workspaceStride).assumingMemoryBound(to: Float.self)
    }
}
