package import DataParallel
package import Datasets
package import Layers
package import Tensors

/// One update on one rank: forward, loss, backward, gradient tree, judgement, optimizer. `train` and `bench` both run it.
///
/// Memory: everything is allocated when it is made; `run` allocates nothing.
package final class TrainingStep {
    package let state: ModelState
    /// The largest of the plans that hold the rank's shards, or as many as may be in memory at once.
    package var plan: ExecutionPlan { shards.plan }
    /// Bytes of all plans' arenas.
    package var arenaBytes: Int { shards.arenaBytes }
    /// What they would be if all were kept that the passes backward read.
    var uncutArenaBytes: Int { shards.uncutBytes }
    /// Called after every pass: a sign of life for whoever watches.
    package func setAfterPass(_ body: @escaping () -> Void) {
        for plan in shards.plans { plan.afterPass = body }
    }
    package let layout: ShardLayout
    private let network: Network
    private let shards: ShardGroups
    private let optimizer: any Optimizer
    private let clipping: GradientClipping
    private let average: ExponentialMovingAverage?
    private let memory: OptimizerMemory
    private let range: UpdateRange
    private let seed: UInt64
    private let tree: GradientTree
    private let pool: ThreadPool
    /// One vector for each of the rank's largest subtrees of shards, the sum in the first, and those that wait for others.
    private let gradientRows: VectorRows<Float>
    private let statisticRows: VectorRows<Double>
    private let gradients: UnsafeMutableBufferPointer<Float>
    private let statistics: UnsafeMutableBufferPointer<Double>
    private let squares: UnsafeMutableBufferPointer<Double>
    /// The buffers as they were before the step.
    private let formerBuffers: UnsafeMutableBufferPointer<Float>
    private var squaresBody: ThreadPool.Body = { _, _ in }
    private var updateBody: ThreadPool.Body = { _, _ in }

    /// What all ranks know, bit for bit the same, after the gradients of a step have been added up.
    package struct Outcome: Sendable {
        package let score: Score
        /// The 2-norm of the mean gradient.
        package let gradientNorm: Double
        /// How many ranks have been asked to stop, want to save, and have met a failure of their own.
        package let stopRequests: Int
        package let saveRequests: Int
        package let alarms: Int
        /// Means over the ranks; communication is that of the step before.
        package let dataWaitSeconds: Double
        package let communicationSeconds: Double
        package fileprivate(set) var verdict = Verdict.updated

        /// Whether loss and gradient are.
        package var isFinite: Bool { score.loss.isFinite && gradientNorm.isFinite }
    }

    /// What has become of the update. Weights, buffers, optimizer and average are as before the step unless it was made.
    package enum Verdict: Equatable, Sendable {
        case updated
        /// No label has a weight in the loss: there is no mean gradient.
        case weightless
        /// Loss or gradient is NaN or infinite.
        case notFinite
        /// The update would have taken this parameter or buffer, or its sums in the optimizer, out of the range of float32.
        case beyondRange(key: String)
    }

    /// Where the sums over ranks lie behind the score's fields.
    private enum Statistic {
        static let stopRequests = Score.fieldCount
        static let saveRequests = Score.fieldCount + 1
        static let alarms = Score.fieldCount + 2
        static let dataWaitSeconds = Score.fieldCount + 3
        static let communicationSeconds = Score.fieldCount + 4
        /// The layers' own sums, for their buffers, lie behind these.
        static let count = Score.fieldCount + 5
    }

    /// Set by the caller before `run`: how long this rank waited for the batch.
    package var dataWaitSeconds = 0.0
    private var communicationSeconds = 0.0

    /// What of a configuration a step is made of.
    package struct Settings: Sendable {
        package var optimizer = Configuration.Optimizer()
        package var clip = Configuration.Clip.none
        package var averaging: Configuration.Averaging?
        package var options = PlanOptions()
        package var shardsInFlight: Int?
        package var seed: UInt64 = 1

        package init() {}

        /// `options.part` is the whole network unless it is set.
        package init(_ configuration: Configuration) {
            optimizer = configuration.optimizer
            clip = configuration.clip
            averaging = configuration.averaging
            options = configuration.planOptions
            shardsInFlight = configuration.shardsInFlight
            seed = configuration.seed
        }
    }

    /// Throws: `ShapeMismatch`, `Arena.OutOfMemory`.
    package init(
        _ settings: Settings, network: Network, geometry: BatchGeometry, layout: ShardLayout, input: PixelConversion,
        communicator: any Communicator, pool: ThreadPool
    ) throws {
        let count = network.parameterList.trainedCount
        state = ModelState(
            parameterList: network.parameterList, optimizerVectors: settings.optimizer.vectors.map(\.name),
            averages: settings.averaging != nil)
        self.network = network
        seed = settings.seed
        self.layout = layout
        self.pool = pool
        let cut = try ShardCut(
            layout, limit: settings.shardsInFlight, network: network, options: settings.options)
        let tree = GradientTree(
            communicator: communicator, layout: layout, gradientCount: count,
            statisticCount: Statistic.count + network.statisticCount)
        self.tree = tree
        gradientRows = Self.rows(cut.vectors, count: count, stride: (count + 15) & ~15)
        statisticRows = Self.rows(
            cut.vectors, count: tree.statisticCapacity, stride: tree.statisticCapacity)
        (gradients, statistics) = (gradientRows[0], statisticRows[0])
        shards = try ShardGroups(
            cut, network: network, imagesPerShard: geometry.imagesPerShard, options: settings.options,
            gradients: gradientRows, statistics: statisticRows, sumsOffset: Statistic.count, input: input, pool: pool
        ) { try tree.allReduce(gradients: .none, statistics: $0) }
        squares = .allocate(capacity: VectorBlocks(elements: count).count)
        squares.initialize(repeating: 0)
        clipping = GradientClipping(settings.clip, gradients: gradients, pool: pool)
        average = ExponentialMovingAverage(settings.averaging, state: state, pool: pool)
        memory = OptimizerMemory(
            settings.optimizer, blocks: UpdateBlocks(network.parameterList),
            gradients: UnsafePointer(gradients.baseAddress!), state: state, pool: pool)
        optimizer = settings.optimizer.kind.make(settings.optimizer, memory)
        range = UpdateRange(optimizer, memory)
        formerBuffers = .allocate(capacity: state.buffers.count)
        formerBuffers.initialize(repeating: 0)
        makeBodies()
    }

    private static func rows<Element: BitwiseCopyable & ExpressibleByIntegerLiteral>(
        _ rows: Int, count: Int, stride: Int
    ) -> VectorRows<Element> {
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: rows * stride)
        memory.initialize(repeating: 0, count: rows * stride)
        return VectorRows(base: memory, count: count, stride: stride, rows: rows)
    }

    deinit {
        gradientRows.base?.deallocate()
        statisticRows.base?.deallocate()
        squares.deallocate()
        formerBuffers.deallocate()
    }

    /// Runs one step and updates the weights, unless a number that is not finite would come of it or a rank has an alarm.
    /// Collective. `epoch` counts finished epochs; random choices depend on it.
    ///
    /// Throws: the communicator's errors; the weights are then as they were before.
    package func run(
        _ batch: Batch, epoch: Int, learningRate: Double, stopRequested: Bool, saveRequested: Bool = false,
        hasAlarm: Bool = false
    ) throws -> Outcome {
        try shards.run(batch, seed: seed, epoch: epoch, weights: UnsafePointer(state.weights.baseAddress!))
        statistics[Statistic.stopRequests] = stopRequested ? 1 : 0
        statistics[Statistic.saveRequests] = saveRequested ? 1 : 0
        statistics[Statistic.alarms] = hasAlarm ? 1 : 0
        statistics[Statistic.dataWaitSeconds] = dataWaitSeconds
        statistics[Statistic.communicationSeconds] = communicationSeconds
        let exchangeStart = Machine.now()
        try tree.allReduce(
            gradients: gradientRows.first(tree.rows), statistics: statisticRows.first(tree.rows))
        communicationSeconds = Machine.now() - exchangeStart

        pool.run(squares.count, squaresBody)
        let score = Score(reading: statistics)
        let isWeightless = score.divisor == 0
        let scale = isWeightless ? 0 : Float(1 / score.divisor)
        var outcome = Outcome(
            score: score, gradientNorm: SumOfSquares.join(squares).squareRoot() * Double(scale),
            stopRequests: Int(statistics[Statistic.stopRequests]),
            saveRequests: Int(statistics[Statistic.saveRequests]), alarms: Int(statistics[Statistic.alarms]),
            dataWaitSeconds: statistics[Statistic.dataWaitSeconds] / Double(layout.ranks),
            communicationSeconds: statistics[Statistic.communicationSeconds] / Double(layout.ranks))
        // A scale that is not normal has lost digits, or is infinite; the gradients of a rank that could not read its samples are
        // worth nothing.
        guard outcome.isFinite, isWeightless || scale.isNormal, outcome.alarms == 0 else {
            outcome.verdict = .notFinite
            return outcome
        }
        if isWeightless {
            outcome.verdict = .weightless
        } else {
            outcome.verdict = update(outcome, scale: scale, learningRate: learningRate)
        }
        return outcome
    }

    /// Does what `run` does before it judges, and changes nothing that outlives a step. Collective.
    ///
    /// Throws: the communicator's errors.
    func rehearse(_ batch: Batch, epoch: Int) throws {
        try shards.run(batch, seed: seed, epoch: epoch, weights: UnsafePointer(state.weights.baseAddress!))
        try tree.allReduce(
            gradients: gradientRows.first(tree.rows), statistics: statisticRows.first(tree.rows))
        pool.run(squares.count, squaresBody)
    }

    /// Seconds that an update of the weights takes, measured on copies; of large networks, on a part from which the rest is told.
    /// The bounds of `range` stay as they are: they follow updates that are made.
    func rehearseUpdate() -> Double {
        let (all, kept) = (memory.blocks.blocks, memory.vectors)
        let blocks = Array(all.prefix(Self.rehearsedBlocks))
        guard let last = blocks.last else { return 0 }
        let span = last.start + last.count
        var copies: [UnsafeMutablePointer<Float>] = []
        defer { copies.forEach { $0.deallocate() } }
        func copy(_ vector: UnsafeMutablePointer<Float>) -> UnsafeMutablePointer<Float> {
            let copy = UnsafeMutablePointer<Float>.allocate(capacity: span)
            copy.initialize(from: vector, count: span)
            copies.append(copy)
            return copy
        }
        let vectors = OptimizerVectors(
            weights: copy(kept.weights), means: kept.means.map(copy), squares: kept.squares.map(copy),
            velocities: kept.velocities.map(copy))
        let start = Machine.now()
        optimizer.prepare(Update(number: state.updates + 1, learningRate: 0, gradientScale: 1))
        let prepared = Machine.now()
        pool.run(blocks.count) { [optimizer] block, _ in
            optimizer.apply(to: blocks[block], vectors + blocks[block].start)
        }
        let applied = Machine.now() - prepared
        return prepared - start + applied * Double(all.count) / Double(blocks.count)
    }

    /// What the copies of a rehearsed update hold at most: 4 million elements of each vector.
    private static let rehearsedBlocks = 1024

    private func update(_ outcome: Outcome, scale: Float, learningRate: Double) -> Verdict {
        if let key = updateBuffers(samples: outcome.score.samples) { return .beyondRange(key: key) }
        let rest = clipping.apply(norm: outcome.gradientNorm, scale: scale)
        optimizer.prepare(Update(number: state.updates + 1, learningRate: learningRate, gradientScale: rest))
        if let parameter = range.firstParameterBeyond(gradientNorm: outcome.gradientNorm) {
            _ = state.buffers.update(from: formerBuffers)
            return .beyondRange(key: memory.blocks.parameters[parameter].key)
        }
        state.updates += 1
        pool.run(memory.blocks.blocks.count, updateBody)
        average?.follow()
        return .updated
    }

    /// Returns the key of the first buffer that would leave the range of float32; all are then as they were.
    private func updateBuffers(samples: Double) -> String? {
        let buffers = state.buffers
        _ = formerBuffers.update(from: buffers)
        network.updateBuffers(
            state.weights.baseAddress!, statistics: statistics.baseAddress! + Statistic.count, samples: samples)
        guard let place = buffers.indices.first(where: { !buffers[$0].isFinite }) else { return nil }
        _ = buffers.update(from: formerBuffers)
        let element = state.parameterList.parameterCount + place
        return state.parameterList.parameters.first { $0.range.contains(element) }?.key
    }

    /// The loss of one of the rank's slots in the last step.
    package func loss(ofSlot slot: Int) -> Double { shards.loss(ofSlot: slot) }

    /// The first parameter whose gradient sum of the last step is not finite.
    package func firstParameterNotFinite() -> Parameter? {
        state.parameterList.trained.first { parameter in
            gradients[parameter.range].contains { !$0.isFinite }
        }
    }

    private func makeBodies() {
        let (gradients, squares) = (gradients, squares)
        let (optimizer, blocks, vectors) = (optimizer, memory.blocks.blocks, memory.vectors)
        let cut = VectorBlocks(elements: gradients.count)
        squaresBody = { block, _ in
            squares[block] = SumOfSquares.ofBlock(
                UnsafePointer(gradients.baseAddress! + cut[block].lowerBound), count: cut[block].count)
        }
        updateBody = { block, _ in optimizer.apply(to: blocks[block], vectors + blocks[block].start) }
    }
}
