package import Tensors

/// What a plan computes besides the network's own layers.
package struct PlanOptions: Equatable, Sendable {
    package var loss = Loss.crossEntropy()
    package var batchStatistics = BatchStatistics.shard

    package init() {}
}

/// A network compiled for a number of shards and images: a flat list of passes over one arena.
///
/// Running a plan allocates nothing, except what OpenBLAS 0.3.21 asks for inside some of its products. The result of every
/// element depends on the network, the images of its shard and the kernel set; not on how many shards the plan holds, and
/// not on the number of threads.
package final class ExecutionPlan {
    package enum Mode: Sendable {
        case training
        case evaluation
    }

    package let imagesPerShard: Int
    package let shards: Int
    package let mode: Mode
    /// Bytes of the arena.
    package var arenaBytes: Int { arena.byteCount }
    /// Names of the passes in the order they run.
    package var passNames: [String] { (forward + backward).map(\.name) }

    /// Called after every pass, by the thread that runs the plan: a sign of life for whoever watches.
    package var afterPass: () -> Void = {}

    private let arena: Arena
    private let pool: ThreadPool
    private let context: StepContext
    private let forward: [Pass]
    private let backward: [Pass]
    private let logitsPointer: UnsafeMutablePointer<Float>
    private let classes: Int

    init(
        network: Network, imagesPerShard: Int, shards: Int, mode: Mode, options: PlanOptions, input: PixelConversion,
        pool: ThreadPool
    ) throws {
        let memory = try PlanMemory(
            network: network, imagesPerShard: imagesPerShard, shards: shards, mode: mode, options: options,
            threads: pool.threads)
        let arena = try Arena(byteCount: memory.byteCount)
        let context = StepContext(
            shards: shards, imagesPerShard: imagesPerShard, statisticCount: network.statisticCount)
        var forward = [Self.inputPass(input, into: memory.input(in: arena), imagesPerShard, shards, context)]
        var backward: [Pass] = []
        for index in network.stages.indices {
            let (site, additions) = memory.site(index, in: arena, context: context)
            forward += try network.stages[index].layer.forwardPasses(at: site)
            if mode == .training {
                let passes = try network.stages[index].layer.backwardPasses(at: site)
                backward.insert(contentsOf: passes + additions.map { Self.additionPass($0, at: site) }, at: 0)
            }
        }
        let logits = memory.logits(in: arena)
        forward.append(
            Self.lossPass(
                options.loss, logits: logits, dlogits: memory.logitsGradient(in: arena),
                classes: network.description.classes, imagesPerShard, shards, context))
        self.imagesPerShard = imagesPerShard
        self.shards = shards
        self.mode = mode
        self.arena = arena
        self.pool = pool
        self.context = context
        self.forward = forward
        self.backward = backward
        logitsPointer = logits
        classes = network.description.classes
    }

    /// Runs the forward pass and scores it; in training mode also the backward pass, which overwrites `gradients` with
    /// the sum over these shards of the gradients of the summed loss.
    ///
    /// Shapes: images [shards, imagesPerShard] × bytes of one image, labels likewise; `counts` images are present in each
    /// shard, the first ones. `randomness` is needed where a layer draws random numbers, `addOverRanks` where one takes
    /// statistics over the whole batch. Returns one score for each shard, valid until the next run.
    /// Throws: what `addOverRanks` throws.
    package func run(
        images: UnsafeRawPointer, labels: UnsafePointer<Int32>, counts: UnsafePointer<Int32>,
        randomness: StepRandomness? = nil, weights: UnsafePointer<Float>, gradients: UnsafeMutablePointer<Float>?
    ) throws -> UnsafeMutableBufferPointer<Score> {
        precondition((gradients != nil) == (mode == .training), "gradients belong to training mode, and only there")
        context.counts.update(from: counts, count: shards)
        context.images = images
        context.labels = labels
        context.weights = weights
        context.gradients = gradients
        context.randomness = randomness
        try run(forward)
        try run(backward)
        return context.scores
    }

    private func run(_ passes: [Pass]) throws {
        for pass in passes {
            pool.run(pass.units, pass.body)
            try pass.exchange?()
            afterPass()
        }
    }

    /// Adds a vector over all ranks, in the middle of a run; nothing as long as there is one rank.
    package var addOverRanks: (UnsafeMutableBufferPointer<Double>) throws -> Void {
        get { context.addOverRanks }
        set { context.addOverRanks = newValue }
    }

    /// Writes the sums that the last training run leaves for the layers' buffers, added over its shards in their tree.
    package func addedStatistics(into sums: UnsafeMutablePointer<Double>) {
        let (statistics, count) = (context.statistics, context.statisticCount)
        for index in 0..<count { sums[index] = TreeSum.sum(0..<shards) { statistics[$0 * count + index] } }
    }

    /// The loss of one slot in the last run.
    package func loss(ofSlot slot: Int) -> Double { context.losses[slot] }

    /// The logits of one slot after a run: [classes].
    package func logits(ofSlot slot: Int) -> UnsafeBufferPointer<Float> {
        UnsafeBufferPointer(start: logitsPointer + slot * classes, count: classes)
    }

    private static func inputPass(
        _ input: PixelConversion, into planes: UnsafeMutablePointer<Float>, _ imagesPerShard: Int, _ shards: Int,
        _ context: StepContext
    ) -> Pass {
        let chunks = ImageChunks(shards: shards, imagesPerShard: imagesPerShard, imagesPerChunk: 8)
        let count = input.channels * input.area
        return Pass("input", units: chunks.units) { unit, _ in
            for slot in chunks.slots(of: unit, counts: context.counts) {
                input.convert(context.images + slot * input.imageByteCount, to: planes + slot * count)
            }
        }
    }

    private static func additionPass(_ addition: GradientAddition, at site: BoundSite) -> Pass {
        let chunks = ImageChunks(
            shards: site.plan.shards, imagesPerShard: site.plan.imagesPerShard,
            imagesPerChunk: max(1, 32_768 / addition.count))
        let context = site.context
        return Pass("\(site.plan.path) gradient sum", units: chunks.units) { unit, _ in
            let slots = chunks.slots(of: unit, counts: context.counts)
            let start = slots.lowerBound * addition.count
            ElementwiseSum.add(
                addition.addend + start, to: addition.target + start, count: slots.count * addition.count)
        }
    }

    private static func lossPass(
        _ loss: Loss, logits: UnsafeMutablePointer<Float>, dlogits: UnsafeMutablePointer<Float>?, classes: Int,
        _ imagesPerShard: Int,
        _ shards: Int, _ context: StepContext
    ) -> Pass {
        Pass("loss", units: shards) { shard, _ in
            let slot = shard * imagesPerShard
            context.scores[shard] = loss.score(
                logits: logits + slot * classes, labels: context.labels + slot, samples: Int(context.counts[shard]),
                classes: classes, dlogits: dlogits.map { $0 + slot * classes }, losses: context.losses + slot)
        }
    }
}
