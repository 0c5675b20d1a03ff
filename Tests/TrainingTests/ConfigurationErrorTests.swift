import Diagnostics
import Testing

@testable import Training

/// A configuration that is refused, and words its message must have.
struct BadConfiguration: Sendable, CustomTestStringConvertible {
    let text: String
    let words: [String]
    var testDescription: String { text.count < 60 ? text : "\(text.prefix(60))…" }

    /// Lines behind `model` and `data`, the first of which is line 3.
    init(_ lines: String, _ words: String...) {
        text = "model: tiny\ndata: {file: d.h5}\n" + lines
        self.words = words
    }

    init(whole text: String, _ words: String...) {
        self.text = text
        self.words = words
    }

    static let batches = [
        BadConfiguration("batchsize: 32", "c.yaml:3:12: unknown key batchsize, did you mean batch_size?"),
        BadConfiguration("zzz: 1", "c.yaml:3:6: unknown key zzz; known here: model, weights, head, freeze, "),
        BadConfiguration("batch_size: many", "c.yaml:3:13: batch_size = many, expected a whole number 1…"),
        BadConfiguration("batch_size:", "batch_size = (empty), expected a whole number"),
        BadConfiguration("batch_size: [32]", "batch_size is no single value"),
        BadConfiguration("batch_size: {a: 32}", "c.yaml:3:1: batch_size is no single value"),
        BadConfiguration("batch_size: -32", "batch_size = -32, expected a whole number 1…"),
        BadConfiguration("batch_size: 0", "batch_size = 0, expected"),
        BadConfiguration("batch_size: 30", "c.yaml:3:13: batch_size = 30 is no multiple of shards = 4", "28 and 32"),
        BadConfiguration("batch_size: 2", "no multiple of shards = 4; the nearest is 4"),
        BadConfiguration("shards: 64", "c.yaml:3:9: shards = 64: batch_size = 32 is no multiple", "the nearest is 64"),
        BadConfiguration("shards: 3", "c.yaml:3:9: shards = 3: batch_size = 32 is no multiple", "30 and 33"),
        BadConfiguration("shards_in_flight: 3", "shards_in_flight = 3, expected a power of two, or all"),
        BadConfiguration(
            "checkpoint_activations: 1",
            "checkpoint_activations = 1, expected off, auto, or a number of segments 2…1000"),
        BadConfiguration("shards_in_flight: 8", "shards_in_flight = 8, expected at most shards = 4, or all"),
        BadConfiguration("shards: 0", "shards = 0, expected"),
        BadConfiguration("epochs: 1\nsteps: 5", "c.yaml:4:8: steps and epochs are both given"),
        BadConfiguration("epochs: 1e3", "epochs = 1e3, expected a whole number"),
        BadConfiguration("steps: 99999999999999999999", "steps = 99999999999999999999, expected"),
        BadConfiguration("seed: -1", "seed = -1, expected a whole number from 0"),
        BadConfiguration(
            "best_metric: accuracy", "best_metric = accuracy, expected acc1, acc5, loss; did you mean acc1?"),
    ]

