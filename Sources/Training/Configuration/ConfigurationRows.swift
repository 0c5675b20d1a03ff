internal import Diagnostics
internal import Layers
internal import Tensors

// The keys that belong to no algorithm of their own; those of optimizers, schedules, clipping, averages and early stopping
// stand in front of what they set.

extension Configuration {
    static let modelKeys = [
        ConfigurationKey(
            "model.name", "the network; model: NAME is short for it", expected: "the name of a network",
            read: { try $0.readModelName($1, $2) }, text: { $0.model.name }),
        ConfigurationKey(
            "model.classes", "how many classes the network tells apart; as many as the dataset has unless set",
            .integer(in: 1...1_000_000), optional: \.model.classes),
        ConfigurationKey(
            "model.channels", "channels of the images; the dataset's unless set", .integer(in: 1...4_096),
            optional: \.model.channels),
        ConfigurationKey(
            "model.dropout", "dropout of the networks that have one; the network's own unless set", .share,
            optional: \.model.dropout,
            check: { _, section in
                guard section.has("layers"), section.has("dropout") else { return }
                throw section.failure("dropout", "belongs to named networks; layers have Dropout: {p: …}")
            }),
        ConfigurationKey(
            "model.layers", "the network itself, under PyTorch's names of modules, in place of a name",
            expected: "a list of layers", isList: true,
            read: { configuration, section, _ in
                configuration.model.layers = try section.node("layers").map(ConfiguredLayers.init)
            }, text: { $0.model.layers?.text }),
    ]

    static let weightsKeys = [
        ConfigurationKey(
            "weights", "a file of weights or a run that training starts from", expected: "a path, or none",
            resuming: .elsewhere,
            read: { configuration, section, _ in
                configuration.weights =
                    section.isNone("weights") ? nil : try section.path("weights") ?? configuration.weights
            }, text: { $0.weights }),
        ConfigurationKey(
            "head", "whether the last layer is taken from the weights too; auto: where the classes are the same",
            expected: ConfigurationSection.expectation(of: WeightsMatch.Head.allCases.map(\.rawValue)),
            read: { configuration, section, _ in
                configuration.head = try section.choice("head", WeightsMatch.Head.self) ?? configuration.head
            }, text: { configuration in configuration.weights.map { _ in configuration.head.rawValue } }),
    ]

    private mutating func readModelName(_ section: ConfigurationSection, _ input: ConfigurationInput) throws {
        let isDescribed = section.has("layers")
        // A key beside the name changes the network that is set already.
        guard isDescribed || section.has("name") || input.mustBeComplete else { return }
        guard let name = try section.text("name") ?? (isDescribed ? Model.customName : nil) else {
            throw section.failure("name", "is missing, and there are no layers")
        }
        model = Model(name: name)
        switch (isDescribed, input.models.contains(name)) {
        case (true, false), (false, true): return
        case (true, true):
            throw section.failure(
                "name", "= \(name), which is another network; give your layers a name of their own")
        case (false, false):
            let nearest = Suggestion.nearest(to: name, in: input.models).map { "; did you mean \($0)?" } ?? ""
            throw input.top.failure(
                "model", "= \(name), expected one of \(input.models.joined(separator: ", "))\(nearest)")
        }
    }

    static let dataKeys = fileKeys + roleKeys + readingKeys

    private static let fileKeys = [
        ConfigurationKey(
            "data.file", "the dataset file, or several that count as one", expected: Data.filesExpectation,
            resuming: .free, isList: true,
            read: { configuration, section, _ in
                configuration.data.files = try Data.files(section, "file") ?? configuration.data.files
            }, text: { $0.data.file })
    ]

    /// The options of `convert hdf5`, for a run on the files themselves. What they lead to is compared by its digest.
    private static let roleKeys =
        ["train", "val", "test"].flatMap { split in
            let prefix = split == "train" ? "data." : "data.\(split)_"
            return [
                ConfigurationKey(
                    prefix + "images", "in HDF5 files that others wrote, where the images of \(split) lie", .place,
                    optional: \.data.roles.images[split], resuming: .free),
                ConfigurationKey(
                    prefix + "labels", "in HDF5 files that others wrote, where the labels of \(split) lie", .place,
                    optional: \.data.roles.labels[split], resuming: .free),
            ]
        } + [
            ConfigurationKey(
                "data.classes", "in HDF5 files that others wrote, where the names of the classes lie", .place,
                optional: \.data.roles.classes, resuming: .free),
            ConfigurationKey(
                "data.layout", "the axes of images in HDF5 files that others wrote, where the extents do not say it",
                .choice, optional: \.data.roles.layout, resuming: .free),
            ConfigurationKey(
                "data.label_base", "the number of the first class in HDF5 files that others wrote",
                expected: ConfigurationSection.expectation(of: Data.labelBases), resuming: .free,
                read: { configuration, section, _ in
                    guard let base = try section.integer("label_base", in: Data.labelBases) else { return }
                    configuration.data.roles.labelBase = Int32(base)
                },
                text: { configuration in
                    let base = configuration.data.roles.labelBase
                    return base == 0 ? nil : "\(base)"
                }),
        ]

