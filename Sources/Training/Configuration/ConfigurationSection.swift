internal import Diagnostics

/// Reads one mapping of a configuration, key by key, and refuses the keys that nobody asked for.
struct ConfigurationSection {
    let path: String
    private let place: String
    private let pairs: [(key: String, value: ConfigurationNode)]
    private let known: [String]

    /// `known` are the section's keys, those of the documentation unless it describes layers.
    ///
    /// Throws: `Failure` for a node that is no mapping, a key given twice and a key that is not in `known`.
    init(_ node: ConfigurationNode, path: String, known layerKeys: [String]? = nil) throws {
        let known = layerKeys ?? ConfigurationKeys.known(in: path)
        let pairs: [(key: String, value: ConfigurationNode)]
        switch node.content {
        case .mapping(let given): pairs = given
        case .scalar(let name) where ConfigurationKeys.isNamed(path) && !name.isEmpty: pairs = [("name", node)]
        default:
            let line =
                if case .scalar(let text) = node.content { ConfigurationKeys.line(for: path, value: text) } else { "" }
            throw Failure(
                .configuration,
                "\(node.place): \(path.isEmpty ? "the configuration" : path) is no mapping; expected the keys "
                    + known.joined(separator: ", ") + line)
        }
        self.path = path
        place = node.place
        self.pairs = pairs
        self.known = known
        var seen: Set<String> = []
        for (key, value) in pairs {
            guard known.contains(key) else {
                throw Failure(
                    .configuration,
                    "\(value.place): unknown key \(name(of: key))"
                        + (layerKeys == nil ? ConfigurationKeys.advice(for: key, in: path) : advice(for: key)))
            }
            guard seen.insert(key).inserted else {
                throw Failure(.configuration, "\(value.place): \(name(of: key)) is given twice")
            }
        }
    }

    var keys: [String] { pairs.map(\.key) }

    func has(_ key: String) -> Bool { node(key) != nil }

    func node(_ key: String) -> ConfigurationNode? { pairs.first { $0.key == key }?.value }

    /// Whether the command line has set the key.
    func isAssigned(_ key: String) -> Bool { node(key)?.place.hasPrefix(ConfigurationNode.assignmentPlace) ?? false }

    /// The value of a key as the type wants it; nil when the key is absent. `names` are the words that it can be.
    func value<T>(_ key: String, expected: String, names: [String] = [], _ convert: (String) -> T?) throws -> T? {
        guard let node = node(key) else { return nil }
        guard case .scalar(let text) = node.content else {
            throw Failure(.configuration, "\(node.place): \(name(of: key)) is no single value, expected \(expected)")
        }
        guard let value = convert(text) else {
            throw Failure(
                .configuration,
                "\(node.place): \(name(of: key)) = \(text.isEmpty ? "(empty)" : text), expected \(expected)"
                    + Self.suggestion(for: text, in: names))
        }
        return value
    }

    /// One of the words that a key can be; nil when the key is absent.
    func choice(_ key: String, _ names: [String]) throws -> String? {
        try value(key, expected: Self.expectation(of: names), names: names) { names.contains($0) ? $0 : nil }
    }

    /// The case of an enumeration that a key names; nil when the key is absent.
    func choice<T: CaseIterable & RawRepresentable<String>>(_ key: String, _ type: T.Type) throws -> T? {
        try choice(key, T.allCases.map(\.rawValue)).flatMap(T.init)
    }

    /// A path, with `~` for the home folder; nil when the key is absent.
    func path(_ key: String) throws -> String? { try text(key).map(HomePath.expanded) }

    func text(_ key: String) throws -> String? { try value(key, expected: "text") { $0.isEmpty ? nil : $0 } }

