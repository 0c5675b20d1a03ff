package import Tensors

/// One parallel stretch of work of a plan: units that may run in any order and at once.
package struct Pass {
    /// "conv1 forward"; for profiles and messages.
    package let name: String
    package let units: Int
    package let body: ThreadPool.Body

    package init(_ name: String, units: Int, body: @escaping ThreadPool.Body) {
        self.name = name
        self.units = units
        self.body = body
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

    init(shards: Int, imagesPerShard: Int) {
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
    }
}

/// Where a layer stands in a plan, before memory is placed.
package struct PlanSite: Sendable {
    package let path: String
    package let input: Shape
    package let output: Shape
    package let shards: Int
    package let imagesPerShard: Int
    package let needsInputGradient: Bool
    package let isTraining: Bool

    package var slots: Int { shards * imagesPerShard }
}

/// A layer's place in a plan with its memory: every pointer is valid as long as the plan.
///
/// Values are [slots, sample], slot = shard · imagesPerShard + image.
package struct BoundSite {
    package let plan: PlanSite
    package let context: StepContext
    package let x: UnsafeMutablePointer<Float>
    package let y: UnsafeMutablePointer<Float>
    /// nil where no one asks for the gradient: in front of the first layer with parameters.
    package let dx: UnsafeMutablePointer<Float>?
    package let dy: UnsafeMutablePointer<Float>?
    package let saved: UnsafeMutableRawPointer
    package let partialGradients: UnsafeMutableRawPointer
    package let workspace: UnsafeMutableRawPointer
    package let workspaceStride: Int
    /// Offsets of the layer's parameters in the parameter vector, in the order of `Layer.parameters`.
    package let parameterOffsets: [Int]

    package func workspace(of worker: Int) -> UnsafeMutablePointer<Float> {
        (workspace + worker * workspaceStride).assumingMemoryBound(to: Float.self)
    }
}
