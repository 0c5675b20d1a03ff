package import Tensors

/// What a plan computes besides the network's own layers.
package struct PlanOptions: Equatable, Sendable {
    package var loss = Loss.crossEntropy()
    package var batchStatistics = BatchStatistics.shard
    /// Whether training scores against targets, the shares that classes have of an image, and not labels alone.
    package var takesTargets = false
    package var engine = EngineChoice.auto
    package var convolution = ConvolutionChoice.direct
    package var part = NetworkPart.whole
    /// How many segments a training plan is cut into: but for the last one, what only the inside of a segment reads is computed
    /// again for its passes backward, to the same bits. The lane engine keeps nothing that this could spare.
    package var segments = 1
    /// Takes the place of the lane kernels in use.
    package var kernels: KernelSet?

    package init() {}
}

extension PlanOptions {
    /// Of plans that keep everything that their passes backward read.
    package var uncut: PlanOptions {
        var options = self
        options.segments = 1
        return options
    }

    /// What the lane engine would run of a network that is scored against labels; nil where it does not take it.
    func laneProgram(_ network: Network) -> LaneProgram? {
        engine == .auto ? LaneProgram(network, loss: loss) : nil
    }
}

/// The part of a network that a plan computes. All but the whole is an engine's that goes stage by stage.
package enum NetworkPart: Equatable, Sendable {
    case whole
    /// From the images to a value, which takes the place of the logits; nothing is scored.
    case front(until: Int)
    /// From a value, which takes the place of the images, to the end.
    case rest(from: Int)

    /// Values are numbered as in `ModelDescription.Value`: stage i makes value i + 1.
    func stages(of network: Network) -> Range<Int> {
        switch self {
        case .whole: 0..<network.stages.count
        case .front(let value): 0..<value
        case .rest(let value): value..<network.stages.count
        }
    }
}

/// Which engine computes a network.
package enum EngineChoice: String, CaseIterable, Sendable {
    /// The lane engine where it takes the network, otherwise blocks.
    case auto
    /// Kernels over blocks of channels, and of linear layers, wherever there are any.
    case blocks
    /// The one whose reference kernels and matrix products define the results.
    case reference

    /// What goes on where a plan of that name was: a choice that was left open stays what it came to, though it may come to
    /// something else by now.
    package func goingOn(with engine: String) -> EngineChoice {
        self == .auto && engine.hasPrefix(EngineChoice.reference.rawValue) ? .reference : self
    }
}

/// How convolutions over blocks of channels are computed. The choice shows in the last bits, which are each the same on every
/// processor.
package enum ConvolutionChoice: String, CaseIterable, Sendable {
    /// One product for each weight and place.
    case direct
    /// Winograd's F(4×4, 3×3) wherever kernels take a layer: fewer products, a few bits less.
    case winograd
    /// Winograd's where it saves three eighths of the products at least.
    case auto
}

