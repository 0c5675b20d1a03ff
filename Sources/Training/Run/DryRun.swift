internal import DataParallel
internal import Datasets
internal import Diagnostics
package import Layers
internal import Report

/// What a run would be: everything opened, planned and allocated, and one step done; nothing has been written.
package struct DryRun {
    /// What a run begins with.
    package let facts: [(key: String, value: String)]
    package let summary: NetworkSummary
    /// Images of a step on the rank that has most.
    package let images: Int
    /// Bytes on the rank that needs most, by what they are for.
    package let memory: [(name: String, bytes: Int)]
    package let peakResidentBytes: Int
    package let loss: Double
    package let gradientNorm: Double
    /// Steps that the run has left, this one included.
    package let steps: Int
    /// Of the slowest rank, with all the layers trained that the run will train in the end.
    package let stepSeconds: Double
    /// What the steps that are left take, and what is computed once before them.
    package let runSeconds: Double
}

extension TrainingSession {
    /// Prepares the run like `run`, then runs one step on its first batch, with the layers trained that are trained in the end.
    /// Collective.
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
        let last = periods.count - 1
        let machinery = try prepare(last)
        let step = machinery.step
        let totalSteps = configuration.length.steps(perEpoch: geometry.stepsPerEpoch)
        // Of a run that has all its steps, the last one again.
        let first = min(options.resume?.checkpoint.header.step ?? 0, max(0, totalSteps - 1))
        let featureSeconds = try tryFeatures(machinery, step: first)
        let loader = try BatchLoader(
            source: machinery.samples, plan: plan, localShards: layout.range, steps: first..<first + 1,
            augmentation: augmentation, mixing: configuration.data.mix?.mixing,
            classes: dataset.classes.count, readers: readers)
        var rate = LearningRate(
            base: configuration.optimizer.learningRate, schedule: configuration.schedule,
            warmup: configuration.warmup, stepsPerEpoch: geometry.stepsPerEpoch, totalSteps: totalSteps)
        rate.observe(
            configuration.evaluate.every.due(
                options.resume?.checkpoint.header.evaluations ?? [], stepsPerEpoch: geometry.stepsPerEpoch))
        let batch = try RankAgreement.together(communicator) { try loader.next() }
        let start = Machine.now()
        let outcome = try step.run(
            batch, epoch: first / geometry.stepsPerEpoch, learningRate: rate.rate(afterSteps: first),
            stopRequested: false)
        let seconds = try communicator.largest(Machine.now() - start)
        switch outcome.verdict {
        case .updated, .weightless: break
        case .notFinite, .beyondRange:
            throw Failure(
                .notFinite,
                "step \(first + 1): the loss is \(NumberText.plain(outcome.score.meanLoss)), the gradient's norm "
                    + "\(NumberText.plain(outcome.gradientNorm)), expected finite numbers and an update within float32; look at the data "
                    + "and at optimizer.learning_rate")
        }
        return DryRun(
            facts: startFacts(step: step, arenaBytes: try largestArena(of: step)) + weightsRows.map { ("", $0) }
                + warnings().map { ("warning", $0) },
            summary: try NetworkSummary(network),
            images: Int.product(layout.largestShare, geometry.imagesPerShard), memory: try largestMemoryNeed(),
            peakResidentBytes: Machine.peakResidentBytes(), loss: outcome.score.meanLoss,
            gradientNorm: outcome.gradientNorm, steps: max(0, totalSteps - first), stepSeconds: seconds,
            runSeconds: try runSeconds(stepSeconds: seconds, featureSeconds: featureSeconds, from: first))
    }

    /// The time of the steps from one on, given that of a step of the last period: others take theirs in proportion to their
    /// operations. So does what a period computes once, unless it is the last one's.
    private func runSeconds(stepSeconds: Double, featureSeconds: Double?, from first: Int) throws -> Double {
        let operations = try periods.indices.map { period in
            Double(
                try periods[period].network.trainingOperations(
                    steadyValue(period).map { .rest(from: $0) } ?? .whole))
        }
        let (perEpoch, last) = (geometry.stepsPerEpoch, periods.count - 1)
        let secondsPerOperation = stepSeconds / max(1, operations[last])
        return try periods.indices.reduce(0) { sum, period in
            let steps = periods.steps(of: period, length: configuration.length, perEpoch: perEpoch)
            let left = steps - min(steps, max(0, first - Int.product(periods[period].firstEpoch, perEpoch)))
            guard left > 0 else { return sum }
            var seconds = Double(left) * secondsPerOperation * operations[period]
            if period == last {
                seconds += featureSeconds ?? 0
            } else if let value = steadyValue(period) {
                // A step is over the images of a rank; nothing frozen is computed backwards.
                let frozen = Double(try periods[period].network.trainingOperations(.front(until: value)))
                seconds += secondsPerOperation * frozen * featureImages / Double(ownImages)
            }
            return sum + seconds
        }
    }

    /// Images of a step on this rank.
    private var ownImages: Int { layout.range.count * geometry.imagesPerShard }
}
