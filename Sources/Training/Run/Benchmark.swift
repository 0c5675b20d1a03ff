package import DataParallel
internal import Datasets
internal import Diagnostics
package import Layers
package import Tensors

/// Times the trainer's own step, or the evaluation's pass, on images in memory; only the disk is left out.
package final class Benchmark {
    package enum Work: String, Sendable {
        case training
        /// What evaluation does with a batch: logits, losses and ranks of the labels. Ranks work for themselves.
        case inference
        /// Of layers alone: forward, and the gradients of their parameters and of their input. Ranks work for themselves.
        case layers
    }

    package struct Result: Sendable {
        package let steps: Int
        package let imagesPerSecond: Double
        package let stepMillisecondsMedian: Double
        package let stepMillisecondsMinimum: Double
        /// Of this rank.
        package let peakResidentBytes: Int
        /// What the rank that sends most hands to others in a step.
        package let sentBytes: Int
        /// Over all ranks: what the runs computed, and what their cores could at most, measured right before.
        package let gigaflops: Double
        package let peakGigaflops: Double
        /// Of this host's cores, what other processes used meanwhile, 0…1; nil where nobody can tell.
        package let othersShare: Double?
    }

    /// Does the work once; whether the measurement ends here.
    private typealias Turn = (_ isOver: Bool) throws -> Bool

    /// What computed: "lanes (avx512)".
    package let engine: String
    private let turn: Turn
    /// Of a turn of this rank, and of one image.
    private let images: Int
    private let operations: Int
    private let communicator: any Communicator
    private let pool: ThreadPool

    private static let largestBatch = 1 << 20

    /// Bytes of a rank, by what they are for. Throws: `ShapeMismatch`.
    private static func memoryNeed(
        _ work: Work, _ network: Network, batchSize: Int, shards: Int, _ options: PlanOptions,
        _ communicator: any Communicator, _ pool: ThreadPool
    ) throws -> [(name: String, bytes: Int)] {
        let (plan, vectors, slots): (Int, Int, Int)
        switch work {
        case .training:
            let layout = try ShardLayout(shards: shards, ranks: communicator.size, rank: communicator.rank)
            let cut = try ShardCut(layout, limit: nil, network: network, options: options)
            slots = layout.range.count * (batchSize / shards)
            plan = try cut.planBytes(
                network, imagesPerShard: batchSize / shards, options: options, threads: pool.threads)
            vectors = 2 + cut.vectors
        case .inference, .layers:
            slots = batchSize / communicator.size
            plan = try network.planBytes(
                imagesPerShard: slots, shards: 1, mode: mode(of: work), options: options, threads: pool.threads)
            vectors = work == .layers ? 2 : 1
        }
        return [
            ("activations and scratch", plan),
            (
                "weights, gradients and optimizer state",
                Int.product(vectors, network.parameterList.count, MemoryLayout<Float>.stride)
            ),
            ("images", Int.product(slots, network.description.input.count)),
        ]
    }

    private static func mode(of work: Work) -> ExecutionPlan.Mode {
        switch work {
        case .training: .training
        case .inference: .evaluation
        case .layers: .fragmentTraining
        }
    }

    /// `batchSize` counts over all ranks; `shards` matters to training alone, and so does `checkpointing`.
    ///
    /// Throws: `Failure`, `ShapeMismatch`, `Arena.OutOfMemory`.
    package init(
        _ work: Work, network: Network, batchSize: Int, shards: Int, options: PlanOptions = PlanOptions(),
        checkpointing: ActivationCheckpointing = .off, communicator: any Communicator, pool: ThreadPool
    ) throws {
        precondition(work != .training || network.endsInLogits, "the training of a fragment")
        var options = options
        if work == .layers || !network.endsInLogits { options.part = .front(until: network.stages.count) }
        let image = network.description.input
        guard (1...Self.largestBatch).contains(batchSize) else {
            throw Failure(.usage, "a batch of \(batchSize), expected 1…\(Self.largestBatch)")
        }
        func need() throws -> [(name: String, bytes: Int)] {
            try Self.memoryNeed(work, network, batchSize: batchSize, shards: shards, options, communicator, pool)
        }
        if work == .training {
            options.segments = try checkpointing.segments(localRanks: communicator.localSize) {
                options.segments = $0
                return try need().reduce(0) { $0 + min($1.bytes, .largestProduct) }
            }
        }
        try MemoryLimit.check(try need(), localRanks: communicator.localSize)
        let input = PixelConversion(
            pixelType: .uint8, image: image, mean: [Float](repeating: 0, count: image[0]),
            std: [Float](repeating: 1, count: image[0]))
        switch work {
        case .training:
            let layout = try ShardLayout(shards: shards, ranks: communicator.size, rank: communicator.rank)
            (turn, engine) = try Self.training(
                network, batchSize: batchSize, layout: layout, options: options, input: input,
                communicator: communicator, pool: pool)
            images = layout.range.count * (batchSize / shards)
            operations = try network.trainingOperations()
        case .inference, .layers:
            (turn, engine) = try Self.passes(
                network, Self.mode(of: work), batchSize: batchSize / communicator.size, options: options, input: input,
                pool: pool)
            images = batchSize / communicator.size
            operations = try work == .inference ? 2 * network.multiplyAdds() : network.fragmentOperations()
        }
        self.communicator = communicator
        self.pool = pool
    }

    /// Repeats the work for about `seconds`, after three turns to warm up. Collective.
    package func run(seconds: Double) throws -> Result {
        let peak = try communicator.sum(PeakMeasurement.fusedMultiplyAddRate(pool: pool, now: Machine.now))
        for _ in 0..<3 { _ = try turn(false) }
        try communicator.barrier()
        var times: [Double] = []
        let sentBefore = communicator.bytesSent
        let usedBefore = ProcessorUse.now()
        let start = Machine.now()
        var last = start
        while true {
            let ends = try turn(last - start >= seconds)
            let now = Machine.now()
            times.append(now - last)
            last = now
            if ends { break }
        }
        let sent = (communicator.bytesSent - sentBefore) / times.count
        let othersShare = try self.othersShare(since: usedBefore)
        times.sort()
        let imagesPerSecond = try communicator.sum(Double(images * times.count) / (last - start))
        return Result(
            steps: times.count, imagesPerSecond: imagesPerSecond,
            stepMillisecondsMedian: times[times.count / 2] * 1e3, stepMillisecondsMinimum: times[0] * 1e3,
            peakResidentBytes: Machine.peakResidentBytes(), sentBytes: Int(try communicator.largest(Double(sent))),
            gigaflops: imagesPerSecond * Double(operations) * 1e-9, peakGigaflops: peak,
            othersShare: othersShare)
    }

    /// Of ranks on several hosts nobody can tell whose time it was.
    private func othersShare(since before: ProcessorUse?) throws -> Double? {
        guard communicator.localSize == communicator.size, let before, let after = ProcessorUse.now() else {
            return nil
        }
        return try after.othersShare(since: before, cores: Machine.coresOnline(), over: communicator)
    }

    private static func training(
        _ network: Network, batchSize: Int, layout: ShardLayout, options: PlanOptions, input: PixelConversion,
        communicator: any Communicator, pool: ThreadPool
    ) throws -> (Turn, engine: String) {
        let geometry = BatchGeometry(sampleCount: batchSize, batchSize: batchSize, shards: layout.shards)
        var settings = TrainingStep.Settings()
        settings.options = options
        let step = try TrainingStep(
            settings, network: network, geometry: geometry, layout: layout, input: input,
            communicator: communicator, pool: pool)
        step.state.initialize(seed: 1)
        let batch = randomBatch(
            layout: layout, imagesPerShard: geometry.imagesPerShard, imageBytes: network.description.input.count,
            classes: network.description.classes)
        // The wish to stop travels with the step's sums, so that all ranks stop at the same one.
        let turn: Turn = { isOver in
            let outcome = try step.run(
                batch, epoch: 0, learningRate: 0.001, stopRequested: isOver && communicator.rank == 0)
            return outcome.stopRequests > 0
        }
        return (turn, step.plan.engine)
    }

    private static func passes(
        _ network: Network, _ mode: ExecutionPlan.Mode, batchSize: Int, options: PlanOptions, input: PixelConversion,
        pool: ThreadPool
    ) throws -> (Turn, engine: String) {
        let plan = try network.plan(
            imagesPerShard: batchSize, shards: 1, mode: mode, options: options, input: input, pool: pool)
        let state = ModelState(parameterList: network.parameterList)
        state.initialize(seed: 1)
        let gradients = mode == .evaluation ? nil : GradientSpace(count: network.parameterList.trainedCount)
        let batch = randomBatch(
            layout: try ShardLayout(shards: 1, ranks: 1, rank: 0), imagesPerShard: batchSize,
            imageBytes: network.description.input.count, classes: network.description.classes)
        let turn: Turn = { isOver in
            _ = try plan.run(
                images: batch.images, labels: batch.labels, counts: batch.counts,
                randomness: StepRandomness(seed: 1, epoch: 0, ids: batch.keys),
                weights: UnsafePointer(state.weights.baseAddress!), gradients: gradients?.values)
            return isOver
        }
        return (turn, plan.engine)
    }

    private static func randomBatch(layout: ShardLayout, imagesPerShard: Int, imageBytes: Int, classes: Int) -> Batch {
        let batch = Batch(shards: layout.range.count, imagesPerShard: imagesPerShard, imageBytes: imageBytes)
        for shard in 0..<batch.shards {
            batch.counts[shard] = Int32(imagesPerShard)
            for slot in shard * imagesPerShard..<(shard + 1) * imagesPerShard {
                let id = UInt64(layout.range.lowerBound * imagesPerShard + slot)
                var stream = RandomStream(seed: 1, purpose: .synthetic, epoch: 0, id: id)
                for byte in 0..<imageBytes {
                    batch.images.storeBytes(
                        of: UInt8(truncatingIfNeeded: stream.nextUInt32()), toByteOffset: slot * imageBytes + byte,
                        as: UInt8.self)
                }
                batch.labels[slot] = Int32(stream.next(below: UInt32(classes)))
                batch.ids[slot] = Int64(id)
                batch.keys[slot] = Int64(id)
            }
        }
        return batch
    }
}

/// Room for the gradients of a plan, which lives as long as who runs it.
private final class GradientSpace {
    let values: UnsafeMutablePointer<Float>

    init(count: Int) {
        values = .allocate(capacity: max(1, count))
        values.initialize(repeating: 0, count: max(1, count))
    }

    deinit { values.deallocate() }
}