    static let sections = [
        BadConfiguration(
            "optimizer: [sgd]", "optimizer is no mapping; expected the keys name, learning_rate, "),
        BadConfiguration("optimizer: sdg", "optimizer.name = sdg, expected sgd, adam", "did you mean sgd?"),
        BadConfiguration("schedule: step", "schedule.every is missing"),
        BadConfiguration(
            "optimizer: {name: adamax}",
            "c.yaml:3:19: optimizer.name = adamax, expected \(OptimizerKind.all.map(\.name).joined(separator: ", "))",
            "did you mean adam?"),
        BadConfiguration(
            "optimizer: {name: adam, momentum: 0.9}",
            "optimizer.momentum belongs to optimizer \(OptimizerKind.names(with: "momentum").joined(separator: ", ")), "
                + "not to adam"),
        BadConfiguration(
            "optimizer: {betas: [0.9, 0.99]}", "optimizer.betas belongs to optimizer adam, adamw, not to sgd"),
        BadConfiguration("optimizer: {name: adam, betas: [0.9]}", "optimizer.betas has 1 values, expected two numbers"),
        BadConfiguration("optimizer: {name: adam, betas: [0.9, 1]}", "optimizer.betas holds something else than two"),
        BadConfiguration("optimizer: {name: adam, betas: 0.9}", "optimizer.betas is no list, expected [two numbers"),
        BadConfiguration("optimizer: {name: adam, eps: -1}", "optimizer.eps = -1, expected a number above 0"),
        BadConfiguration("optimizer: {name: adam, eps: 0}", "optimizer.eps = 0, expected a number above 0"),
        BadConfiguration("optimizer: {name: lars, trust: 0}", "optimizer.trust = 0, expected a number above 0"),
        BadConfiguration(
            "optimizer: {no_decay: [norm]}", "no_decay holds something else than any of bias, normalization"),
        BadConfiguration("optimizer: {nesterov: true, dampening: 0.1}", "optimizer.nesterov = true needs dampening 0"),
        BadConfiguration(
            "optimizer: {momentm: 0.9}", "unknown key optimizer.momentm, did you mean optimizer.momentum?"),
        BadConfiguration(
            "optimizer:\n  momentum: 1", "c.yaml:4:13: optimizer.momentum = 1, expected a number from 0, below 1"),
        BadConfiguration("optimizer: {momentum: nan}", "optimizer.momentum = nan"),
        BadConfiguration(
            "optimizer: {learning_rate: -1e-3}", "optimizer.learning_rate = -1e-3, expected a number from 0"),
        BadConfiguration("optimizer: {learning_rate: inf}", "optimizer.learning_rate = inf"),
        BadConfiguration("optimizer: {nesterov: yes}", "optimizer.nesterov = yes, expected true or false"),
        BadConfiguration("optimizer: {nesterov: true, momentum: 0}", "optimizer.nesterov = true needs a momentum"),
        BadConfiguration("log: {samples: no}", "log.samples = no, expected true or false"),
        BadConfiguration("log: {every: 10}", "log.every = 10, expected N steps, N epochs, N seconds"),
        BadConfiguration("schedule: {every: 3 epochs, factor: 0.1}", "schedule.name is missing"),
        BadConfiguration("schedule: {name: cosin}", "schedule.name = cosin, expected constant, step, multi_step"),
        BadConfiguration(
            "schedule: {name: cosine, length: 9 seconds}", "schedule.length = 9 seconds, expected N steps"),
        BadConfiguration("schedule: {name: cosine, power: 2}", "schedule.power belongs to schedule polynomial, not to"),
        BadConfiguration(
            "schedule: {name: multi_step, factor: 0.1}", "schedule.milestones is missing, expected a rising"),
        BadConfiguration(
            "schedule: {name: multi_step, factor: 0.1, milestones: [3 epochs, 2 epochs]}", "milestones do not rise"),
        BadConfiguration(
            "schedule: {name: multi_step, factor: 0.1, milestones: [3]}",
            "milestones holds something else than N epochs"),
        BadConfiguration(
            "schedule: {name: one_cycle, div_factor: 0.5}", "schedule.div_factor = 0.5, expected a number"),
        BadConfiguration("schedule: {name: plateau, metric: acc}", "schedule.metric = acc, expected acc1, acc5, loss"),
        BadConfiguration("schedule: {warmup: {from: 0.1}}", "schedule.warmup.steps is missing, expected steps: N or"),
        BadConfiguration(
            "schedule: {warmup: {steps: 1, epochs: 1}}", "schedule.warmup.steps and epochs are both given"),
        BadConfiguration("schedule: {warmup: {steps: 1, from: 2}}", "schedule.warmup.from = 2, expected a share"),
        BadConfiguration("schedule: {name: step, factor: 0.1}", "schedule.every is missing"),
        BadConfiguration("schedule: {name: step, every: 3 epochs}", "schedule.factor is missing"),
        BadConfiguration("schedule: {name: step, every: 3 epochs, factor: 2}", "schedule.factor = 2, expected"),
        BadConfiguration("schedule: {name: step, every: 30 seconds, factor: 0.1}", "schedule.every = 30 seconds"),
        BadConfiguration("schedule: {name: constant, factor: 0.1}", "schedule.factor belongs to schedule step"),
        BadConfiguration(
            "clip: 1", "clip is no mapping; expected the keys norm, value; write clip: {norm: 1}", "clip: none"),
        BadConfiguration("ema: true", "write ema: {decay: 0.999}"),
        BadConfiguration("early_stopping: true", "write early_stopping: {patience: 5}"),
        BadConfiguration("evaluate: 2 epochs", "write evaluate: {every: 2 epochs}"),
        BadConfiguration("schedule: {warmup: 3}", "write schedule: {warmup: {epochs: 3}}"),
        BadConfiguration("loss: mse", "loss.name = mse", "did you mean mean_squared_error?"),
        BadConfiguration("clip: {}", "clip.norm is missing, expected {norm: N}, {value: V}, or clip: none"),
        BadConfiguration("clip: {norm: 0}", "clip.norm = 0, expected a number above 0"),
        BadConfiguration("clip: {norm: 1, value: 1}", "clip.value and clip.norm are both given"),
        BadConfiguration("ema: {decay: 1}", "ema.decay = 1, expected a number from 0, below 1"),
        BadConfiguration("ema: {}", "ema.decay is missing"),
        BadConfiguration("early_stopping: {metric: loss}", "early_stopping.patience is missing"),
        BadConfiguration("early_stopping: {patience: 0}", "early_stopping.patience = 0, expected a whole number 1"),
        BadConfiguration("early_stopping: {patience: 2, min_delta: -1}", "early_stopping.min_delta = -1, expected"),
        BadConfiguration("evaluate: {every: 0 epochs}", "evaluate.every = 0 epochs, expected N steps, N epochs"),
        BadConfiguration("evaluate: {every: 1 second}", "evaluate.every = 1 second"),
        BadConfiguration("evaluate: {every: 9223372036854775807 epochs}", "evaluate.every = 9223372036854775807"),
        BadConfiguration("evaluate: {split: ''}", "evaluate.split = (empty)"),
        BadConfiguration("evaluate: {batch_size: 0}", "evaluate.batch_size = 0"),
        BadConfiguration("checkpoint: {keep: 0}", "checkpoint.keep = 0"),
        BadConfiguration("checkpoint: {kep: 1}", "unknown key checkpoint.kep, did you mean checkpoint.keep?"),
    ]

