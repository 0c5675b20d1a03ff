internal import DataParallel
internal import Datasets
internal import Diagnostics
internal import Files
internal import Layers
internal import Report
internal import Tensors

/// The values behind frozen layers in a run: whether they are computed once, and when.
extension TrainingSession {
    /// Computes the values behind the frozen layers of a period, or takes them from files of earlier runs, unless that has been
    /// done. Collective.
    ///
    /// Returns whether all are there; they are not where a rank is asked to stop meanwhile.
    func computeFeatures(_ machinery: Trainer.Machinery) throws -> Bool {
        let (period, state) = (machinery.period, machinery.step.state)
        guard let features = features[period] else { return true }
        let weights = UnsafePointer(state.evaluated.baseAddress!)
        let conversion = normalization.conversion(for: evaluation)
        for (samples, source, input) in [
            (features.training, training, input), (features.evaluation, evaluation, conversion),
        ] {
            let file = featureFile(of: source, period: period, weights: weights)
            if !samples.isComputed {
                guard try !isTaken(samples, from: file) else { continue }
                say(
                    "computing the values behind frozen layers once, for "
                        + NumberText.counted(source.count, "\(source.name) image"))
                try samples.compute(
                    weights: weights, input: input, communicator: communicator, pool: pool,
                    afterPass: { [activity] in activity.beat() },
                    shouldStop: { StopSignals.isRequested })
                guard samples.isComputed else { return false }
            }
            guard isWriting, let file else { continue }
            do {
                try samples.keep(in: file)
            } catch let failure as Failure {
                StandardError.line("warning: \(failure.message): the values are not kept for the next run")
            }
        }
        return true
    }

    /// For a step that is tried: computes the values of its samples alone, unless a file has all of them. Collective.
    ///
    /// Returns the seconds that those of all images would take; nil where this period has none to compute.
    func tryFeatures(_ machinery: Trainer.Machinery, step: Int) throws -> Double? {
        guard let features = features[machinery.period] else { return nil }
        let weights = UnsafePointer(machinery.step.state.evaluated.baseAddress!)
        let file = featureFile(of: training, period: machinery.period, weights: weights)
        if try features.training.isComputed || isTaken(features.training, from: file) { return nil }
        let samples = plan.samples(ofStep: step)
        let start = Machine.now()
        try features.training.compute(
            only: samples, weights: weights, input: input, communicator: communicator, pool: pool)
        let seconds = try communicator.largest(Machine.now() - start)
        return seconds / Double(samples.count) * featureImages
    }

    /// Images that each rank computes the values of.
    var featureImages: Double { Double(training.count + evaluation.count) / Double(communicator.size) }

    /// Whether a file has them. What is damaged is said, and computed again. Collective.
    private func isTaken(_ samples: FeatureSamples, from file: FeatureFile?) throws -> Bool {
        guard configuration.frozenFeatures == .file else { return false }
        do {
            guard try samples.take(from: file, communicator: communicator) else { return false }
            if let file { say("taking the values behind frozen layers from \(file.path)") }
            return true
        } catch let failure as Failure {
            guard communicator.rank == 0 else { return false }
            StandardError.line("warning: \(failure.message); the values are computed again")
            return false
        }
    }

    /// On rank 0, where such files are wanted.
    private func featureFile(
        of source: any SampleSource, period: Int, weights: UnsafePointer<Float>
    ) -> FeatureFile? {
        let network = periods[period].network
        guard communicator.rank == 0, configuration.frozenFeatures == .file, let value = steadyValue(period) else {
            return nil
        }
        let folder = options.runDirectory.map(FilePath.folder) ?? configuration.runsDirectory
        let model = configuration.entries.filter { $0.key.hasPrefix("model") }.map { "\($0.key)=\($0.value)" }.joined()
        return FeatureFile(
            besides: folder, of: source, data: dataDigest + dataset.digest + model, normalization: normalization,
            network: network, value: value, options: configuration.planOptions, weights: weights)
    }

    /// The value that the frozen beginning of a period's network makes of an image, the same in every step; nil where there is
    /// none, where images change from step to step, where the period takes no image twice, or where there is no room for the values
    /// of all images.
    func steadyValue(_ period: Int) -> Int? {
        let network = periods[period].network
        guard configuration.freeze != .none, configuration.frozenFeatures != .everyStep, augmentation == nil,
            configuration.data.mix == nil, let value = network.steadyValue(configuration.planOptions),
            featureBytes(network, value: value) <= Self.mostFeatureBytes,
            imagesTaken(period) > Double(training.count), sparedShare(network, value: value) >= Self.leastSparedShare
        else { return nil }
        return value
    }

    /// Images that the steps of a period take. Where they are no more than there are, to compute all of them once spares nothing.
    private func imagesTaken(_ period: Int) -> Double {
        let steps = periods.steps(of: period, length: configuration.length, perEpoch: geometry.stepsPerEpoch)
        return Double(steps) / Double(geometry.stepsPerEpoch) * Double(geometry.sampleCount)
    }

    /// Of the values of all images. They are held by every rank.
    func featureBytes(_ network: Network, value: Int) -> Int {
        FeatureSamples.byteCount(training, network: network, value: value)
            + FeatureSamples.byteCount(evaluation, network: network, value: value)
    }

    private static let mostFeatureBytes = 2 << 30
    /// Of the forward pass; less is not worth the memory.
    private static let leastSparedShare = 0.1

    /// The part of the forward pass that lies in front of a value.
    private func sparedShare(_ network: Network, value: Int) -> Double {
        let costs = network.stages.map { (try? $0.layer.multiplyAdds(for: $0.inputs[0])) ?? 0 }
        return Double(costs[..<value].reduce(0, +)) / Double(max(1, costs.reduce(0, +)))
    }

    /// What is computed once instead of in every step.
    var featureFacts: [(key: String, value: String)] {
        guard let value = steadyValue(firstPeriod) else { return [] }
        return [
            (
                "features",
                "the values behind \(network.stages[value - 1].path) are computed once for \(training.count) + "
                    + "\(evaluation.count) images, \(NumberText.megabytes(featureBytes(network, value: value))); spares "
                    + "\(NumberText.decimal(100 * sparedShare(network, value: value), 1)) % of the forward pass of each step "
                    + "and evaluation"
            )
        ]
    }
}
