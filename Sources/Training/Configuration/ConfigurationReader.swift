internal import Diagnostics
internal import Layers
internal import Tensors

extension Configuration {
    /// Reads a configuration: the file's text if there is one, then assignments of the form `optimizer.momentum=0.8`.
    ///
    /// A given file must name `model` and, unless the images are told otherwise, `data.file`. `models` are the names that
    /// exist. Throws: `Failure(.configuration)` with file, line and column.
    package init(
        yaml: String?, file: String, assignments: [String], models: [String], defaults: Configuration,
        needsData: Bool = true
    ) throws {
        var root = ConfigurationNode(place: file, content: .mapping([]))
        if let yaml {
            root = try ConfigurationNode(yaml: yaml, file: file)
        }
        for assignment in assignments { try root.apply(assignment: assignment) }
        self = defaults
        try read(root, models: models, mustBeComplete: yaml != nil, needsData: needsData)
    }

    private mutating func read(
        _ root: ConfigurationNode, models: [String], mustBeComplete: Bool, needsData: Bool
    ) throws {
        let top = try ConfigurationSection(root, path: "")
        if mustBeComplete {
            guard top.has("model") else {
                throw top.failure("model", "is missing, expected one of \(models.joined(separator: ", "))")
            }
            let data = try top.section("data")
            guard data?.has("file") == true || !needsData else {
                throw top.failure("data", "names no file, expected data: {file: FILE.h5}")
            }
        }
        try readModel(top, models: models, mustBeNamed: mustBeComplete)
        try readWeights(top)
        try readData(top)
        try readBatch(top)
        try readLength(top)
        seed = try top.value("seed", expected: "a whole number from 0", UInt64.init) ?? seed
        try readLoss(top)
        batchNorm = try top.choice("batch_norm", BatchStatistics.self) ?? batchNorm
        try readOptimizer(top)
        try readSchedule(top)
        try readClip(top)
        try readAveraging(top)
        if let section = try top.section("evaluate") {
            evaluate.every = try section.interval("every", units: [.step, .epoch]) ?? evaluate.every
            evaluate.split = try section.text("split") ?? evaluate.split
            evaluate.batchSize = try section.integer("batch_size", in: 1...1 << 20) ?? evaluate.batchSize
        }
        bestMetric = try top.metric("best_metric") ?? bestMetric
        try readEarlyStopping(top)
        if let section = try top.section("checkpoint") {
            checkpoint.every = try section.interval("every", units: [.step, .epoch, .second]) ?? checkpoint.every
            checkpoint.keep = try section.integer("keep", in: 1...1_000_000) ?? checkpoint.keep
        }
        if let section = try top.section("log") {
            log.every = try section.interval("every", units: [.step, .epoch, .second]) ?? log.every
            log.samples = try section.boolean("samples") ?? log.samples
        }
        onNotFinite = try top.choice("on_not_finite", OnNotFinite.self) ?? onNotFinite
        if let section = try top.section("watchdog") {
            watchdog.warnSeconds = try section.interval("warn", units: [.second])?.count ?? watchdog.warnSeconds
            watchdog.stopSeconds = try section.interval("stop", units: [.second])?.count ?? watchdog.stopSeconds
        }
        if let section = try top.section("compare_ranks") {
            compareRanksEvery = try section.interval("every", units: [.step, .epoch]) ?? compareRanksEvery
        }
        runsDirectory = try top.path("runs_dir") ?? runsDirectory
    }

    private mutating func readModel(_ top: ConfigurationSection, models: [String], mustBeNamed: Bool) throws {
        guard let node = top.node("model") else { return }
        var name: String?
        if case .scalar(let text) = node.content {
            model = Model(name: text)
            name = text
        } else if let section = try top.section("model") {
            let layers = try section.node("layers").map(ConfiguredLayers.init)
            let fallback = layers != nil ? Model.customName : mustBeNamed ? nil : model.name
            guard let text = try section.text("name") ?? fallback else {
                throw section.failure("name", "is missing, and there are no layers")
            }
            model = Model(name: text)
            model.classes = try section.integer("classes", in: 1...1_000_000)
            model.channels = try section.integer("channels", in: 1...4_096)
            model.dropout = try section.number("dropout", expected: "a number from 0 to 1") { (0...1).contains($0) }
            model.layers = layers
            name = text
            if layers != nil {
                guard models.allSatisfy({ $0 != text }) else {
                    throw section.failure(
                        "name", "= \(text), which is another network; give your layers a name of their own")
                }
                guard model.dropout == nil else {
                    throw section.failure("dropout", "belongs to named networks; layers have Dropout: {p: …}")
                }
                return
            }
        }
        guard let name, models.contains(name) else {
            let nearest = Suggestion.nearest(to: name ?? "", in: models)
            throw top.failure(
                "model",
                "= \(name ?? "(empty)"), expected one of \(models.joined(separator: ", "))"
                    + (nearest.map { "; did you mean \($0)?" } ?? ""))
        }
    }

