internal import ArgumentParser
internal import Diagnostics
internal import Foundation
internal import Models
internal import Training

/// What is wrong with a command line that the parser refuses: the first word that nobody knows, and what was meant.
///
/// The parser's own words blame whatever it stumbles over, which may be the option behind a misspelt command.
struct CommandAdvice {
    /// The command whose help is worth reading: "swift-train convert idx".
    private(set) var command: String
    /// nil where every word is known, and the parser's own words are right.
    private(set) var words: String?

    private static let program = "swift-train"

    init(arguments: [String]) {
        command = Self.program
        guard var node = CommandNode.root else { return }
        var rest = arguments[...]
        while let first = rest.first, !node.subcommands.isEmpty {
            if let next = node.subcommands.first(where: { $0.commandName == first }) {
                node = next
                command += " \(first)"
                rest = rest.dropFirst()
            } else if !first.hasPrefix("-") {
                words = Self.unknownCommand(first, in: node)
                return
            } else {
                break
            }
        }
        if node.commandName == Self.program, let train = node.subcommands.first(where: { $0.commandName == "train" }) {
            node = train
            command += " train"
        }
        words = Self.firstUnknown(rest, in: node)
    }

    // ---- Commands

    private static func unknownCommand(_ word: String, in node: CommandNode) -> String {
        let known = node.subcommands.map(\.commandName).filter { $0 != "help" }
        guard node.commandName == program else {
            let glance = FileGlance(word)
            let way =
                glance == .missing
                ? "as in swift-train convert folder FOLDER --output FILE.h5" : GivenFile.wayToDataset(word, glance)
            let near = Suggestion.nearest(to: word, in: known).map { ", did you mean \($0)?" } ?? ","
            return
                "\(node.commandName) knows nothing of \(word)\(near) expected one of \(known.joined(separator: ", ")); \(way)"
        }
        if let words = fileOrSetting(word) { return words }
        if let words = absent[word.lowercased()] { return "there is no command \(word): \(words)" }
        let meant = synonyms[word.lowercased()] ?? Suggestion.nearest(to: word, in: known)
        return "there is no command \(word)\(meant.map { ", did you mean \($0)?" } ?? ".") Commands: "
            + known.joined(separator: ", ")
    }

    private static let synonyms = [
        "eval": "evaluate", "score": "evaluate", "test": "evaluate", "validate": "evaluate", "fit": "train",
        "run": "train", "resume": "train", "info": "inspect", "show": "inspect", "dump": "inspect", "ls": "inspect",
        "fine-tune": "finetune", "transfer": "finetune", "infer": "predict", "classify": "predict",
        "inference": "predict", "benchmark": "bench", "time": "bench",
        "import": "convert", "layers": "summary", "describe": "summary",
    ]

    private static let curves =
        "report RUN draws them, export RUN --output metrics.csv writes every number, train --set log.tensorboard=true what TensorBoard draws, "
        + "evaluate RUN --confusion FILE.svg the mistakes"

    private static let absent = [
        "models": "the networks are \(ModelRegistry.names.joined(separator: ", ")); swift-train summary NAME shows one",
        "list": "the networks are \(ModelRegistry.names.joined(separator: ", ")); swift-train summary NAME shows one",
        "curves": curves,
        "plot": curves,
        "version": "the option is --version",
    ]

    // ---- Options and arguments

    private static func firstUnknown(_ words: ArraySlice<String>, in node: CommandNode) -> String? {
        var words = words
        var positionals = 0
        while let word = words.popFirst() {
            if word == "--" { return nil }
            guard word.hasPrefix("-"), word.count > 1 else {
                positionals += 1
                guard positionals > node.positionals else { continue }
                return unexpected(word, in: node)
            }
            let name = String(word.drop { $0 == "-" }.prefix { $0 != "=" })
            guard let option = node.argument(name), word.hasPrefix("--") || name.count == 1 else {
                let value = word.contains("=") ? String(word.drop { $0 != "=" }.dropFirst()) : words.first
                return unknownOption(String(word.prefix { $0 != "=" }), name, value: value, in: node)
            }
            guard option.kind == "option", !word.contains("=") else { continue }
            words = words.dropFirst()
            // Such an option takes all words up to the next one.
            if option.parsingStrategy == "upToNextOption" { words = words.drop { !$0.hasPrefix("-") } }
        }
        return nil
    }

    private static func unexpected(_ word: String, in node: CommandNode) -> String {
        if let root = CommandNode.root, root.subcommands.contains(where: { $0.commandName == word }) {
            return "\(word) stands first: swift-train \(word) …"
        }
        if node.commandName == "train", let words = fileOrSetting(word) { return words }
        let takes = node.positionals == 0 ? "takes options alone" : "takes \(node.positionals) argument"
        return "unexpected word '\(word)'; \(node.commandName) \(takes)"
    }

    /// What a word without an option in front should have had.
    private static func fileOrSetting(_ word: String) -> String? {
        if let key = word.split(separator: "=").first, word.contains("="), !key.isEmpty {
            return "a setting stands behind --set: --set '\(word)'"
        }
        let glance = FileGlance(word)
        if word.hasSuffix(".yaml") || word.hasSuffix(".yml") || glance == .yaml {
            return "a configuration is named with --config \(word)"
        }
        if glance == .hdf5 {
            return GivenFile.format(of: word) == .checkpoint
                ? "a checkpoint is named with --resume \(word), or evaluate \(word)"
                : "a dataset is named with --data \(word)"
        }
        return nil
    }