    /// Settings that would be something else in float32.
    static let singles = [
        BadConfiguration(
            "optimizer: {name: adam, eps: 1e-46}", "eps = 1e-46 is 0 in float32, expected at least 1.2e-38"),
        BadConfiguration(
            "optimizer: {name: adam, eps: 1e-40}", "eps = 1e-40 is below the normal numbers of float32"),
        BadConfiguration("optimizer: {learning_rate: 1e39}", "learning_rate = 1e+39 is infinite in float32"),
        BadConfiguration("optimizer: {learning_rate: 1e-46}", "learning_rate = 1e-46 is 0 in float32"),
        BadConfiguration("optimizer: {weight_decay: 1e300}", "weight_decay = 1e+300 is infinite in float32"),
        BadConfiguration("optimizer: {momentum: 1e-50}", "momentum = 1e-50 is 0 in float32"),
        BadConfiguration("optimizer: {momentum: 0.9999999999}", "momentum = 0.9999999999 is 1 in float32, expected at"),
        BadConfiguration("optimizer: {name: adam, betas: [0.9, 0.9999999999]}", "betas holds something else than two"),
        BadConfiguration("optimizer: {name: lars, trust: 1e-60}", "trust = 1e-60 is 0 in float32"),
        BadConfiguration("clip: {norm: 1e-46}", "clip.norm = 1e-46 is 0 in float32"),
        BadConfiguration("clip: {value: 1e40}", "clip.value = 1e+40 is infinite in float32"),
        BadConfiguration("ema: {decay: 0.999999999}", "ema.decay = 0.999999999 is 1 in float32"),
        BadConfiguration("schedule: {name: cosine, minimum: 1e99}", "schedule.minimum = 1e+99 is infinite in float32"),
        BadConfiguration("schedule: {name: plateau, minimum: 1e-99}", "schedule.minimum = 1e-99 is 0 in float32"),
        BadConfiguration("loss: {class_weights: [1, 1e-46]}", "class_weights holds 1e-46, which is 0 in float32"),
        BadConfiguration(
            whole: "model: tiny\ndata: {file: d.h5, normalize: {mean: [0.5], std: [1e-42]}}",
            "data.normalize.std holds 1e-42, which is below the normal numbers of float32"),
        BadConfiguration(
            whole: "model: {layers: [{LeakyReLU: {negative_slope: 1e39}}]}\ndata: {file: d.h5}",
            "negative_slope = 1e+39 is infinite in float32"),
        BadConfiguration(
            whole: "model: {layers: [{BatchNorm2d: {eps: 1e-300}}]}\ndata: {file: d.h5}", "eps = 1e-300 is 0 in float32"
        ),
    ]

