internal import Diagnostics
internal import Foundation
internal import Yams

/// A configuration file as a tree that knows where each value stands.
///
/// Values keep their text; what they mean is decided by the key that reads them, so that YAML's own guesses (`no`,
/// `1:30`, `1e-3`) have no say.
struct ConfigurationNode: Sendable {
    indirect enum Content: Sendable {
        case scalar(String)
        case sequence([ConfigurationNode])
        case mapping([(key: String, value: ConfigurationNode)])
    }

    /// "train.yaml:12:5" or "--set optimizer.momentum=2".
    var place: String
    var content: Content

    /// What the place of a value from the command line begins with.
    static let assignmentPlace = "--set "
    static let maximumBytes = 1 << 20
    private static let maximumDepth = 32

    /// Throws: `Failure` with the YAML parser's words.
    init(yaml: String, file: String) throws {
        guard yaml.utf8.count <= Self.maximumBytes else {
            throw Failure(.configuration, "\(file): \(yaml.utf8.count) bytes, expected at most \(Self.maximumBytes)")
        }
        do {
            let parser = try Yams.Parser(yaml: yaml)
            guard let root = try parser.singleRoot() else {
                self.init(place: file, content: .mapping([]))
                return
            }
            // Nodes refer to their anchors weakly; the parser holds them.
            self = try withExtendedLifetime(parser) { try ConfigurationNode(root, file: file, depth: 0) }
        } catch let error as YamlError {
            throw Failure(.configuration, Self.words(for: error, file: file))
        }
    }

    private static func words(for error: YamlError, file: String) -> String {
        switch error {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            return
                "\(file):\(mark.line):\(mark.column): not valid YAML: \(problem); expected lines such as batch_size: 32"
        default:
            let words = "\(error)".split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            return "\(file): not valid YAML: \(words.joined(separator: " "))"
        }
    }

    init(place: String, content: Content) {
        self.place = place
        self.content = content
    }

    private init(_ node: Node, file: String, depth: Int) throws {
        place = node.mark.map { "\(file):\($0.line):\($0.column)" } ?? file
        guard depth <= Self.maximumDepth else {
            throw Failure(.configuration, "\(place): nested more than \(Self.maximumDepth) levels deep")
        }
        // The parser puts the value of `*name` in its place; few lines could stand for billions of values. An anchor comes
        // before its aliases, so this refuses both.
        guard node.anchor == nil else {
            throw Failure(.configuration, "\(place): anchors and aliases are not accepted; write the value out")
        }
        switch node {
        case .scalar(let scalar):
            content = .scalar(scalar.string)
        case .sequence(let sequence):
            content = .sequence(try sequence.map { try ConfigurationNode($0, file: file, depth: depth + 1) })
        case .mapping(let mapping):
            content = .mapping(
                try mapping.map { pair in
                    let key = try ConfigurationNode(pair.key, file: file, depth: depth + 1)
                    guard case .scalar(let name) = key.content else {
                        throw Failure(.configuration, "\(key.place): a key must be a word")
                    }
                    var value = try ConfigurationNode(pair.value, file: file, depth: depth + 1)
                    if case .scalar = value.content {} else { value.place = key.place }
                    return (name, value)
                })
        case .alias:
            throw Failure(.configuration, "\(place): anchors and aliases are not accepted; write the value out")
        }
    }

    /// Sets the value at a dotted path, making the mappings on the way. The value is the text behind `=`; lists, mappings
    /// and quoted text are read as YAML.
    ///
    /// Throws: `Failure(.usage)` when the assignment is not `key=value`.
    mutating func apply(assignment: String) throws {
        guard let equals = assignment.firstIndex(of: "="), equals != assignment.startIndex else {
            throw Failure(.usage, "--set \(assignment): expected key=value, as in --set optimizer.learning_rate=0.01")
        }
        let key = assignment[..<equals].trimmingCharacters(in: .whitespaces)
        let path = key.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
        let place = Self.assignmentPlace + assignment
        let text = assignment[assignment.index(after: equals)...].trimmingCharacters(in: .whitespaces)
        var value = ConfigurationNode(place: place, content: .scalar(text))
        if let first = text.first, let end = Self.ends[first] {
            if text.count > 1, text.hasSuffix(end) {
                value = try ConfigurationNode(yaml: text, file: place)
            } else if end == "]" || end == "}" {
                throw Failure(.configuration, "\(place): not valid YAML: expected \(end) at the end")
            }
        }
        value.place = place
        if let other = Self.alternatives[key] { removeUnassigned(other) }
        set(path[...], to: value)
    }

    /// What a value that is read as YAML begins and ends with.
    private static let ends: [Character: String] = ["[": "]", "{": "}", "\"": "\"", "'": "'"]

    /// Keys of which only one can hold: setting one takes the file's other one back.
    private static let alternatives = ["epochs": "steps", "steps": "epochs"]

    private mutating func removeUnassigned(_ key: String) {
        guard case .mapping(let pairs) = content else { return }
        content = .mapping(pairs.filter { $0.key != key || $0.value.place.hasPrefix(Self.assignmentPlace) })
    }

    private mutating func set(_ path: ArraySlice<String>, to value: ConfigurationNode) {
        guard let key = path.first else {
            self = value
            return
        }
        var pairs: [(key: String, value: ConfigurationNode)] = []
        switch content {
        case .mapping(let existing): pairs = existing
        // `model: lenet5` is short for `model: {name: lenet5}`, also for someone who sets model.classes.
        // `none` is what a mapping replaces.
        case .scalar(let name) where !name.isEmpty && name != "none":
            pairs = [("name", ConfigurationNode(place: place, content: .scalar(name)))]
        default: break
        }
        if let index = pairs.firstIndex(where: { $0.key == key }) {
            pairs[index].value.set(path.dropFirst(), to: value)
        } else {
            var child = ConfigurationNode(place: value.place, content: .mapping([]))
            child.set(path.dropFirst(), to: value)
            pairs.append((key, child))
        }
        content = .mapping(pairs)
    }
}