    private static let readingKeys = [
        ConfigurationKey(
            "data.normalize", "what is taken off pixels of 0…1, and what they are divided by, channel by channel",
            expected: "none, dataset, or {mean: […], std: […]}",
            read: { configuration, section, _ in try configuration.readNormalize(section) },
            text: { configuration in normalizeWords.first { $0.value == configuration.data.normalize }?.key }),
        ConfigurationKey(
            "data.normalize.mean", "what is taken off, in units of 0…1", expected: "a list of numbers, one a channel",
            isList: true, text: { if case .values(let mean, _) = $0.data.normalize { "\(mean)" } else { nil } }),
        ConfigurationKey(
            "data.normalize.std", "what the rest is divided by, in units of 0…1",
            expected: "a list of numbers above 0, one a channel", isList: true,
            text: { if case .values(_, let std) = $0.data.normalize { "\(std)" } else { nil } }),
        ConfigurationKey(
            "data.augment", "random changes of the training images, under torchvision's names",
            expected: "a list of transforms, or none", isList: true,
            read: { configuration, section, _ in
                guard !section.isNone("augment") else { return configuration.data.augment = nil }
                guard let augmentation = try section.node("augment").map(ConfiguredAugmentation.init) else { return }
                configuration.data.augment = augmentation.transforms.isEmpty ? nil : augmentation
            }, text: { $0.data.augment?.text }),
        ConfigurationKey(
            "data.mix", "mixtures of the images of a shard and of their labels, under torchvision's names",
            expected: "a list of MixUp, CutMix, or none", isList: true,
            read: { configuration, section, _ in
                guard !section.isNone("mix") else { return configuration.data.mix = nil }
                guard let node = section.node("mix") else { return }
                configuration.data.mix = try ConfiguredMixing(node)
            }, text: { $0.data.mix?.text }),
        ConfigurationKey(
            "data.readers", "threads of a rank that gather the batches; auto: as many as it has cores, up to eight",
            expected: Data.readersExpectation, resuming: .free,
            read: { configuration, section, _ in try configuration.data.readReaders(section) },
            text: { $0.data.readers.map(String.init) ?? "auto" }),
        ConfigurationKey(
            "data.shuffle", "the order of an epoch: any, or by runs of neighbours, for compressed data", .choice,
            \.data.shuffle),
        ConfigurationKey(
            "data.sampling", "how often an epoch takes each image: once, classes equally, or by weights of classes",
            expected: Data.samplingExpectation,
            read: { configuration, section, _ in try configuration.data.readSampling(section) },
            text: { configuration in
                switch configuration.data.sampling {
                case .once: "once"
                case .balanced: "balanced"
                case .weights: nil
                }
            }),
        ConfigurationKey(
            "data.sampling.weights", "how often images of each class are drawn, in proportion",
            expected: "a list of numbers from 0, one a class", isList: true,
            text: { if case .weights(let weights) = $0.data.sampling { "\(weights)" } else { nil } }),
        ConfigurationKey(
            "data.fraction", "the part of each class's training images that is used",
            .number("a number above 0, up to 1") { $0 > 0 && $0 <= 1 }, \.data.fraction),
        ConfigurationKey(
            "data.fold", "the part of the training images that is held out, and scored in evaluations",
            expected: Data.foldExpectation, read: { configuration, section, _ in try configuration.readFold(section) },
            text: { $0.data.fold.map { "\($0)" } ?? "none" }),
    ]

    private static let normalizeWords: [String: Normalize] = ["none": .none, "dataset": .dataset]

    private mutating func readNormalize(_ section: ConfigurationSection) throws {
        guard let node = section.node("normalize") else { return }
        if case .scalar = node.content {
            let value = try section.value(
                "normalize", expected: "none, dataset, or {mean: […], std: […]}", names: ["none", "dataset"]
            ) { Self.normalizeWords[$0] }
            data.normalize = value ?? data.normalize
        } else if let values = try section.section("normalize") {
            guard let mean = try values.numbers("mean"), let std = try values.numbers("std") else {
                throw section.failure("normalize", "needs both mean and std")
            }
            guard mean.count == std.count, std.allSatisfy({ $0 > 0 }) else {
                throw section.failure("normalize", "needs as many std as mean, each std above 0")
            }
            data.normalize = .values(mean: mean, std: std)
        }
    }