    private static func augment(_ list: String) -> String {
        "model: tiny\ndata: {file: d.h5, augment: \(list)}"
    }

    static let augmentations = [
        BadConfiguration(whole: augment("RandomHorizontalFlip"), "data.augment is no list"),
        BadConfiguration(whole: augment("[RandomFlip]"), "data.augment[0] = RandomFlip, no transform", "did you mean"),
        BadConfiguration(
            whole: augment("[{RandomHorizontalFlip: {p: 2}}]"), "p = 2, expected a number from 0 to 1"),
        BadConfiguration(whole: augment("[{RandomRotation: {angle: 3}}]"), "unknown key", "angle"),
        BadConfiguration(whole: augment("[RandomRotation]"), "degrees is missing, expected a number or [low, high]"),
        BadConfiguration(whole: augment("[{RandomRotation: {degrees: [5, 1]}}]"), "expected low before high"),
        BadConfiguration(whole: augment("[{RandomCrop: {padding: 4}}]"), "size is missing, expected a whole number"),
        BadConfiguration(whole: augment("[{RandomCrop: {size: 8, padding_mode: wrap}}]"), "constant, reflect or edge"),
        BadConfiguration(whole: augment("[{ColorJitter: {hue: 0.7}}]"), "expected 1 or 2 numbers from -0.5 to 0.5"),
        BadConfiguration(whole: augment("[{RandomErasing: {value: 256}}]"), "expected numbers from 0.0 to 255.0"),
    ]

    static let models = [
        BadConfiguration(whole: "", "c.yaml: model is missing, expected one of tiny"),
        BadConfiguration(whole: "# nothing", "model is missing"),
        BadConfiguration(whole: "- 1", "the configuration is no mapping"),
        BadConfiguration(whole: "word", "the configuration is no mapping"),
        BadConfiguration(whole: "data: {file: d.h5}", "model is missing"),
        BadConfiguration(whole: "model: tiny", "data names no file, expected data: {file: FILE.h5}"),
        BadConfiguration(whole: "model: tiny\ndata: {normalize: none}", "data names no file"),
        BadConfiguration(whole: "model: tiny\ndata: d.h5", "data is no mapping"),
        BadConfiguration(whole: "model: tyni\ndata: {file: d}", "c.yaml:1:8: model = tyni", "did you mean tiny?"),
        BadConfiguration(whole: "model: [a]\ndata: {file: d}", "model is no mapping"),
        BadConfiguration(whole: "model: {classes: 10}\ndata: {file: d}", "model.name is missing"),
        BadConfiguration(whole: "model: {name: tiny, classes: 0}\ndata: {file: d}", "model.classes = 0"),
        BadConfiguration(
            whole: "model: tiny\ndata: {file: d, normalize: mean}", "data.normalize = mean, expected none, dataset"),
        BadConfiguration(whole: "model: tiny\ndata: {file: d, normalize: {mean: [0.5]}}", "needs both mean and std"),
        BadConfiguration(
            whole: "model: tiny\ndata: {file: d, normalize: {mean: [0, 0], std: [1]}}", "as many std as mean"),
        BadConfiguration(whole: "model: tiny\ndata: {file: d, normalize: {mean: [0], std: [0]}}", "each std above 0"),
        BadConfiguration(
            whole: "model: tiny\ndata: {file: d, normalize: {mean: 0, std: [1]}}",
            "data.normalize.mean is no list of numbers"),
        BadConfiguration(whole: "model: tiny\ndata: {file: d, normalize: {mean: [a], std: [1]}}", "is no number"),
    ]

