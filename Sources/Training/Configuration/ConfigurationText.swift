internal import Digests
internal import Layers
internal import Tensors
internal import Yams

extension Configuration {
    /// Every key with its value, in the order of the documentation: what the run is defined by and watched with.
    ///
    /// `--print-config`, the run folder, the checkpoint and the comparison of ranks all show this list.
    package var entries: [(key: String, value: String)] {
        var entries: [(String, String)] = [("model.name", model.name)]
        if let classes = model.classes { entries.append(("model.classes", "\(classes)")) }
        if let channels = model.channels { entries.append(("model.channels", "\(channels)")) }
        if let dropout = model.dropout { entries.append(("model.dropout", "\(dropout)")) }
        if let layers = model.layers { entries.append(("model.layers", layers.text)) }
        if let weights { entries += [("weights", weights), ("head", head.rawValue)] }
        entries.append(("data.file", data.file))
        switch data.normalize {
        case .none: entries.append(("data.normalize", "none"))
        case .dataset: entries.append(("data.normalize", "dataset"))
        case .values(let mean, let std):
            entries.append(("data.normalize.mean", "\(mean)"))
            entries.append(("data.normalize.std", "\(std)"))
        }
        if let augment = data.augment { entries.append(("data.augment", augment.text)) }
        entries += [("batch_size", "\(batchSize)"), ("shards", "\(shards)")]
        entries.append(("shards_in_flight", shardsInFlight.map(String.init) ?? "all"))
        switch length {
        case .epochs(let epochs): entries.append(("epochs", "\(epochs)"))
        case .steps(let steps): entries.append(("steps", "\(steps)"))
        }
        entries.append(("seed", "\(seed)"))
        switch loss {
        case .crossEntropy(let smoothing, let weights):
            entries += [("loss.name", "cross_entropy"), ("loss.label_smoothing", "\(smoothing)")]
            if !weights.isEmpty { entries.append(("loss.class_weights", "\(weights)")) }
        case .meanSquaredError: entries.append(("loss.name", "mean_squared_error"))
        }
        entries.append(("batch_norm", batchNorm.rawValue))
        entries += optimizer.entries + scheduleEntries + clipEntries + averagingEntries + earlyStoppingEntries
        entries += [
            ("evaluate.every", "\(evaluate.every)"), ("evaluate.split", evaluate.split),
            ("evaluate.batch_size", "\(evaluate.batchSize)"), ("best_metric", bestMetric.rawValue),
            ("checkpoint.every", "\(checkpoint.every)"), ("checkpoint.keep", "\(checkpoint.keep)"),
            ("log.every", "\(log.every)"), ("log.samples", "\(log.samples)"),
            ("on_not_finite", onNotFinite.rawValue), ("watchdog.warn", "\(Interval(watchdog.warnSeconds, .second))"),
            ("watchdog.stop", "\(Interval(watchdog.stopSeconds, .second))"),
            ("compare_ranks.every", "\(compareRanksEvery)"), ("runs_dir", runsDirectory),
        ]
        return entries
    }

    /// SHA-256 over all entries, a line each. Of the weights that a run starts from counts what they are, not where they lie.
    package func digest(initialWeights: String = "") -> String {
        var hash = SHA256()
        for (key, value) in entries {
            hash.update("\(key)=\(key == "weights" && !initialWeights.isEmpty ? initialWeights : value)\n")
        }
        return hash.hexadecimal()
    }

    /// The configuration as YAML; reading it gives an equal configuration.
    package func yaml() throws -> String {
        try Yams.serialize(node: Self.tree(of: entries[...], prefix: ""), sortKeys: false)
    }

    private static let lists = [
        "model.layers", "data.augment", "loss.class_weights", "optimizer.betas", "optimizer.no_decay",
        "schedule.milestones",
    ]

    private static func tree(of entries: ArraySlice<(key: String, value: String)>, prefix: String) throws -> Node {
        var pairs: [(Node, Node)] = []
        var rest = entries
        while let first = rest.first {
            let name = first.key.dropFirst(prefix.count).prefix { $0 != "." }
            let path = prefix + name
            if first.key == path {
                rest = rest.dropFirst()
                // Lists are written as lists, everything else as the plain text it was read from.
                let isList = path.hasPrefix("data.normalize.") || lists.contains(path)
                let value = isList ? try Yams.compose(yaml: first.value) : Node(first.value)
                pairs.append((Node(String(name)), value ?? Node(first.value)))
            } else {
                let children = rest.prefix { $0.key.hasPrefix(path + ".") }
                pairs.append((Node(String(name)), try tree(of: children, prefix: path + ".")))
                rest = rest.dropFirst(children.count)
            }
        }
        return Node(pairs)
    }
}
