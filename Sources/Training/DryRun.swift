internal import DataParallel
internal import Datasets
internal import Diagnostics
package import Layers

/// What a run would be: everything opened, planned and allocated, and one step done; nothing has been written.
package struct DryRun {
    /// What a run begins with.
    package let facts: [(key: String, value: String)]
    package let summary: NetworkSummary
    /// Images of a step on this rank.
    package let images: Int
    /// Bytes on this rank, by what they are for.
    package let memory: [(name: String, bytes: Int)]
    package let peakResidentBytes: Int
    package let loss: Double
    package let gradientNorm: Double
    /// Steps that the run has left, this one included.
    package let steps: Int
    /// Of the slowest rank.
    package let stepSeconds: Double
}

extension TrainingSession {
    /// Prepares the run like `run`, then runs one step on its first batch. Collective.
    ///
    /// Throws: what the run would throw up to there; `Failure(.notFinite)` when loss or gradient is not finite.
    package func dryRun() throws -> DryRun {
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return }
            try RunFolder.requirePossible(
                options.runDirectory ?? configuration.runsDirectory,
                mayHoldRun: options.runDirectory == nil || options.mayContinue,
                isParent: options.runDirectory == nil)
        }
        let (step, evaluator) = try prepare()
        let totalSteps = configuration.length.steps(perEpoch: geometry.stepsPerEpoch)
        let first = options.resume?.checkpoint.header.step ?? 0
        let loader = try BatchLoader(
            split: training, geometry: geometry, localShards: layout.range, seed: configuration.seed,
            steps: first..<first + 1)
        var rate = LearningRate(
            base: configuration.optimizer.learningRate, schedule: configuration.schedule,
            warmup: configuration.warmup, stepsPerEpoch: geometry.stepsPerEpoch, totalSteps: totalSteps)
        rate.observe(options.resume?.checkpoint.header.evaluations ?? [])
        let batch = loader.next()
        let start = Machine.now()
        let outcome = try step.run(
            batch, epoch: first / geometry.stepsPerEpoch, learningRate: rate.rate(afterSteps: first),
            stopRequested: false)
        let seconds = try slowest(Machine.now() - start)
        guard outcome.isFinite else {
            throw Failure(
                .notFinite,
                "step \(first + 1): the loss is \(outcome.score.meanLoss), the gradient's norm \(outcome.gradientNorm), "
                    + "expected finite numbers; look at the data and at optimizer.learning_rate")
        }
        return DryRun(
            facts: startBlock(step: step), summary: try NetworkSummary(network),
            images: layout.shardsPerRank * geometry.imagesPerShard, memory: memory(step, evaluator),
            peakResidentBytes: Machine.peakResidentBytes(), loss: outcome.score.meanLoss,
            gradientNorm: outcome.gradientNorm, steps: max(0, totalSteps - first), stepSeconds: seconds)
    }

    private func memory(_ step: TrainingStep, _ evaluator: Evaluator) -> [(name: String, bytes: Int)] {
        let list = network.parameterList
        let float = MemoryLayout<Float>.stride
        let slots = step.state.optimizerSlots.count * list.trainedCount * float
        let average = step.state.average == nil ? 0 : list.count * float
        let saved = list.count * float + slots + average
        let waiting = (layout.shardsPerRank / step.plan.shards).trailingZeroBitCount
        return [
            ("parameters and buffers", list.count * float), ("gradients", (1 + waiting) * list.trainedCount * float),
            ("optimizer state", slots), ("average of the weights", average),
            ("activations and scratch, training", step.plan.arenaBytes),
            ("activations and scratch, evaluation", evaluator.arenaBytes),
            ("batches", BatchLoader.batches * layout.shardsPerRank * geometry.imagesPerShard * training.imageBytes),
            ("a checkpoint on its way, rank 0 only", 2 * saved),
        ]
    }

    private func slowest(_ seconds: Double) throws -> Double {
        var all = [Double](repeating: 0, count: communicator.size)
        try withUnsafeBytes(of: seconds) { block in
            try all.withUnsafeMutableBytes { try communicator.allGather(block, into: $0) }
        }
        return all.max() ?? seconds
    }
}
