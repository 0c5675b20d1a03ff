import Diagnostics
import Testing

@testable import Training

/// A configuration in which no value is the default's.
private let fullText = """
    model: {name: other, classes: 7, channels: 3}
    weights: "some weights.pth"
    head: new
    freeze: [layer1, "conv1.*"]
    frozen_batch_norm: renewed
    frozen_features: every_step
    unfreeze: {layer1: 2 epochs, "*": 4 epochs}
    data: {file: "some file.h5", normalize: {mean: [0.5, 1e-3, 0.25], std: [1, 2.5, 0.1]}, augment: []}
    batch_size: 96
    shards: 8
    shards_in_flight: 2
    checkpoint_activations: 4
    steps: 1234
    seed: 18446744073709551615
    loss: {name: cross_entropy, label_smoothing: 0.25, class_weights: [0.5, 1, 0]}
    batch_norm: global
    convolution: auto
    optimizer: {name: sgd, learning_rate: 1e-3, momentum: .5, nesterov: true, weight_decay: 5e-4, no_decay: [bias],
      groups: [{match: "fc.*", learning_rate: ×10, weight_decay: 0}, {match: "*.bias", learning_rate: 0.5}]}
    schedule: {name: step, every: 30 epochs, factor: 0.1, warmup: {steps: 9, from: 0.25}}
    clip: {norm: 1.5}
    ema: {decay: 0.75}
    early_stopping: {metric: acc5, patience: 4, min_delta: 0.125}
    evaluate: {every: 100 steps, split: val, batch_size: 17}
    best_metric: loss
    checkpoint: {every: 60 seconds, keep: 5}
    log: {every: 1 step, samples: true, tensorboard: true}
    on_not_finite: skip
    watchdog: {warn: 7 seconds, stop: 9 seconds}
    compare_ranks: {every: 2 epochs}
    runs_dir: elsewhere
    """

private func read(
    _ yaml: String?, _ assignments: [String] = [], defaults: Configuration = Configuration()
) throws -> Configuration {
    try Configuration(
        yaml: yaml, file: "c.yaml", assignments: assignments, models: ["tiny", "other", "fashion-classifier"],
        defaults: defaults)
}

private func full() throws -> Configuration {
    var configuration = Configuration()
    configuration.model = Configuration.Model(name: "other")
    configuration.model.classes = 7
    configuration.model.channels = 3
    configuration.weights = "some weights.pth"
    configuration.head = .new
    configuration.freeze = .layers(["layer1", "conv1.*"])
    configuration.frozenBatchNorm = .renewed
    configuration.frozenFeatures = .everyStep
    configuration.unfreeze = [
        Configuration.Unfreezing(match: "layer1", epochs: 2), Configuration.Unfreezing(match: "*", epochs: 4),
    ]
    configuration.data.file = "some file.h5"
    configuration.data.normalize = .values(mean: [0.5, 0.001, 0.25], std: [1, 2.5, 0.1])
    configuration.batchSize = 96
    configuration.shards = 8
    configuration.shardsInFlight = 2
    configuration.checkpointActivations = .segments(4)
    configuration.length = .steps(1234)
    configuration.seed = .max
    configuration.optimizer.learningRate = 0.001
    configuration.optimizer.momentum = 0.5
    configuration.optimizer.nesterov = true
    configuration.optimizer.weightDecay = 0.0005
    configuration.optimizer.noDecay = [.bias]
    configuration.optimizer.groups = [
        Configuration.ParameterGroup(match: "fc.*", learningRate: .factor(10), weightDecay: 0),
        Configuration.ParameterGroup(match: "*.bias", learningRate: .rate(0.5)),
    ]
    configuration.schedule = Configuration.Schedule(.step) { $0.every = Interval(30, .epoch) }
    configuration.warmup = Configuration.Warmup(length: Interval(9, .step), from: 0.25)
    configuration.clip = .norm(1.5)
    configuration.averaging = Configuration.Averaging(decay: 0.75)
    configuration.earlyStopping = Configuration.EarlyStopping(metric: .accuracy5, patience: 4, minDelta: 0.125)
    configuration.evaluate.every = Interval(100, .step)
    configuration.evaluate.split = "val"
    configuration.loss = .crossEntropy(labelSmoothing: 0.25, classWeights: [0.5, 1, 0])
    configuration.batchNorm = .global
    configuration.convolution = .auto
    configuration.evaluate.batchSize = 17
    configuration.bestMetric = .loss
    configuration.checkpoint.every = Interval(60, .second)
    configuration.checkpoint.keep = 5
    configuration.log.every = Interval(1, .step)
    configuration.log.samples = true
    configuration.log.tensorBoard = true
    configuration.onNotFinite = .skip
    configuration.watchdog.warnSeconds = 7
    configuration.watchdog.stopSeconds = 9
    configuration.compareRanksEvery = Interval(2, .epoch)
    configuration.runsDirectory = "elsewhere"
    return configuration
}

