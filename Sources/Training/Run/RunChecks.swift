internal import Datasets
internal import Diagnostics
internal import Layers
internal import Report

/// What configuration, data and network together say of a run before it begins: what cannot work, and what may waste it.
struct RunChecks {
    private let configuration: Configuration
    private let geometry: BatchGeometry
    private let network: Network
    private let totalSteps: Int

    /// Fewer values have a mean and a variance that are mostly noise.
    private static let fewValues = 8

    init(_ configuration: Configuration, geometry: BatchGeometry, network: Network) {
        self.configuration = configuration
        self.geometry = geometry
        self.network = network
        totalSteps = configuration.length.steps(perEpoch: geometry.stepsPerEpoch)
    }

    /// Throws: `Failure(.configuration)`.
    func check() throws {
        guard configuration.weights != nil || configuration.head == .auto else {
            throw Failure(
                .configuration,
                "head = \(configuration.head.rawValue) says what becomes of the head in weights, expected weights: FILE beside it"
            )
        }
        // Random choices are keyed by an epoch of 32 bits.
        guard totalSteps / geometry.stepsPerEpoch < Int(UInt32.max) else {
            throw Failure(
                .configuration,
                "a run of \(totalSteps) steps, \(geometry.stepsPerEpoch) an epoch, expected fewer than \(UInt32.max) epochs"
            )
        }
        guard totalSteps > 0 else { return }
        for group in groups.sorted(by: { $0.images < $1.images }).prefix(1) {
            for layer in network.batchNormalizations where group.images * layer.valuesPerImage == 1 {
                throw Failure(
                    .configuration,
                    "layer \(layer.path) (\(layer.type)) normalises over 1 value a channel, expected more: \(group.words). "
                        + "Change batch_size or shards"
                        + (configuration.batchNorm == .shard && configuration.shards > 1
                            ? ", or take batch_norm: global" : ""))
            }
        }
    }

    /// The samples that statistics are taken over, of a full batch and of an epoch's last one.
    private var groups: [(images: Int, words: String)] {
        let steps = Set([0, geometry.stepsPerEpoch - 1]).filter { $0 < totalSteps }.sorted()
        return steps.flatMap { step -> [(images: Int, words: String)] in
            let samples = geometry.samples(inStep: step)
            let batch =
                samples == geometry.batchSize
                ? "batch_size = \(samples)"
                : "the last batch of an epoch has \(samples) of batch_size = \(geometry.batchSize) samples"
            switch configuration.batchNorm {
            case .global: return [(samples, batch)]
            case .shard where geometry.shards == 1: return [(samples, batch)]
            case .shard:
                let images = (0..<geometry.shards).map { geometry.images(inShard: $0, ofStep: step) }.filter { $0 > 0 }
                return Set(images).map {
                    ($0, "\(batch), which leaves a shard of shards = \(geometry.shards) with \($0)")
                }
            }
        }
    }

    // ---- Warnings

    var warnings: [String] {
        guard totalSteps > 0 else { return [] }
        return batchWarnings + freezingWarnings + normalizationWarnings + scheduleWarnings + evaluationWarnings
            + averageWarnings
    }

    private var batchWarnings: [String] {
        var warnings: [String] = []
        if geometry.batchSize > geometry.sampleCount {
            let filled = (geometry.sampleCount + geometry.imagesPerShard - 1) / geometry.imagesPerShard
            warnings.append(
                "batch_size = \(geometry.batchSize) is more than the \(geometry.sampleCount) training samples: every step takes "
                    + "all of them, an epoch is one step"
                    + (filled < geometry.shards
                        ? ", and \(geometry.shards - filled) of \(geometry.shards) shards stay empty" : ""))
        }
        if case .crossEntropy(let smoothing, _) = configuration.loss, smoothing == 1 {
            warnings.append(
                "loss.label_smoothing = 1 leaves nothing of the labels: every class is as right as any other")
        }
        if configuration.model.dropout == 1 {
            warnings.append("model.dropout = 1 drops everything: nothing behind it can be learnt")
        }
        return warnings
    }

    private var freezingWarnings: [String] {
        guard configuration.freeze != .none else { return [] }
        var warnings: [String] = []
        if configuration.weights == nil {
            warnings.append(
                "freeze without weights: frozen layers keep random values; weights: FILE starts from others")
        }
        for item in configuration.unfreeze where Int.product(item.epochs, geometry.stepsPerEpoch) >= totalSteps {
            warnings.append(
                "unfreeze: \(item.match) after \(NumberText.counted(item.epochs, "epoch")) is not reached in \(totalSteps) "
                    + "steps, \(geometry.stepsPerEpoch) an epoch: it stays frozen")
        }
        return warnings
    }