    private static func unknownOption(_ word: String, _ name: String, value: String?, in node: CommandNode) -> String {
        let own = node.arguments.flatMap(\.longNames)
        let value = value.flatMap { $0.hasPrefix("-") ? nil : $0 } ?? "VALUE"
        if let words = absentOption(name, value: value, in: node) { return "there is no option \(word): \(words)" }
        if let same = own.first(where: { Suggestion.plain($0) == Suggestion.plain(name) }) {
            return "there is no option \(word), did you mean --\(same)?"
        }
        if let key = setting(name, in: node) {
            return "\(word) is a setting of the configuration: --set '\(key)=\(value)'"
        }
        if let near = Suggestion.nearest(to: name, in: own) {
            return "there is no option \(word), did you mean --\(near)?"
        }
        if node.commandName == "train", let near = Suggestion.nearest(to: name, in: ConfigurationKeys.paths) {
            return "there is no option \(word); did you mean the setting --set '\(near)=\(value)'?"
        }
        let below = node.commands(with: name).map { "\(node.commandName) \($0)" }
        let others = below.isEmpty ? CommandNode.root?.commands(with: name) ?? [] : below
        guard others.isEmpty else {
            return "\(node.commandName) has no \(word); it is an option of \(others.joined(separator: ", "))"
        }
        return "there is no option \(word); \(node.commandName) has \(own.map { "--\($0)" }.joined(separator: ", "))"
    }

    /// The key that someone means who gives a setting as an option.
    private static func setting(_ name: String, in node: CommandNode) -> String? {
        let meant = ConfigurationKeys.meant(by: name)
        switch node.commandName {
        case "train": return meant.first
        case "evaluate":
            let own = ["evaluate.\(name)", name].lazy.flatMap { ConfigurationKeys.meant(by: $0) }
            return own.first { $0.hasPrefix("evaluate.") || $0.hasPrefix("data.normalize") }
        default: return nil
        }
    }

    private static func absentOption(_ name: String, value: String, in node: CommandNode) -> String? {
        switch (node.commandName, Suggestion.plain(name)) {
        case ("train", "json"): return "metrics.jsonl in the run folder has one JSON object a line"
        case ("train", "checkpoint"), ("train", "ckpt"): return "a run goes on from a checkpoint with --resume \(value)"
        case ("train", "n"), ("train", "np"), ("train", "ranks"), ("train", "nproc"), ("train", "nprocpernode"):
            return "ranks are started by mpirun -np \(value) swift-train, or launch/local -n \(value)"
        case ("train", "valsplit"), ("train", "validationsplit"), ("train", "holdout"):
            return
                "one part of five is held out of the training images by --set data.fold=1/5 --set evaluate.split=held-out"
        case ("train", "output"), ("train", "outputdir"), ("train", "outdir"), ("train", "out"), ("train", "savedir"),
            ("train", "logdir"), ("train", "workdir"):
            return "the run folder is named with --run-dir \(value)"
        case ("train", _): return ConfigurationKeys.absence(of: name)
        case ("summary", "model"), ("bench", "model"), ("summary", "network"), ("bench", "network"):
            return "the network stands without one: swift-train \(node.commandName) \(value)"
        case ("evaluate", "rundir"), ("evaluate", "run"), ("inspect", "checkpoint"), ("inspect", "file"),
            ("inspect", "data"),
            ("inspect", "rundir"), ("idx", "input"), ("idx", "folder"), ("idx", "data"):
            return "the file or folder stands without one, right behind the command"
        case ("evaluate", "output"):
            return
                "--predictions FILE.csv writes every sample's classes, --logits FILE.h5 its outputs, --confusion FILE.csv the "
                + "mistakes"
        default: return nil
        }
    }
}

/// A command as the parser knows it.
private struct CommandNode: Decodable {
    struct Argument: Decodable {
        struct Name: Decodable { let name: String }
        let kind: String
        let parsingStrategy: String?
        let isRepeating: Bool?
        let names: [Name]?

        var longNames: [String] { (names ?? []).map(\.name).filter { $0.count > 1 } }
    }
    private struct Dump: Decodable { let command: CommandNode }

    let commandName: String
    private let children: [CommandNode]?
    private let own: [Argument]?

    private enum CodingKeys: String, CodingKey {
        case commandName
        case children = "subcommands"
        case own = "arguments"
    }

    static let root = try? JSONDecoder().decode(Dump.self, from: Data(SwiftTrain._dumpHelp().utf8)).command

    var subcommands: [CommandNode] { children ?? [] }
    var arguments: [Argument] { own ?? [] }
    /// How many words without an option it takes.
    var positionals: Int {
        let own = arguments.filter { $0.kind == "positional" }
        return own.contains { $0.isRepeating ?? false } ? .max : own.count
    }

    func argument(_ name: String) -> Argument? {
        arguments.first { $0.names?.contains { $0.name == name } ?? false }
    }

    /// The commands below that have an option of this name.
    func commands(with name: String) -> [String] {
        subcommands.flatMap { child in
            (child.argument(name) == nil ? [] : [child.commandName])
                + child.commands(with: name).map { "\(child.commandName) \($0)" }
        }
    }
}