/// A network compiled for a number of shards and images: a flat list of passes over one arena.
///
/// Running a plan allocates nothing, except what OpenBLAS 0.3.21 asks for inside some of its products. The result of every
/// element depends on the network, the images of its shard and the kernel set; not on how many shards the plan holds, and
/// not on the number of threads.
package final class ExecutionPlan {
    package enum Mode: Equatable, Sendable {
        case training
        case evaluation
        /// Evaluation, and then the gradient of one logit an image, that of its label, with respect to a value; a label below 0
        /// stands for the largest logit, the first of equals. The reference engine's.
        case logitGradient(ofValue: Int)
        /// Training without a loss, of a network's front: the gradients of its parameters and of the image, from one of ones.
        case fragmentTraining

        /// Whether gradients of parameters come of it, and layers behave as in training.
        var isTraining: Bool { self == .training || self == .fragmentTraining }
        /// The value whose gradient is asked for, besides those of parameters.
        var keptValue: Int? { if case .logitGradient(let value) = self { value } else { nil } }
        var hasBackward: Bool { self != .evaluation }
    }

    package let imagesPerShard: Int
    package let shards: Int
    package let mode: Mode
    /// Bytes of one image, as the plan reads it.
    package let imageBytes: Int
    /// The engine that computes and what else decides its bits: "lanes (avx512)".
    package let engine: String
    /// Segments between which values are kept for the passes backward; 1 where all are, as far as they are read there.
    package let segments: Int
    /// Bytes of the arena.
    package var arenaBytes: Int { arena.byteCount }
    /// Names of the passes in the order they run.
    package var passNames: [String] { passes.map(\.name) }

    /// Called after every pass, by the thread that runs the plan: a sign of life for whoever watches.
    package var afterPass: () -> Void = {}

    private let arena: Arena
    private let pool: ThreadPool
    private let context: StepContext
    private let passes: [Pass]
    private let logitsPointer: UnsafeMutablePointer<Float>
    /// A value whose gradient was asked for, [slots, count], and the gradient.
    private let kept: (value: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>, count: Int)?
    private let classes: Int
    private let takesTargets: Bool

    init(
        network: Network, imagesPerShard: Int, shards: Int, mode: Mode, options: PlanOptions, input: PixelConversion,
        pool: ThreadPool
    ) throws {
        let request = PlanRequest(
            network: network, imagesPerShard: imagesPerShard, shards: shards, mode: mode, options: options,
            threads: pool.threads)
        let engine = try request.engine()
        arena = try Arena(byteCount: engine.byteCount)
        if engine.usesBLAS { try BLAS.requireRoom(threads: pool.threads) }
        context = StepContext(shards: shards, imagesPerShard: imagesPerShard, statisticCount: network.statisticCount)
        let compiled = try engine.compile(in: arena, context: context, input: input)
        passes = compiled.passes
        self.engine = engine.name
        segments = engine.segments
        logitsPointer = compiled.logits
        kept = compiled.kept.map { ($0.value, $0.gradient, network.shape(ofValue: mode.keptValue ?? 0).count) }
        classes = network.shape(ofValue: options.part.stages(of: network).upperBound).count
        takesTargets = request.takesTargets
        self.imagesPerShard = imagesPerShard
        self.shards = shards
        self.mode = mode
        imageBytes = input.imageByteCount
        self.pool = pool
    }

    /// Runs the forward pass and scores it; in training mode also the backward pass, which overwrites `gradients` with
    /// the sum over these shards of the gradients of the summed loss.
    ///
    /// Shapes: images [shards, imagesPerShard] × bytes of one image, labels likewise; `counts` images are present in each
    /// shard, the first ones. `randomness` is needed where a layer draws random numbers, `addOverRanks` where one takes
    /// statistics over the whole batch, `targets` [shards, imagesPerShard, classes] where the plan takes them. Returns one score for each shard, valid until the next run.
    /// Throws: what `addOverRanks` throws.
    package func run(
        images: UnsafeRawPointer, labels: UnsafePointer<Int32>, counts: UnsafePointer<Int32>,
        targets: UnsafePointer<Float>? = nil,
        randomness: StepRandomness? = nil, weights: UnsafePointer<Float>, gradients: UnsafeMutablePointer<Float>?
    ) throws -> UnsafeMutableBufferPointer<Score> {
        prepare(
            images: images, labels: labels, counts: counts, targets: targets, randomness: randomness, weights: weights,
            gradients: gradients)
        for pass in passes.indices {
            work(pass)
            try exchange(after: pass)
        }
        return scores
    }

    /// Takes what `run` takes. `work` and `exchange` for one pass after the other are the rest of it, for plans that run side by
    /// side, pass by pass.
    package func prepare(
        images: UnsafeRawPointer, labels: UnsafePointer<Int32>, counts: UnsafePointer<Int32>,
        targets: UnsafePointer<Float>? = nil,
        randomness: StepRandomness? = nil, weights: UnsafePointer<Float>, gradients: UnsafeMutablePointer<Float>?
    ) {
        precondition((gradients != nil) == mode.isTraining, "gradients belong to training mode, and only there")
        precondition((targets != nil) == takesTargets, "targets belong to plans that take them, and only there")
        context.counts.update(from: counts, count: shards)
        context.images = images
        context.labels = labels
        context.targets = targets
        context.weights = weights
        context.gradients = gradients
        context.randomness = randomness
    }

    package var passCount: Int { passes.count }
    /// One for each shard, of the last run.
    package var scores: UnsafeMutableBufferPointer<Score> { context.scores }

    package func work(_ pass: Int) {
        pool.run(passes[pass].units, passes[pass].body)
        afterPass()
    }

    package func exchanges(after pass: Int) -> Bool { passes[pass].exchange != nil }

    /// What a pass adds over ranks, by `addOverRanks`; to be repeated, it reads what the pass left and nothing else.
    package func exchange(after pass: Int) throws { try passes[pass].exchange?() }

    /// Adds a vector over all ranks, in the middle of a run; nothing as long as there is one rank.
    package var addOverRanks: (UnsafeMutableBufferPointer<Double>) throws -> Void {
        get { context.addOverRanks }
        set { context.addOverRanks = newValue }
    }

    /// Writes the sums that the last training run leaves for the layers' buffers, added over its shards in their tree.
    package func addedStatistics(into sums: UnsafeMutablePointer<Double>) {
        let (statistics, count) = (context.statistics, context.statisticCount)
        for index in 0..<count { sums[index] = BinaryTree.sum(0..<shards) { statistics[$0 * count + index] } }
    }

    /// The loss of one slot in the last run.
    package func loss(ofSlot slot: Int) -> Double { context.losses[slot] }

    /// The logits of one slot after a run: [classes]; of a network's front, the value that it ends in.
    package func logits(ofSlot slot: Int) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: logitsPointer + slot * classes, count: classes)
    }

    /// Of a plan for the gradient of a logit: the value that it was asked for, and its gradient, of one slot after a run.
    package func valueAndGradient(ofSlot slot: Int) -> (
        value: UnsafeBufferPointer<Float>, gradient: UnsafeBufferPointer<Float>
    ) {
        guard let kept else { preconditionFailure("a plan in mode \(mode) keeps no gradient of a value") }
        return (
            UnsafeBufferPointer(start: kept.value + slot * kept.count, count: kept.count),
            UnsafeBufferPointer(start: kept.gradient + slot * kept.count, count: kept.count)
        )
    }
}

