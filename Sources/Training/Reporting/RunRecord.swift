internal import Diagnostics
internal import Files
internal import Glibc
package import Report

/// What a run folder keeps of its run: enough to tell everything about it without the data.
package struct RunRecord {
    package let path: String
    package let configuration: Configuration
    package var history: RunHistory
    /// What environment.json says, by its names.
    private let environment: [(key: String, value: String)]
    private let commands: [String]
    package var snapshot: RunSnapshot?
    package let state: RunFacts.State
    /// What of the folder could not be used.
    package let notes: [String]

    private static let expected = "expected a run folder, such as runs/20261121-030000-quickstart"
    private static let largestText = 1 << 22
    private static let largestSnapshot = 1 << 28

    /// `showsPictures`: whether what report.json holds is wanted.
    ///
    /// Throws: `Failure`: 66 for what is no run folder, 78 for a configuration that cannot be read.
    package init(_ path: String, models: [String], showsPictures: Bool) throws {
        guard let kind = FileKind(of: path) else {
            throw Failure(.inputMissing, "\(path): no such folder, \(Self.expected)")
        }
        guard kind == .folder else { throw Failure(.badData, "\(path): is \(kind.words), \(Self.expected)") }
        guard Self.isRun(path) else {
            throw Failure(.inputMissing, "\(path): holds no config.yaml, \(Self.expected)")
        }
        self.path = path
        let name = path + "/config.yaml"
        configuration = try Configuration(
            yaml: try ConfigurationFile.read(name), file: name, assignments: [], models: models,
            defaults: Configuration(), needsData: false)
        var notes: [String] = []
        let metrics = path + "/metrics.jsonl"
        var reader = MetricsReader(path: metrics)
        if FileKind(of: metrics) != nil { try reader.readOn() }
        if reader.badLines > 0 {
            notes.append("\(metrics): lines that are no events are left out: \(reader.badLines)")
        }
        history = reader.history
        environment = Self.environment(Self.text(path + "/environment.json"))
        commands = Self.text(path + "/command.txt").split(separator: "\n").map(String.init)
        let pictures = path + "/" + Self.snapshotName
        if showsPictures, FileKind(of: pictures) == nil {
            let advice =
                Self.hasCheckpoints(path)
                ? "; swift-train evaluate \(ShellWords.quoted(path)) --confusion FILE.png --worst FILE.png draws them"
                : ""
            notes.append(
                "\(path): holds no \(Self.snapshotName), so the page has no confusion matrix and no images\(advice)")
        } else if showsPictures {
            snapshot = try Self.snapshot(pictures)
            if snapshot == nil {
                notes.append("\(pictures): is no \(Self.snapshotName) of this version, and is left out")
            }
        }
        state = Self.state(history, folder: path)
        self.notes = notes
    }

    /// Beside report.html.
    package static let snapshotName = "report.json"
    package static let pageName = "report.html"

    package static func isRun(_ path: String) -> Bool { FileKind(of: path + "/config.yaml") == .regular }

    static func snapshot(_ path: String) throws -> RunSnapshot? {
        RunSnapshot(
            json: try InputFile(path, expected: "expected a run's \(snapshotName)").bytes(atMost: largestSnapshot))
    }

    package var facts: RunFacts {
        Self.facts(
            path, configuration, state: state, history: history, environment: environment, commands: commands,
            snapshot: snapshot)
    }

    /// Also of a run that has only begun to fill its folder.
    static func facts(
        _ path: String, _ configuration: Configuration, state: RunFacts.State, history: RunHistory,
        environment: [(key: String, value: String)], commands: [String], snapshot: RunSnapshot?
    ) -> RunFacts {
        RunFacts(
            name: name(of: path), model: configuration.model.name, state: state, history: history,
            bestMetric: configuration.bestMetric.rawValue, settings: configuration.settings, environment: environment,
            commands: commands, next: next(path, configuration, state), snapshot: snapshot)
    }

    /// The folder's own name, also where the path is "." or a link to it.
    private static func name(of path: String) -> String {
        let name = FilePath.name(of: path)
        guard ["", ".", ".."].contains(name) else { return name }
        return FilePath.resolved(path).map(FilePath.name) ?? name
    }

    // MARK: Parts

    private static func hasCheckpoints(_ path: String) -> Bool {
        let names = (try? Folder(path + "/checkpoints").names()) ?? []
        return names.contains { $0.hasSuffix(".h5") && !$0.hasPrefix(".") }
    }

    /// Small files of the run; what is not there says nothing.
    static func text(_ path: String) -> String {
        let bytes = try? InputFile(path, expected: "", followingLinks: false).bytes(atMost: largestText)
        return String(decoding: bytes ?? [], as: UTF8.self)
    }

    /// The members of an object, those of objects in it under their own names.
    static func environment(_ text: String) -> [(key: String, value: String)] {
        guard case .object(let members)? = JSON(parsing: text) else { return [] }
        return members.flatMap { member -> [(key: String, value: String)] in
            guard case .object(let inner) = member.value else { return [(member.key, member.value.plain)] }
            return inner.map { ($0.key, $0.value.plain) }
        }
    }

    private static func state(_ history: RunHistory, folder: String) -> RunFacts.State {
        if isLocked(folder + "/run.lock") { return .running }
        guard history.failure == nil else { return .failed }
        switch history.end?.exitCode {
        case Int(ExitCode.done.rawValue): return .finished
        case Int(ExitCode.stoppedEarly.rawValue): return .stopped
        default: return .failed
        }
    }

    /// Whether a process writes the run. Where a file system has no locks nobody can tell.
    private static func isLocked(_ path: String) -> Bool {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY)
        guard file >= 0 else { return false }
        defer { close(file) }
        return FileLock.isHeld(file, path)
    }

    /// Commands for the user to type, word for word; the folder's path counts from where the run was started.
    private static func next(
        _ path: String, _ configuration: Configuration, _ state: RunFacts.State
    ) -> [RunFacts.Command] {
        let (program, run) = (RunCommand.program, ShellWords.quoted(path))
        var commands: [RunFacts.Command] = []
        if state == .finished {
            let longer =
                switch configuration.length {
                case .epochs(let epochs): "epochs=\(Int.product(epochs, 2))"
                case .steps(let steps): "steps=\(Int.product(steps, 2))"
                }
            if FileKind(of: path + "/checkpoints/best.h5") == .regular {
                commands += [
                    .init("Score the best weights", "\(program) evaluate \(run)"),
                    .init("Classify pictures with them", "\(program) predict \(run) PICTURES --output predictions.csv"),
                    .init("Take them to PyTorch", "\(program) export \(run) --output weights.safetensors"),
                ]
            }
            commands.append(.init("Train on, twice as long", "\(program) --run-dir \(run) --set \(longer)"))
        } else {
            let purpose =
                !hasCheckpoints(path)
                ? "Begin again: nothing has been saved"
                : state == .running
                    ? "Go on, once nothing trains here any more" : "Go on from the newest checkpoint"
            commands.append(.init(purpose, "\(program) --run-dir \(run)"))
        }
        return commands + [.init("Make this page again", "\(program) report \(run)")]
    }
}

extension Configuration {
    /// All keys with their values, and what each is where nobody says otherwise.
    package var settings: [RunFacts.Setting] {
        ConfigurationKeys.all.compactMap { key in
            if let variants = key.variants, !variants.names.contains(variants.current(self)) { return nil }
            return key.text(self).map { RunFacts.Setting(key: key.path, value: $0, usual: key.usual(beside: self)) }
        }
    }
}
