internal import Tensors

/// A way to compute a network: where its values lie in memory, and the passes over them.
///
/// The plan runs what an engine compiled and knows nothing of its layouts, which differ from engine to engine and, inside one,
/// may differ from one run of layers to the next.
protocol PlanEngine {
    /// Which engine it is and, in parentheses, what else decides its bits: "lanes (avx512)".
    var name: String { get }
    /// Bytes of the arena that `compile` asks for.
    var byteCount: Int { get }
    /// Throws: `ShapeMismatch`.
    func compile(in arena: Arena, context: StepContext, input: PixelConversion) throws -> CompiledPlan
}

/// The passes of a step in the order they run, and where they leave the logits: [slots, classes].
struct CompiledPlan {
    let passes: [Pass]
    let logits: UnsafeMutablePointer<Float>
}

/// What a plan is asked to compute.
struct PlanRequest {
    let network: Network
    let imagesPerShard, shards: Int
    let mode: ExecutionPlan.Mode
    let options: PlanOptions
    /// They have scratch memory of their own; nothing else depends on how many there are.
    let threads: Int

    /// The engine for this network and loss. Neither batch, shards nor threads have a say, so that the bits do not depend on
    /// them. Throws: `ShapeMismatch`.
    func engine() throws -> any PlanEngine {
        if options.engine == .fastest, !options.takesTargets, let program = LaneProgram(network, loss: options.loss) {
            return LaneEngine(program, self)
        }
        return try ReferenceEngine(self)
    }
}