    static let yaml = [
        BadConfiguration("seed: 1\nseed: 2", "seed"),
        BadConfiguration("seed: &a 1\nepochs: *a", "c.yaml:3:", "anchors and aliases are not accepted"),
        BadConfiguration("epochs: *a", "c.yaml"),
        BadConfiguration(
            "a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\n"
                + "d: &d [*c, *c, *c, *c, *c, *c, *c, *c]\ne: &e [*d, *d, *d, *d, *d, *d, *d, *d]\n"
                + "f: &f [*e, *e, *e, *e, *e, *e, *e, *e]\ng: &g [*f, *f, *f, *f, *f, *f, *f, *f]\n"
                + "h: &h [*g, *g, *g, *g, *g, *g, *g, *g]\nseed: [*h, *h, *h, *h, *h, *h, *h, *h]",
            "anchors and aliases are not accepted"),
        BadConfiguration("optimizer: {momentum: 0.9", "c.yaml:4:1: not valid YAML"),
        BadConfiguration("\tseed: 1", "c.yaml:3:1: not valid YAML"),
        BadConfiguration("seed: \u{1}", "c.yaml: not valid YAML"),
        BadConfiguration("? [a]\n: 1", "a key must be a word"),
        BadConfiguration("<<: {seed: 1}", "unknown key <<"),
        BadConfiguration("---\nseed: 1", "c.yaml"),
        BadConfiguration(
            "seed: " + String(repeating: "[", count: 40) + String(repeating: "]", count: 40),
            "nested more than 32 levels deep"),
        BadConfiguration(
            "seed: " + String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000),
            "c.yaml:3:8: not valid YAML"),
        BadConfiguration("# " + String(repeating: "x", count: 1 << 20), "bytes, expected at most 1048576"),
    ]
}

@Suite("Bad configurations")
struct ConfigurationErrorTests {
    private func check(_ bad: BadConfiguration) {
        let failure = #expect(throws: Failure.self) {
            try Configuration(
                yaml: bad.text, file: "c.yaml", assignments: [], models: ["tiny", "other"], defaults: Configuration())
        }
        #expect(failure?.code == .configuration)
        let message = failure?.message ?? ""
        for word in bad.words { #expect(message.contains(word), "\(message)") }
        #expect(message.hasPrefix("c.yaml") && !message.contains("\n"), "\(message)")
    }

    @Test("batch, length and seed", arguments: BadConfiguration.batches)
    func batches(bad: BadConfiguration) { check(bad) }

    @Test("optimizer, schedule, evaluation, checkpoints and log", arguments: BadConfiguration.sections)
    func sections(bad: BadConfiguration) { check(bad) }

    @Test("numbers that float32 cannot hold", arguments: BadConfiguration.singles)
    func singles(bad: BadConfiguration) { check(bad) }

    @Test("augmentation", arguments: BadConfiguration.augmentations)
    func augmentations(bad: BadConfiguration) { check(bad) }

    @Test("model and data", arguments: BadConfiguration.models)
    func models(bad: BadConfiguration) { check(bad) }

    @Test("what is no plain YAML mapping", arguments: BadConfiguration.yaml)
    func yaml(bad: BadConfiguration) { check(bad) }

    @Test(
        "a wrong assignment is shown as it was typed",
        arguments: [
            ("optimizer.momentm=1", "unknown key optimizer.momentm, did you mean optimizer.momentum?"),
            ("optimizer=1", "optimizer.name = 1, expected sgd"), ("batch_size=30", "no multiple of shards"),
            ("batch_size={a: 1}", "no single value"), ("optimizer.momentum=", "(empty)"),
            ("epochs=[", "not valid YAML"), ("shards=*x", "shards = *x, expected a whole number"),
            ("data.normalize={mean: [1]", "not valid YAML"),
            ("epochs=3 # three", "epochs = 3 # three, expected a whole number"),
            ("data.normalize.mean=[1]", "both mean and std"),
            ("optimizer..momentum=1", "unknown key"),
        ])
    func assignments(assignment: String, words: String) {
        let failure = #expect(throws: Failure.self) {
            try Configuration(
                yaml: "model: tiny\ndata: {file: d}", file: "c.yaml", assignments: [assignment], models: ["tiny"],
                defaults: Configuration())
        }
        let message = failure?.message ?? ""
        #expect(failure?.code == .configuration && message.contains(words), "\(message)")
        #expect(message.hasPrefix("--set \(assignment)"), "\(message)")
    }
}