    func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        try value(key, expected: Self.expectation(of: range)) { Int($0).flatMap { range.contains($0) ? $0 : nil } }
    }

    func number(_ key: String, expected: String, where accept: (Double) -> Bool) throws -> Double? {
        try value(key, expected: expected) { Double($0).flatMap { $0.isFinite && accept($0) ? $0 : nil } }
    }

    func boolean(_ key: String) throws -> Bool? {
        try choice(key, ["true", "false"]).map { $0 == "true" }
    }

    func interval(_ key: String, units: [Interval.Unit]) throws -> Interval? {
        try value(key, expected: Self.expectation(of: units)) {
            Interval($0).flatMap { units.contains($0.unit) ? $0 : nil }
        }
    }

    func numbers(_ key: String) throws -> [Float]? {
        guard let node = node(key) else { return nil }
        guard case .sequence(let items) = node.content, !items.isEmpty else {
            throw Failure(.configuration, "\(node.place): \(name(of: key)) is no list of numbers, one for each channel")
        }
        return try items.map { item in
            guard case .scalar(let text) = item.content, let number = Float(text), number.isFinite else {
                throw Failure(.configuration, "\(item.place): \(name(of: key)) holds something that is no number")
            }
            if let misfit = Double(text).flatMap(SinglePrecision.misfit) {
                throw Failure(.configuration, "\(item.place): \(name(of: key)) holds \(text), which \(misfit)")
            }
            return number
        }
    }

    /// A list of which the type wants every item; nil when the key is absent.
    func list<T>(_ key: String, expected: String, _ convert: (String) -> T?) throws -> [T]? {
        guard let node = node(key) else { return nil }
        guard case .sequence(let items) = node.content else {
            throw Failure(.configuration, "\(node.place): \(name(of: key)) is no list, expected [\(expected)]")
        }
        return try items.map { item in
            guard case .scalar(let text) = item.content, let value = convert(text) else {
                throw Failure(
                    .configuration, "\(item.place): \(name(of: key)) holds something else than \(expected)")
            }
            return value
        }
    }

    /// Whether the key holds the word `none`, which turns off what a mapping in its place would set up.
    func isNone(_ key: String) -> Bool {
        guard case .scalar(let text)? = node(key)?.content else { return false }
        return text == "none"
    }

    func section(_ key: String) throws -> ConfigurationSection? {
        try node(key).map { try ConfigurationSection($0, path: name(of: key)) }
    }

    /// The failure for a value that is wrong in itself or together with others.
    func failure(_ key: String, _ message: String) -> Failure {
        Failure(.configuration, "\(node(key)?.place ?? place): \(name(of: key)) \(message)")
    }

    static func expectation(of names: [String]) -> String { names.joined(separator: names.count == 2 ? " or " : ", ") }

    static func expectation(of range: ClosedRange<Int>) -> String {
        range.upperBound == .max
            ? "a whole number from \(range.lowerBound)" : "a whole number \(range.lowerBound)…\(range.upperBound)"
    }

    static func expectation(of units: [Interval.Unit]) -> String {
        units.map { "N \($0.rawValue)s" }.joined(separator: ", ") + ", N from 1"
    }

    private func name(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    private func advice(for key: String) -> String {
        if key == "inplace" { return ", which changes no result: leave it out" }
        return Suggestion.nearest(to: key, in: known).map { ", did you mean \(name(of: $0))?" }
            ?? "; known here: \(known.joined(separator: ", "))"
    }

    /// What values are called elsewhere, as `Suggestion.plain` writes it.
    private static let synonyms = [
        "mse": "mean_squared_error", "mseloss": "mean_squared_error", "l2": "mean_squared_error",
        "ce": "cross_entropy", "crossentropyloss": "cross_entropy", "nll": "cross_entropy", "nllloss": "cross_entropy",
        "categoricalcrossentropy": "cross_entropy", "softmax": "cross_entropy", "accuracy": "acc1", "acc": "acc1",
        "top1": "acc1", "top5": "acc5", "valloss": "loss", "valacc": "acc1", "momentum": "sgd", "nesterov": "sgd",
        "steplr": "step", "multisteplr": "multi_step", "cosineannealing": "cosine", "cosineannealinglr": "cosine",
        "onecyclelr": "one_cycle", "reducelronplateau": "plateau", "poly": "polynomial", "linear": "polynomial",
        "none": "constant", "yes": "true", "on": "true", "1": "true", "no": "false", "off": "false", "0": "false",
        "batch": "global", "sync": "global", "ignore": "skip", "error": "stop", "raise": "stop",
    ]

    /// "; did you mean adam?", or nothing.
    private static func suggestion(for text: String, in names: [String]) -> String {
        let meant = synonyms[Suggestion.plain(text)].flatMap { names.contains($0) ? $0 : nil }
        return (meant ?? Suggestion.nearest(to: text, in: names)).map { "; did you mean \($0)?" } ?? ""
    }
}
