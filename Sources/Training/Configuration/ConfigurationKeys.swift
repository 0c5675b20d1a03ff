internal import Diagnostics

/// Every key of a configuration, and what people call some of them elsewhere.
package enum ConfigurationKeys {
    /// Every key, in the order of the documentation; it is read, compared and printed in this order.
    package static let all: [ConfigurationKey] =
        Configuration.modelKeys + Configuration.weightsKeys + Configuration.freezeKeys
        + Configuration.featureKeys + Configuration.dataKeys
        + Configuration.batchKeys
        + Configuration.lengthKeys
        + Configuration.lossKeys + Configuration.batchNormKeys + Configuration.engineKeys
        + Configuration.optimizerKeys
        + Configuration.scheduleKeys + Configuration.warmupKeys + Configuration.clipKeys + Configuration.averagingKeys
        + Configuration.earlyStoppingKeys + Configuration.evaluationKeys + Configuration.watchingKeys

    private static let rows = Dictionary(uniqueKeysWithValues: all.map { ($0.path, $0) })

    /// The row of a key or of a section that has one of its own; nil where there is none.
    package static func row(at path: String) -> ConfigurationKey? { rows[path] }

    /// The names in each section, by the section's path; "" is the whole configuration.
    private static let sections: [String: [String]] = {
        var sections: [String: [String]] = [:]
        for key in all {
            var path = ""
            for name in key.path.split(separator: ".").map(String.init) {
                if sections[path]?.contains(name) != true { sections[path, default: []].append(name) }
                path += path.isEmpty ? name : ".\(name)"
            }
        }
        return sections
    }()

    /// The keys of a section.
    static func known(in path: String) -> [String] { sections[path] ?? [] }

    /// Whether a name alone can stand for a section: `optimizer: adam` is `optimizer: {name: adam}`.
    static func isNamed(_ path: String) -> Bool { rows["\(path).name"] != nil }

    /// The paths of all keys that hold values, in the order of the documentation.
    package static let paths: [String] = all.map(\.path).filter { known(in: $0).isEmpty }

    /// What other programs call a key, as `Suggestion.plain` writes it.
    private static let synonyms = [
        "lr": "optimizer.learning_rate", "alr": "optimizer.learning_rate", "eta": "optimizer.learning_rate",
        "wd": "optimizer.weight_decay", "l2": "optimizer.weight_decay", "decay": "optimizer.weight_decay",
        "optim": "optimizer.name", "solver": "optimizer.name", "beta1": "optimizer.betas", "beta2": "optimizer.betas",
        "epsilon": "optimizer.eps",
        "batch": "batch_size", "bs": "batch_size", "b": "batch_size", "minibatch": "batch_size",
        "globalbatchsize": "batch_size",
        "numepochs": "epochs", "nepochs": "epochs", "maxepochs": "epochs", "epoch": "epochs", "nbepochs": "epochs",
        "numsteps": "steps", "maxsteps": "steps", "iterations": "steps", "iters": "steps", "maxiter": "steps",
        "maxiters": "steps", "randomseed": "seed", "rngseed": "seed", "randomstate": "seed",
        "arch": "model.name", "architecture": "model.name", "network": "model.name", "net": "model.name",
        "backbone": "model.name", "modelname": "model.name", "numclasses": "model.classes",
        "nclasses": "model.classes", "inchannels": "model.channels", "drop": "model.dropout",
        "pretrained": "weights", "init": "weights", "initialweights": "weights", "pretrainedweights": "weights",
        "classifier": "head", "frozen": "freeze", "freezelayers": "freeze", "requiresgrad": "freeze",
        "freezebackbone": "freeze", "freezebn": "frozen_batch_norm", "paramgroups": "optimizer.groups",
        "parametergroups": "optimizer.groups",
        "dataset": "data.file", "datafile": "data.file", "datapath": "data.file", "path": "data.file",
        "datadir": "data.file",
        "datasetfile": "data.file", "inputfile": "data.file", "normalization": "data.normalize",
        "augmentation": "data.augment", "transforms": "data.augment",
        "workers": "data.readers", "numworkers": "data.readers", "sampler": "data.sampling", "subset": "data.fraction",
        "trainfraction": "data.fraction", "kfold": "data.fold", "folds": "data.fold", "holdout": "data.fold",
        "heldout": "data.fold", "mixup": "data.mix",
        "cutmix": "data.mix",
        "scheduler": "schedule.name", "lrschedule": "schedule.name", "lrscheduler": "schedule.name",
        "warmupsteps": "schedule.warmup.steps", "warmupepochs": "schedule.warmup.epochs",
        "stepsize": "schedule.every", "gamma": "schedule.factor", "minlr": "schedule.minimum",
        "etamin": "schedule.minimum", "tmax": "schedule.length", "maxlr": "optimizer.learning_rate",
        "gradclip": "clip.norm", "clipnorm": "clip.norm", "maxgradnorm": "clip.norm", "clipgradnorm": "clip.norm",
        "gradientclipval": "clip.norm", "clipgrad": "clip.norm", "gradnorm": "clip.norm", "clipvalue": "clip.value",
        "emadecay": "ema.decay", "earlystop": "early_stopping.patience", "criterion": "loss.name",
        "lossfn": "loss.name", "smoothing": "loss.label_smoothing",
        "val": "evaluate.split", "validation": "evaluate.split", "valsplit": "evaluate.split",
        "valid": "evaluate.split",
        "test": "evaluate.split", "evalevery": "evaluate.every", "evalinterval": "evaluate.every",
        "evalbatchsize": "evaluate.batch_size", "valbatchsize": "evaluate.batch_size",
        "testbatchsize": "evaluate.batch_size",
        "monitor": "best_metric", "metric": "best_metric", "saveevery": "checkpoint.every",
        "checkpointinterval": "checkpoint.every", "savetotallimit": "checkpoint.keep", "savetopk": "checkpoint.keep",
        "loginterval": "log.every", "printfreq": "log.every", "logevery": "log.every", "logginginterval": "log.every",
        "loggingsteps": "log.every", "outputdir": "runs_dir", "outdir": "runs_dir", "logdir": "runs_dir",
        "savedir": "runs_dir", "workdir": "runs_dir", "output": "runs_dir", "rundir": "runs_dir",
    ]

    /// What this version has no key for, with the way that there is.
    private static let absent: [String: String] = [
        "finetune": "--weights FILE starts from weights, with a new head where the classes are others",
        "threads": "threads are no setting of a run: --threads N",
        "numthreads": "threads are no setting of a run: --threads N",
        "resume": "where a run goes on is an option: --resume auto, never or a checkpoint",
        "device": "this program computes on CPUs", "gpus": "this program computes on CPUs",
        "amp": "this program computes in float32", "dtype": "this program computes in float32",
        "precision": "this program computes in float32",
    ]

    /// What the program has no setting for, and what there is instead; nil for other words.
    package static func absence(of key: String) -> String? { absent[Suggestion.plain(lastName(key))] }

    /// The paths of keys that someone who writes `key` means for certain: the key itself by another spelling or another
    /// program's name, or keys of this name elsewhere.
    package static func meant(by key: String) -> [String] {
        let (whole, last) = (Suggestion.plain(key), Suggestion.plain(lastName(key)))
        if let path = (all.map(\.path) + known(in: "")).first(where: { Suggestion.plain($0) == whole }) {
            return [path]
        }
        if let path = synonyms[whole] ?? synonyms[last] { return [path] }
        return paths.filter { Suggestion.plain(lastName($0)) == last }
    }

    /// What to say behind "unknown key": ", did you mean …?", a way that there is, or the keys of the section.
    static func advice(for key: String, in section: String) -> String {
        let known = known(in: section)
        let path = { (key: String) in section.isEmpty ? key : "\(section).\(key)" }
        // A section's own key in another spelling comes before all others.
        if let same = known.first(where: { Suggestion.plain($0) == Suggestion.plain(key) }) {
            return ", did you mean \(path(same))?"
        }
        if let words = absence(of: key) { return "; \(words)" }
        let meant = meant(by: key)
        if (1...3).contains(meant.count) { return ", did you mean \(meant.joined(separator: " or "))?" }
        if let near = Suggestion.nearest(to: key, in: known) { return ", did you mean \(path(near))?" }
        let names = paths.map(lastName)
        if let near = Suggestion.nearest(to: lastName(key), in: names), let index = names.firstIndex(of: near) {
            return ", did you mean \(paths[index])?"
        }
        return "; known here: \(known.joined(separator: ", "))"
    }

    /// A section's key that a value alone most likely is for, with an example.
    private static let main = [
        "clip": ("norm", "1.0"), "ema": ("decay", "0.999"), "early_stopping": ("patience", "5"),
        "evaluate": ("every", "1 epoch"), "checkpoint": ("every", "1 epoch"), "log": ("every", "1 second"),
        "watchdog": ("stop", "600 seconds"), "compare_ranks": ("every", "100 steps"), "data": ("file", "FILE.h5"),
        "model": ("name", "resnet18"),
        "schedule.warmup": ("epochs", "1"),
    ]

    /// "; write clip.norm=1.0" for a section that was given a single value.
    static func line(for section: String, value: String) -> String {
        guard let (key, example) = main[section] else { return "" }
        let isSwitch = ["", "true", "false", "yes", "no", "on", "off"].contains(value.lowercased())
        let path = "\(section).\(key)"
        let text = isSwitch ? example : value
        let yaml = path.split(separator: ".").reversed().reduce(text) { "\($1): " + ($0 == text ? $0 : "{\($0)}") }
        let off = ["clip", "ema", "early_stopping"].contains(section) ? ", or \(section): none" : ""
        return "; write \(yaml) (--set '\(path)=\(text)')\(off)"
    }

    private static func lastName(_ path: String) -> String {
        path.split(separator: ".").last.map(String.init) ?? path
    }
}