    private var normalizationWarnings: [String] {
        guard let group = groups.min(by: { $0.images < $1.images }) else { return [] }
        let few = network.batchNormalizations.filter { group.images * $0.valuesPerImage < Self.fewValues }
        guard let layer = few.first else { return [] }
        let others = few.count > 1 ? " and \(few.count - 1) more" : ""
        return [
            "layer \(layer.path) (\(layer.type))\(others) normalises over \(group.images * layer.valuesPerImage) values a channel, "
                + "whose mean and variance are mostly noise: \(group.words)"
                + (geometry.shards > 1 && configuration.batchNorm == .shard
                    ? "; a larger batch_size, fewer shards or batch_norm: global give more"
                    : "; a larger batch_size gives more")
        ]
    }

    private var scheduleWarnings: [String] {
        var warnings: [String] = []
        let rate = configuration.optimizer.learningRate
        if rate == 0 { warnings.append("optimizer.learning_rate = 0: no weight will change") }
        let perEpoch = geometry.stepsPerEpoch
        let warmup = configuration.warmup?.length.steps(perEpoch: perEpoch) ?? 0
        if warmup >= totalSteps {
            warnings.append(
                "schedule.warmup lasts \(warmup) steps, the run \(totalSteps): it never reaches the learning rate \(rate)"
            )
            return warnings
        }
        let left = totalSteps - warmup
        let schedule = configuration.schedule
        if schedule.has("every"), schedule.every.steps(perEpoch: perEpoch) >= left {
            warnings.append(
                "schedule.every = \(schedule.every) is not reached in \(left) steps: the learning rate stays \(rate)")
        }
        if schedule.has("milestones") {
            let beyond = schedule.milestones.filter { $0.steps(perEpoch: perEpoch) >= left }
            if let first = beyond.first {
                warnings.append(
                    "schedule.milestones: \(first)\(beyond.count > 1 ? " and later ones are" : " is") not reached in "
                        + "\(left) steps, \(perEpoch) an epoch")
            }
        }
        if let length = schedule.length, length.steps(perEpoch: perEpoch) > left {
            warnings.append("schedule.length = \(length) is longer than the \(left) steps that the run has for it")
        }
        if schedule.has("patience") {
            let evaluations = followedEvaluations(after: warmup)
            if evaluations <= schedule.patience {
                warnings.append(
                    "schedule \(schedule.kind.name): with patience \(schedule.patience) and \(evaluations) evaluation"
                        + "\(evaluations == 1 ? "" : "s") before the last step the learning rate cannot change")
            }
        }
        guard schedule.has("minimum") else { return warnings }
        let (minimum, doesFollow) = (schedule.minimum, schedule.kind.following != nil)
        if doesFollow, minimum >= rate, rate > 0 {
            warnings.append(
                "schedule.minimum = \(minimum) is not below optimizer.learning_rate = \(rate): the rate cannot change")
        } else if !doesFollow, minimum > rate {
            warnings.append(
                "schedule.minimum = \(minimum) is above optimizer.learning_rate = \(rate): the rate will rise")
        }
        return warnings
    }

    /// Evaluations that something can follow before the run ends.
    private func followedEvaluations(after step: Int) -> Int {
        let every = configuration.evaluate.every.steps(perEpoch: geometry.stepsPerEpoch)
        return (totalSteps - 1) / every - min(totalSteps - 1, step) / every
    }

    private var evaluationWarnings: [String] {
        var warnings: [String] = []
        let every = configuration.evaluate.every
        if every.steps(perEpoch: geometry.stepsPerEpoch) > totalSteps {
            warnings.append(
                "evaluate.every = \(every) is more than the \(totalSteps) steps of the run: it is evaluated at its end alone"
            )
        }
        if let stopping = configuration.earlyStopping, followedEvaluations(after: 0) <= stopping.patience {
            warnings.append(
                "early_stopping.patience = \(stopping.patience) cannot run out in \(followedEvaluations(after: 0)) "
                    + "evaluations before the last step")
        }
        return warnings
    }

    private var averageWarnings: [String] {
        guard let decay = configuration.averaging?.decay else { return [] }
        if decay == 0 { return ["ema.decay = 0: the average is the weights themselves"] }
        let reach = 1 / (1 - decay)
        guard reach > Double(totalSteps) else { return [] }
        return [
            "ema.decay = \(decay) averages over about \(Int(reach.rounded())) steps, the run has \(totalSteps): what is evaluated stays "
                + "close to the first weights"
        ]
    }
}
