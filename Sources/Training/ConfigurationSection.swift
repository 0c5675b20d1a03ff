internal import Diagnostics

/// Reads one mapping of a configuration, key by key, and refuses the keys that nobody asked for.
struct ConfigurationSection {
    private let path: String
    private let place: String
    private let pairs: [(key: String, value: ConfigurationNode)]
    private let known: [String]

    /// Throws: `Failure` for a node that is no mapping, a key given twice and a key that is not in `known`.
    init(_ node: ConfigurationNode, path: String, known: [String]) throws {
        guard case .mapping(let pairs) = node.content else {
            throw Failure(
                .configuration,
                "\(node.place): \(path.isEmpty ? "the configuration" : path) is no mapping; expected the keys "
                    + known.joined(separator: ", "))
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
                        + (Self.nearest(to: key, in: known).map { ", did you mean \(name(of: $0))?" }
                            ?? "; known here: \(known.joined(separator: ", "))"))
            }
            guard seen.insert(key).inserted else {
                throw Failure(.configuration, "\(value.place): \(name(of: key)) is given twice")
            }
        }
    }

    func has(_ key: String) -> Bool { node(key) != nil }

    func node(_ key: String) -> ConfigurationNode? { pairs.first { $0.key == key }?.value }

    /// The value of a key as the type wants it; nil when the key is absent.
    func value<T>(_ key: String, expected: String, _ convert: (String) -> T?) throws -> T? {
        guard let node = node(key) else { return nil }
        guard case .scalar(let text) = node.content else {
            throw Failure(.configuration, "\(node.place): \(name(of: key)) is no single value, expected \(expected)")
        }
        guard let value = convert(text) else {
            throw Failure(
                .configuration,
                "\(node.place): \(name(of: key)) = \(text.isEmpty ? "(empty)" : text), expected \(expected)")
        }
        return value
    }

    func text(_ key: String) throws -> String? { try value(key, expected: "text") { $0.isEmpty ? nil : $0 } }

    func integer(_ key: String, in range: ClosedRange<Int>) throws -> Int? {
        let expected =
            range.upperBound == .max
            ? "a whole number from \(range.lowerBound)" : "a whole number \(range.lowerBound)…\(range.upperBound)"
        return try value(key, expected: expected) { Int($0).flatMap { range.contains($0) ? $0 : nil } }
    }

    func number(_ key: String, expected: String, where accept: (Double) -> Bool) throws -> Double? {
        try value(key, expected: expected) { Double($0).flatMap { $0.isFinite && accept($0) ? $0 : nil } }
    }

    func boolean(_ key: String) throws -> Bool? {
        try value(key, expected: "true or false") { ["true": true, "false": false][$0] }
    }

    func interval(_ key: String, units: [Interval.Unit]) throws -> Interval? {
        let examples = units.map { "N \($0.rawValue)s" }.joined(separator: ", ")
        return try value(key, expected: "\(examples), N from 1") {
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

    func metric(_ key: String) throws -> Configuration.BestMetric? {
        let names = Configuration.BestMetric.allCases.map(\.rawValue).joined(separator: ", ")
        return try value(key, expected: names, Configuration.BestMetric.init)
    }

    /// Whether the key holds the word `none`, which turns off what a mapping in its place would set up.
    func isNone(_ key: String) -> Bool {
        guard case .scalar(let text)? = node(key)?.content else { return false }
        return text == "none"
    }

    func section(_ key: String, known: [String]) throws -> ConfigurationSection? {
        try node(key).map { try ConfigurationSection($0, path: name(of: key), known: known) }
    }

    /// The failure for a value that is wrong in itself or together with others.
    func failure(_ key: String, _ message: String) -> Failure {
        Failure(.configuration, "\(node(key)?.place ?? place): \(name(of: key)) \(message)")
    }

    private func name(of key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

    /// The known word that the given one begins, or that takes the fewest edits, if those are few enough to be a slip.
    static func nearest(to word: String, in known: [String]) -> String? {
        if word.count >= 3, let longer = known.first(where: { $0.hasPrefix(word) }) { return longer }
        let ranked = known.map { ($0, editDistance(word, $0)) }.min { $0.1 < $1.1 }
        guard let (name, distance) = ranked, distance <= max(2, word.count / 3) else { return nil }
        return name
    }

    /// Insertions, deletions and replacements between two words (Levenshtein 1966).
    private static func editDistance(_ a: String, _ b: String) -> Int {
        let (a, b) = (Array(a), Array(b))
        var row = Array(0...b.count)
        for (i, left) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            for (j, right) in b.enumerated() {
                let next = min(row[j] + 1, row[j + 1] + 1, diagonal + (left == right ? 0 : 1))
                diagonal = row[j + 1]
                row[j + 1] = next
            }
        }
        return row[b.count]
    }
}