    static let batchKeys = [
        ConfigurationKey(
            "batch_size", "samples of an update, over all ranks", .integer(in: 1...1 << 24), \.batchSize),
        ConfigurationKey(
            "shards", "equal parts of the batch, at least as many as ranks; shares are even where ranks divide them",
            .integer(in: 1...65_536), \.shards,
            check: { try $0.checkBatch($1) }),
        ConfigurationKey(
            "shards_in_flight", "how many of a rank's shards are in memory at once: less memory, the same bits",
            expected: "a power of two, or all", resuming: .free,
            read: { configuration, section, _ in try configuration.readShardsInFlight(section) },
            text: { $0.shardsInFlight.map(String.init) ?? "all" }),
        ConfigurationKey(
            "checkpoint_activations",
            "segments that the network is cut into, inside which activations are computed again for the passes backward: less "
                + "memory, more time, the same bits. auto takes as few as a rank's memory asks for, off among them; the lane engine "
                + "keeps none, so that it has no effect there",
            ValueForm(expected: ActivationCheckpointing.expectation) {
                try $0.value($1, expected: ActivationCheckpointing.expectation, ActivationCheckpointing.init)
            } text: {
                $0.text
            }, \.checkpointActivations, resuming: .free),
    ]

    private func checkBatch(_ section: ConfigurationSection) throws {
        guard batchSize % shards != 0 else { return }
        let lower = batchSize / shards * shards
        let words = lower == 0 ? "the nearest is \(shards)" : "the nearest are \(lower) and \(lower + shards)"
        let isShardsChange =
            section.has("shards")
            && (!section.has("batch_size") || section.isAssigned("shards") && !section.isAssigned("batch_size"))
        guard !isShardsChange else {
            throw section.failure(
                "shards",
                "= \(shards): batch_size = \(batchSize) is no multiple of it; set batch_size too (\(words)), or fewer "
                    + "shards")
        }
        throw section.failure("batch_size", "= \(batchSize) is no multiple of shards = \(shards); \(words)")
    }

    private mutating func readShardsInFlight(_ section: ConfigurationSection) throws {
        let text = try section.value("shards_in_flight", expected: "a power of two, or all") { text in
            text == "all" || Int(text)?.isPowerOfTwo == true ? text : nil
        }
        if let text { shardsInFlight = Int(text) }
        if let shardsInFlight, shardsInFlight > shards {
            throw section.failure(
                "shards_in_flight", "= \(shardsInFlight), expected at most shards = \(shards), or all")
        }
    }

    static let lengthKeys = [
        ConfigurationKey(
            "epochs", "how often the run sees the training images",
            expected: ConfigurationSection.expectation(of: epochRange),
            resuming: .length,
            read: { configuration, section, _ in
                if let epochs = try section.integer("epochs", in: epochRange) { configuration.length = .epochs(epochs) }
            }, text: { if case .epochs(let epochs) = $0.length { "\(epochs)" } else { nil } }),
        ConfigurationKey(
            "steps", "updates of the run, in place of epochs",
            expected: ConfigurationSection.expectation(of: stepRange),
            resuming: .length,
            read: { configuration, section, _ in
                guard let steps = try section.integer("steps", in: stepRange) else { return }
                guard !section.has("epochs") else {
                    throw section.failure("steps", "and epochs are both given, expected one of them")
                }
                configuration.length = .steps(steps)
            }, text: { if case .steps(let steps) = $0.length { "\(steps)" } else { nil } }),
        ConfigurationKey(
            "seed", "what first weights, order, augmentation and dropout are drawn from",
            ValueForm(expected: "a whole number from 0") {
                try $0.value($1, expected: "a whole number from 0", UInt64.init)
            } text: {
                "\($0)"
            }, \.seed),
    ]

    private static let epochRange = 0...1_000_000
    private static let stepRange = 0...1 << 40