    private mutating func readWeights(_ top: ConfigurationSection) throws {
        if top.isNone("weights") {
            weights = nil
        } else {
            weights = try top.path("weights") ?? weights
        }
        head = try top.choice("head", WeightsMatch.Head.self) ?? head
    }

    private mutating func readData(_ top: ConfigurationSection) throws {
        guard let section = try top.section("data") else { return }
        data.file = try section.path("file") ?? data.file
        if let node = section.node("normalize") {
            if case .scalar = node.content {
                data.normalize =
                    try section.value(
                        "normalize", expected: "none, dataset, or {mean: […], std: […]}", names: ["none", "dataset"]
                    ) { ["none": .none, "dataset": .dataset][$0] } ?? data.normalize
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
        if let node = section.node("augment") {
            let augmentation = try ConfiguredAugmentation(node)
            data.augment = augmentation.transforms.isEmpty ? nil : augmentation
        }
    }

    private mutating func readBatch(_ top: ConfigurationSection) throws {
        batchSize = try top.integer("batch_size", in: 1...1 << 24) ?? batchSize
        shards = try top.integer("shards", in: 1...65_536) ?? shards
        guard shards.isPowerOfTwo else {
            throw top.failure("shards", "= \(shards), expected a power of two: 1, 2, 4, 8 …")
        }
        let inFlight = try top.value("shards_in_flight", expected: "a power of two, or all") { text in
            text == "all" || Int(text)?.isPowerOfTwo == true ? text : nil
        }
        if let inFlight { shardsInFlight = Int(inFlight) }
        if let shardsInFlight, shardsInFlight > shards {
            throw top.failure("shards_in_flight", "= \(shardsInFlight), expected at most shards = \(shards), or all")
        }
        guard batchSize % shards == 0 else {
            let lower = batchSize / shards * shards
            let words = lower == 0 ? "the nearest is \(shards)" : "the nearest are \(lower) and \(lower + shards)"
            let isShardsChange =
                top.has("shards")
                && (!top.has("batch_size") || top.isAssigned("shards") && !top.isAssigned("batch_size"))
            guard !isShardsChange else {
                throw top.failure(
                    "shards",
                    "= \(shards): batch_size = \(batchSize) is no multiple of it; set batch_size too (\(words)), or fewer "
                        + "shards")
            }
            throw top.failure("batch_size", "= \(batchSize) is no multiple of shards = \(shards); \(words)")
        }
    }

    private mutating func readLength(_ top: ConfigurationSection) throws {
        let epochs = try top.integer("epochs", in: 0...1_000_000)
        let steps = try top.integer("steps", in: 0...1 << 40)
        if epochs != nil && steps != nil {
            throw top.failure("steps", "and epochs are both given, expected one of them")
        }
        if let epochs { length = .epochs(epochs) }
        if let steps { length = .steps(steps) }
    }

    private mutating func readLoss(_ top: ConfigurationSection) throws {
        guard let section = try top.section("loss") else { return }
        let name = try section.choice("name", ["cross_entropy", "mean_squared_error"])
        guard name == "mean_squared_error" else {
            let smoothing = try section.number("label_smoothing", expected: "a number from 0 to 1") {
                (0...1).contains($0)
            }
            let weights = try section.numbers("class_weights") ?? []
            guard weights.allSatisfy({ $0 >= 0 && $0.isFinite }), weights.isEmpty || weights.contains(where: { $0 > 0 })
            else {
                throw section.failure("class_weights", "= \(weights), expected numbers from 0, one of them above 0")
            }
            loss = .crossEntropy(labelSmoothing: smoothing ?? 0, classWeights: weights)
            return
        }
        for key in ["label_smoothing", "class_weights"] where section.has(key) {
            throw section.failure(key, "belongs to loss cross_entropy, not to mean_squared_error")
        }
        loss = .meanSquaredError
    }
}