private let everySchedule = [
    Configuration.Schedule(), Configuration.Schedule(.step) { ($0.every, $0.factor) = (Interval(3, .step), 0.5) },
    Configuration.Schedule(.multiStep) { $0.milestones = [Interval(1, .epoch), Interval(9, .epoch)] },
    Configuration.Schedule(.exponential) { ($0.every, $0.factor) = (Interval(1, .step), 0.999) },
    Configuration.Schedule(.cosine) { $0.minimum = 0.25 },
    Configuration.Schedule(.cosine) { $0.length = Interval(7, .epoch) },
    Configuration.Schedule(.polynomial) { ($0.length, $0.power) = (Interval(7, .step), 0.9) },
    Configuration.Schedule(.oneCycle), Configuration.Schedule(.plateau),
]

@Suite("Configuration")
struct ConfigurationTests {
    @Test("without a file everything is as the defaults say")
    func defaults() throws {
        #expect(try read(nil) == Configuration())
        #expect(try read(nil, defaults: .builtIn) == .builtIn)
        let entries = Configuration().entries.map { "\($0.key)=\($0.value)" }
        #expect(
            entries == [
                "model.name=fashion-classifier", "data.file=data/fashion-mnist.h5", "data.normalize=none",
                "data.readers=auto", "data.shuffle=full", "data.sampling=once", "data.fraction=1.0", "data.fold=none",
                "batch_size=32", "shards=4", "shards_in_flight=all", "checkpoint_activations=off", "epochs=10",
                "seed=1",
                "loss.name=cross_entropy", "loss.label_smoothing=0.0", "batch_norm=shard", "engine=auto",
                "convolution=direct",
                "optimizer.name=sgd",
                "optimizer.learning_rate=0.001", "optimizer.momentum=0.9", "optimizer.dampening=0.0",
                "optimizer.nesterov=false", "optimizer.weight_decay=0.0", "optimizer.no_decay=[]",
                "schedule.name=constant", "clip=none", "ema=none",
                "early_stopping=none", "evaluate.every=1 epoch",
                "evaluate.split=test", "evaluate.batch_size=256", "best_metric=acc1", "checkpoint.every=1 epoch",
                "checkpoint.keep=3", "log.every=1 second", "log.samples=false", "log.tensorboard=false",
                "log.report=true",
                "on_not_finite=stop", "watchdog.warn=60 seconds", "watchdog.stop=600 seconds",
                "compare_ranks.every=100 steps", "runs_dir=runs",
            ])
    }

    @Test("a file that names model and data takes the rest from the defaults")
    func smallest() throws {
        var expected = Configuration()
        expected.model = Configuration.Model(name: "tiny")
        expected.data.file = "d.h5"
        #expect(try read("model: tiny\ndata: {file: d.h5}") == expected)
        #expect(try read("{model: {name: tiny}, data: {file: d.h5}}") == expected)
    }

    @Test("every key of a file is read")
    func everyKey() throws {
        #expect(try read(fullText) == full())
    }

    @Test("what yaml() writes reads back equal, also with names that YAML takes for something else")
    func roundTrip() throws {
        var configurations = [Configuration(), .builtIn, try full()]
        for text in [
            "[a]", "{a: b}", "true", "null", "./~", "12", "a: b", "#c", "'q'", "\"d\"", " space ", "*x", "&y", "!z",
            "- i",
            "über/データ.h5", "%d", "a\nb", "1e-3", "@at", "`tick`", "|", ">", "?", "no", "=",
        ] {
            var configuration = Configuration()
            configuration.data.file = text
            configuration.runsDirectory = text
            configurations.append(configuration)
        }
        for value in [0.1, 1e-30, 123_456_789.123, Double(Float.leastNormalMagnitude)] {
            var configuration = Configuration()
            configuration.optimizer.learningRate = value
            configuration.data.normalize = .values(mean: [Float(value), 1e-7], std: [3.1415927, 1e30])
            configurations.append(configuration)
        }
        for kind in OptimizerKind.all {
            var configuration = Configuration()
            configuration.optimizer = Configuration.Optimizer(kind)
            if kind != .lars { configuration.optimizer.noDecay = [.bias, .normalization] }
            configurations.append(configuration)
        }
        for freeze in [Configuration.Freeze.backbone, .until("layer3"), .layers(["a: b", "'q'", "[x]"])] {
            var configuration = Configuration()
            configuration.freeze = freeze
            configuration.unfreeze = [Configuration.Unfreezing(match: "{y}: \"z\"", epochs: 1)]
            configurations.append(configuration)
        }
        for schedule in everySchedule {
            var configuration = Configuration()
            configuration.schedule = schedule
            configuration.warmup = Configuration.Warmup(length: Interval(3, .epoch))
            configurations.append(configuration)
        }
        for configuration in configurations {
            let text = try configuration.yaml()
            #expect(try read(text) == configuration, "\(text)")
            #expect(try read(text).digest() == configuration.digest())
        }
    }

    @Test("--set reaches every key")
    func assignments() throws {
        let full = try full()
        let assignments = full.entries.map { "\($0.key)=\($0.value)" }
        #expect(assignments.count == 62)
        #expect(try read(nil, assignments) == full)
        #expect(try read("model: tiny\ndata: {file: d.h5}", assignments) == full)
        #expect(try read(nil, assignments.reversed(), defaults: .builtIn) == full)
    }

    @Test("a value of --set is all the text behind =; lists, mappings and quoted text are YAML")
    func assignedText() throws {
        for (text, expected) in [
            ("my runs #2", "my runs #2"), ("a: b", "a: b"), ("*x", "*x"), ("- i", "- i"), ("'q # r'", "q # r"),
            ("\"d\\u0041\"", "dA"), ("\"half", "\"half"), (" spaces ", "spaces"), ("a=b", "a=b"),
        ] {
            #expect(try read(nil, ["runs_dir=\(text)"]).runsDirectory == expected, "\(text)")
        }
        #expect(throws: Failure.self) { try read(nil, ["schedule.milestones=[1 epoch] # one"]) }
        #expect(throws: Failure.self) { try read(nil, ["epochs=3", "steps=4"]) }
    }

    @Test("a name alone stands for the section of that name")
    func names() throws {
        #expect(try read(nil, ["optimizer=adam"]).optimizer == Configuration.Optimizer(.adam))
        #expect(try read(nil, ["schedule=cosine"]).schedule == Configuration.Schedule(.cosine))
        #expect(try read(nil, ["loss=mean_squared_error"]).loss == .meanSquaredError)
        let text = "model: tiny\ndata: {file: d.h5}\noptimizer: adam\nschedule: cosine"
        let both = try read(text, ["optimizer.eps=0.5", "schedule.minimum=0.25"])
        #expect(both.optimizer.kind == .adam && both.optimizer.epsilon == 0.5)
        #expect(both.schedule == Configuration.Schedule(.cosine) { $0.minimum = 0.25 })
    }

    @Test("~ in front of a path is the home folder, as in a shell")
    func home() throws {
        let home = HomePath.expanded("~")
        #expect(home.hasPrefix("/") && HomePath.expanded("~/a b") == home + "/a b")
        #expect(HomePath.expanded("~root/x").hasSuffix("/x") && !HomePath.expanded("~root/x").hasPrefix("~"))
        for path in ["a/~", "./~", "", "~no-such-user-here/x", "/~"] { #expect(HomePath.expanded(path) == path) }
        let configuration = try read("model: tiny\ndata: {file: ~/d.h5}", ["runs_dir=~/runs"])
        #expect(configuration.data.file == home + "/d.h5" && configuration.runsDirectory == home + "/runs")
    }

    @Test(
        "an unknown key suggests what it is called here, wherever it stands",
        arguments: [
            ("lr", "optimizer.learning_rate"), ("learning_rate", "optimizer.learning_rate"),
            ("optimizer.lr", "optimizer.learning_rate"), ("momentum", "optimizer.momentum"),
            ("wd", "optimizer.weight_decay"),
            ("batch", "batch_size"), ("batchsize", "batch_size"), ("BatchSize", "batch_size"), ("num_epochs", "epochs"),
            ("epoch", "epochs"), ("epcohs", "epochs"), ("val", "evaluate.split"), ("arch", "model.name"),
            ("dataset", "data.file"), ("data.path", "data.file"), ("gamma", "schedule.factor"),
            ("optimizer.decay", "optimizer.weight_decay"), ("milestones", "schedule.milestones"),
            ("patience", "schedule.patience or early_stopping.patience"), ("weight_decy", "optimizer.weight_decay"),
            ("optimiser", "optimizer"), ("checkpoints", "checkpoint"),
        ])
    func suggestions(key: String, expected: String) {
        let failure = #expect(throws: Failure.self) { try read(nil, ["\(key)=1"]) }
        #expect(
            failure?.message.hasSuffix("unknown key \(key), did you mean \(expected)?") == true,
            "\(failure?.message ?? "")")
    }

    @Test("every row says what its key means and may be, and no path stands twice")
    func rows() {
        let rows = ConfigurationKeys.all
        #expect(Set(rows.map(\.path)).count == rows.count && rows.count > ConfigurationKeys.paths.count)
        for row in rows {
            #expect(!row.meaning.isEmpty && !row.expected.isEmpty && !row.meaning.hasSuffix("."), "\(row.path)")
            #expect(row.defaults.allSatisfy { !$0.text.isEmpty }, "\(row.path)")
            #expect(ConfigurationKeys.row(at: row.path)?.path == row.path)
        }
    }

    @Test("what may change when a run goes on decides no weight")
    func resuming() {
        let changing = ConfigurationKeys.all.filter { $0.resuming != .same }.map(\.path)
        #expect(
            changing == [
                "weights", "frozen_features", "data.file", "data.images", "data.labels", "data.val_images",
                "data.val_labels",
                "data.test_images", "data.test_labels", "data.classes", "data.layout", "data.label_base",
                "data.readers", "shards_in_flight", "checkpoint_activations", "epochs", "steps", "early_stopping",
                "early_stopping.metric",
                "early_stopping.patience", "early_stopping.min_delta", "checkpoint.every", "checkpoint.keep",
                "log.every",
                "log.samples", "log.tensorboard", "log.report", "on_not_finite", "watchdog.warn", "watchdog.stop",
                "compare_ranks.every", "runs_dir",
            ])
    }

    @Test("every key that the documentation order lists is known by its own path")
    func keyPaths() throws {
        for entry in try full().entries where !entry.key.hasPrefix("data.normalize.") {
            #expect(
                ConfigurationKeys.paths.contains(entry.key)
                    || ["clip", "ema", "early_stopping", "data.sampling"].contains(entry.key),
                "\(entry.key)")
            #expect(ConfigurationKeys.meant(by: entry.key).first == entry.key)
        }
    }

    @Test("--set changes one value and leaves the others, and the last one counts")
    func oneAssignment() throws {
        let base = try read(fullText)
        for (key, value) in [
            ("batch_size", "16"), ("optimizer.learning_rate", "2.0"), ("schedule.factor", "0.5"),
            ("model.classes", "9"),
            ("evaluate.split", "train"), ("checkpoint.keep", "1"), ("seed", "0"), ("data.file", "b.h5"),
        ] {
            let changed = try read(fullText, ["\(key)=0", "\(key)=\(value)"])
            let different = zip(changed.entries, base.entries).filter { $0.value != $1.value }
            #expect(different.map(\.0.key) == [key] && different.map(\.0.value) == [value])
        }
        #expect(try read(fullText, ["epochs=3"]).length == .epochs(3))
        #expect(try read(nil, ["steps=3"]).length == .steps(3))
    }

    @Test("naming another optimizer begins with that one's own defaults; naming the same one changes nothing")
    func optimizerDefaults() throws {
        for kind in OptimizerKind.all {
            #expect(try read(nil, ["optimizer.name=\(kind.name)"]).optimizer == Configuration.Optimizer(kind))
        }
        #expect(try read(nil, ["optimizer.name=sgd"], defaults: .builtIn) == .builtIn)
        let changed = try read(nil, ["optimizer.name=adamw", "optimizer.eps=1e-6"], defaults: .builtIn).optimizer
        #expect(changed.learningRate == 0.001 && changed.weightDecay == 0.01 && changed.epsilon == 1e-6)
    }

    @Test("a warm-up can be put before the schedule of a file, and taken away")
    func warmup() throws {
        let text = "model: tiny\ndata: {file: d.h5}\nschedule: {name: cosine}"
        let warmed = try read(text, ["schedule.warmup.epochs=5"])
        #expect(warmed.schedule == Configuration.Schedule(.cosine))
        #expect(warmed.warmup == Configuration.Warmup(length: Interval(5, .epoch)))
        #expect(try read(fullText, ["schedule.warmup=none"]).warmup == nil)
        #expect(try read(nil, ["schedule.warmup.steps=5"]).warmup?.length == Interval(5, .step))
    }

    @Test("none turns off what a file asks for, and a key of it turns it on again")
    func none() throws {
        let off = try read(fullText, ["clip=none", "ema=none", "early_stopping=none"])
        #expect(off.clip == .none && off.averaging == nil && off.earlyStopping == nil)
        for (list, key) in [
            ("data.mix=[MixUp]", "data.mix"), ("data.augment=[RandomHorizontalFlip]", "data.augment"),
            ("optimizer.groups=[{match: \"fc.*\", learning_rate: 0.5}]", "optimizer.groups"),
            ("loss.class_weights=[1, 2]", "loss.class_weights"),
        ] {
            let (on, none) = (try read(fullText, [list]), try read(fullText, [list, "\(key)=none"]))
            #expect(on.entries.contains { $0.key == key } && !none.entries.contains { $0.key == key }, "\(key)")
        }
        let on = try read(try off.yaml(), ["clip.value=0.5", "ema.decay=0.9", "early_stopping.patience=3"])
        #expect(on.clip == .value(0.5) && on.averaging?.decay == 0.9)
        #expect(on.earlyStopping == Configuration.EarlyStopping(metric: .loss, patience: 3))
    }

    @Test("--set model.classes keeps the model that was chosen elsewhere")
    func modelClasses() throws {
        let built = try read(nil, ["model.classes=10"], defaults: .builtIn)
        #expect(built.model.name == "fashion-classifier" && built.model.classes == 10)
        let short = try read("model: tiny\ndata: {file: d.h5}", ["model.classes=10"])
        #expect(short.model.name == "tiny" && short.model.classes == 10)
        // A key beside the name leaves the other keys of the model alone.
        let both = try read(nil, ["model.channels=3", "model.classes=10"], defaults: .builtIn)
        #expect(both.model.channels == 3 && both.model.classes == 10)
        let layers = "model: {layers: [Flatten, {Linear: {out_features: classes}}]}\ndata: {file: d.h5}"
        let own = try read(layers, ["model.classes=10"])
        let plain = try read(layers)
        #expect(own.model.classes == 10 && own.model.layers == plain.model.layers)
        #expect(own.model.layers != nil)
    }

    @Test("an assignment without a key or a value is a usage error", arguments: ["batch_size", "=3", ""])
    func malformedAssignment(text: String) {
        let failure = #expect(throws: Failure.self) { try read(nil, [text]) }
        #expect(failure?.code == .usage && failure?.message.contains("expected key=value") == true)
    }

    @Test("numbers may be written in any of the usual ways, whole numbers only as such")
    func numbers() throws {
        for text in ["0.001", "1e-3", "1E-3", ".001", "+0.001", "10e-4"] {
            #expect(try read(nil, ["optimizer.learning_rate=\(text)"]).optimizer.learningRate == 0.001, "\(text)")
        }
        for text in ["1e3", "1.0", "0x10", "1_000", "٣", ""] {
            #expect(throws: Failure.self, "\(text)") { try read(nil, ["epochs=\(text)"]) }
        }
    }
}