    static let lossKeys: [ConfigurationKey] = {
        let ofCrossEntropy = ConfigurationKey.Variants(
            names: ["cross_entropy"], current: { $0.lossName },
            defaults: { _ in Configuration() })
        let names = ["cross_entropy", "mean_squared_error"]
        return [
            ConfigurationKey(
                "loss.name", "what training makes small; loss: NAME is short for it",
                expected: ConfigurationSection.expectation(of: names),
                read: { configuration, section, _ in
                    let name = try section.choice("name", names)
                    configuration.loss = name == "mean_squared_error" ? .meanSquaredError : .crossEntropy()
                }, text: { $0.lossName }),
            ConfigurationKey(
                "loss.label_smoothing", "the share of a label that is spread over all classes",
                ValueForm.share, \.labelSmoothing, variants: ofCrossEntropy),
            ConfigurationKey(
                "loss.class_weights", "what samples of each class count in the loss",
                expected: "numbers from 0, one of them above 0, or none", isList: true, variants: ofCrossEntropy,
                read: { configuration, section, _ in
                    guard !section.isNone("class_weights") else {
                        return configuration.loss = .crossEntropy(labelSmoothing: configuration.labelSmoothing)
                    }
                    guard let weights = try section.numbers("class_weights") else { return }
                    guard weights.allSatisfy({ $0 >= 0 && $0.isFinite }), weights.contains(where: { $0 > 0 }) else {
                        throw section.failure(
                            "class_weights", "= \(weights), expected numbers from 0, one of them above 0")
                    }
                    configuration.loss = .crossEntropy(
                        labelSmoothing: configuration.labelSmoothing, classWeights: weights)
                },
                text: {
                    if case .crossEntropy(_, let weights) = $0.loss, !weights.isEmpty { "\(weights)" } else { nil }
                }),
        ]
    }()

    private var lossName: String { loss == .meanSquaredError ? "mean_squared_error" : "cross_entropy" }

    /// Of cross-entropy.
    private var labelSmoothing: Double {
        get { if case .crossEntropy(let smoothing, _) = loss { smoothing } else { 0 } }
        set {
            guard case .crossEntropy(_, let weights) = loss else { return }
            loss = .crossEntropy(labelSmoothing: newValue, classWeights: weights)
        }
    }

    static let batchNormKeys = [
        ConfigurationKey(
            "batch_norm", "where batch normalisation takes its statistics from: each shard, or the whole batch",
            .choice, \.batchNorm)
    ]

    static let engineKeys = [
        ConfigurationKey(
            "engine",
            "what computes the network: auto is the lane engine for small networks and blocks for others, the kernels over blocks "
                + "of channels; reference makes matrix products of convolutions, whose last bits are the processor's. Where the "
                + "first lines of a run say blocks alone, its bits are the same on every processor",
            .choice, \.engine),
        ConfigurationKey(
            "convolution",
            "how the engine of blocks convolves: direct; winograd, which makes fewer products of layers of 3 x 3 places with strides "
                + "of 1, forward and for the gradients of inputs, and changes their last bits, on every processor alike; auto is "
                + "winograd where it saves three eighths of the products",
            .choice, \.convolution),
    ]

    static let evaluationKeys = [
        ConfigurationKey("evaluate.every", "how often the network is scored", .steps, \.evaluate.every),
        ConfigurationKey(
            "evaluate.split", "the split of the dataset that it is scored on; held-out: what data.fold holds out",
            .text,
            \.evaluate.split, check: { try $0.checkEvaluatedSplit($1) }),
        ConfigurationKey(
            "evaluate.batch_size", "samples that are scored together", .integer(in: 1...1 << 20),
            \.evaluate.batchSize),
        ConfigurationKey("best_metric", "what best.h5 is the best by", .choice, \.bestMetric),
    ]

    static let watchingKeys = [
        ConfigurationKey(
            "checkpoint.every", "how often the run is saved", .time, \.checkpoint.every, resuming: .free),
        ConfigurationKey(
            "checkpoint.keep", "how many of the newest checkpoints stay", .integer(in: 1...1_000_000),
            \.checkpoint.keep, resuming: .free),
        ConfigurationKey(
            "log.every", "how often the steps since the last time are told", .time, \.log.every, resuming: .free),
        ConfigurationKey(
            "log.samples", "whether samples.bin lists the samples of every step", .boolean, \.log.samples,
            resuming: .free),
        ConfigurationKey(
            "log.tensorboard", "whether the run folder gets a file of scalars and pictures for TensorBoard", .boolean,
            \.log.tensorBoard, resuming: .free),
        ConfigurationKey(
            "log.report", "whether the run folder gets report.html, a page that shows the run", .boolean, \.log.report,
            resuming: .free),
        ConfigurationKey(
            "on_not_finite",
            "what becomes of a run whose loss or gradient is not finite: it ends, or the step is left out",
            .choice, \.onNotFinite, resuming: .free),
        ConfigurationKey(
            "watchdog.warn", "the wait for other ranks that is reported", .seconds, \.watchdog.warnSeconds,
            resuming: .free),
        ConfigurationKey(
            "watchdog.stop", "the wait for other ranks that ends the run", .seconds, \.watchdog.stopSeconds,
            resuming: .free),
        ConfigurationKey(
            "compare_ranks.every", "how often ranks compare their weights, besides at every save", .steps,
            \.compareRanksEvery, resuming: .free),
        ConfigurationKey("runs_dir", "the folder of the run folders", .path, \.runsDirectory, resuming: .free),
    ]
}