/// A way to compute a network: where its values lie in memory, and the passes over them.
///
/// The plan runs what an engine compiled and knows nothing of its layouts, which differ from engine to engine and, inside one,
/// may differ from one run of layers to the next.
protocol PlanEngine {
    /// Which engine it is and, in parentheses, what else decides its bits: "lanes (avx512)".
    var name: String { get }
    /// What of a processor decides its bits, in words; equal words promise equal bits.
    var arithmetic: String { get }
    /// Whether OpenBLAS multiplies some of it.
    var usesBLAS: Bool { get }
    /// Bytes of the arena that `compile` asks for.
    var byteCount: Int { get }
    /// Segments between which values are kept for the passes backward.
    var segments: Int { get }
    /// Throws: `ShapeMismatch`.
    func compile(in arena: Arena, context: StepContext, input: PixelConversion) throws -> CompiledPlan
}

/// The passes of a step in the order they run, and where they leave the logits: [slots, classes].
struct CompiledPlan {
    let passes: [Pass]
    let logits: UnsafeMutablePointer<Float>
    /// The value that the mode asks for, and its gradient.
    var kept: (value: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>)?
}

/// What a plan is asked to compute.
struct PlanRequest {
    let network: Network
    let imagesPerShard, shards: Int
    let mode: ExecutionPlan.Mode
    let options: PlanOptions
    /// They have scratch memory of their own; nothing else depends on how many there are.
    let threads: Int

    /// Evaluations score against labels, whatever the training they belong to scores against.
    var takesTargets: Bool { mode == .training && options.takesTargets }

    /// The engine for this network, its loss and what it is scored against. Neither batch, shards nor threads have a say, so
    /// that the bits do not depend on them. Throws: `ShapeMismatch`.
    func engine() throws -> any PlanEngine {
        if options.part == .whole, !takesTargets, mode.keptValue == nil, let program = options.laneProgram(network) {
            return LaneEngine(program, self)
        }
        if options.engine == .reference || mode.keptValue != nil { return try StagedEngine.reference(self) }
        return try StagedEngine.blocks(self)
    }
}
