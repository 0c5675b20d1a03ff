internal import ArgumentParser
internal import Diagnostics
internal import Report
internal import Training

/// `swift-train keys`: the keys of a configuration, what they mean and what they may be.
struct KeysCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "keys", abstract: "Explain the keys of a configuration: meaning, values and default.",
        discussion: """
            Without a word: every key in a line. With a key such as optimizer.momentum, or the name of a section such \
            as schedule: all that is known of it.
            """)

    @Argument(
        help: ArgumentHelp("A key or a section.", valueName: "key"), completion: .list(ConfigurationKeys.paths))
    var key: String?

    @Flag(help: "Every key as a page of Markdown.")
    var markdown = false

    func validate() throws {
        guard key == nil || !markdown else {
            throw ValidationError("--markdown writes every key, expected no key beside it")
        }
    }

    func run() throws {
        if markdown { return try StandardOutput.write(Self.page) }
        guard let key else {
            let keys = ConfigurationKeys.all.filter { ConfigurationKeys.paths.contains($0.path) }
            return try StandardOutput.line(TextTable(facts: keys.map { ($0.path, $0.meaning) }).text)
        }
        let found = ConfigurationKeys.all.filter { $0.path == key || $0.path.hasPrefix("\(key).") }
        guard !found.isEmpty else {
            let known = ConfigurationKeys.all.map(\.path)
            let meant = ConfigurationKeys.meant(by: key)
            let near = meant.isEmpty ? [Suggestion.nearest(to: key, in: known)].compactMap(\.self) : meant
            let advice =
                ConfigurationKeys.absence(of: key).map { "; \($0)" }
                ?? (near.isEmpty
                    ? "; swift-train keys lists them all" : ", did you mean \(near.joined(separator: " or "))?")
            throw Failure(.usage, "\(key): no key of a configuration\(advice)")
        }
        try StandardOutput.line(found.map(Self.text).joined(separator: "\n\n"))
    }

    private static func text(_ key: ConfigurationKey) -> String {
        """
        \(key.path)
          \(key.meaning)
          expected  \(key.expected)
          default   \(defaults(key))
          \(resuming(key))
        """
    }

    private static func resuming(_ key: ConfigurationKey) -> String {
        switch key.resuming {
        case .same: "must be the same when a run goes on"
        case .free: "may change when a run goes on"
        case .elsewhere: "may lie elsewhere when a run goes on"
        case .length: "may change when a run goes on, unless the learning rate follows the length of the run"
        }
    }

    /// Every key, section by section: what a page for readers says of them.
    private static var page: String {
        let keys = ConfigurationKeys.all.filter { ConfigurationKeys.paths.contains($0.path) }
        let rows = keys.map { key in
            let cells = [key.meaning, key.expected, defaults(key), resuming(key)].map {
                $0.replacing("|", with: "\\|").replacing("<", with: "&lt;")
            }
            return "| `\(key.path)` | " + cells.joined(separator: " | ") + " |"
        }
        return """
            # The keys of a configuration

            `swift-train keys --markdown` writes this page. `--set KEY=VALUE` sets a key, `--print-config` shows all of a run's, and
            `swift-train keys KEY` explains one.

            | Key | Meaning | Expected | Default | When a run goes on |
            |---|---|---|---|---|

            """ + rows.map { $0 + "\n" }.joined()
    }

    /// "to be given (step, exponential), 0.1 (plateau)".
    private static func defaults(_ key: ConfigurationKey) -> String {
        var texts: [(text: String, names: [String])] = []
        for (name, text) in key.defaults {
            let names = name.map { [$0] } ?? []
            if let index = texts.firstIndex(where: { $0.text == text }) {
                texts[index].names += names
            } else {
                texts.append((text, names))
            }
        }
        return texts.map { $0.names.isEmpty ? $0.text : "\($0.text) (\($0.names.joined(separator: ", ")))" }
            .joined(separator: ", ")
    }
}
