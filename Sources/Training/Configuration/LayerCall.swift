internal import Diagnostics

/// Layers as PyTorch's programs write and print them: `nn.Conv2d(3, 16, kernel_size=3, padding=1)`, also nested in
/// `Sequential(…)`. They become the nodes that `layers:` has for them.
struct LayerCall {
    private var rest: Substring
    private let place: String

    /// Deeper calls are no layers.
    private static let largestDepth = 16

    /// Whether a text is meant as a call.
    static func isCall(_ text: String) -> Bool { text.contains("(") }

    /// Throws: `Failure(.configuration)` with the place for what is no call.
    static func node(_ text: String, place: String) throws -> ConfigurationNode {
        var reader = LayerCall(rest: text[...], place: place)
        let node = try reader.call(depth: 0)
        reader.skipSpaces()
        guard reader.rest.isEmpty else { throw reader.failure("found \(reader.rest) behind it") }
        return node
    }

    private init(rest: Substring, place: String) { (self.rest, self.place) = (rest, place) }

    private func failure(_ what: String) -> Failure {
        Failure(.configuration, "\(place): \(what), expected a layer such as Conv2d(3, 16, kernel_size=3, padding=1)")
    }

    private func node(_ content: ConfigurationNode.Content) -> ConfigurationNode {
        ConfigurationNode(place: place, content: content)
    }

    /// `Name(argument, …)`.
    private mutating func call(depth: Int) throws -> ConfigurationNode {
        guard depth < Self.largestDepth else { throw failure("layers in more than \(Self.largestDepth) others") }
        var name = word()
        for prefix in ["torch.", "nn."] where name.hasPrefix(prefix) { name = String(name.dropFirst(prefix.count)) }
        guard !name.isEmpty, take("(") else {
            throw failure("found \(rest.isEmpty ? "its end" : String(rest.prefix(20)))")
        }
        let positions = LayerRow.named[name].map { $0.arguments.prefix($0.positions) } ?? []
        var positional: [ConfigurationNode] = []
        var pairs: [(key: String, value: ConfigurationNode)] = []
        while !take(")") {
            if !(positional.isEmpty && pairs.isEmpty), !take(",") {
                throw failure("found \(rest.prefix(20)) in \(name)(…)")
            }
            if take(")") { break }
            let start = rest
            let key = word()
            if !key.isEmpty, take("=") {
                let value = try value(depth: depth)
                // Where PyTorch works in place is the plan's choice here.
                if key != "inplace" { pairs.append((key, value)) }
                continue
            }
            rest = start
            guard pairs.isEmpty else { throw failure("\(name) has an argument without a name behind one with a name") }
            positional.append(try value(depth: depth))
        }
        if name == "Sequential" {
            return node(.mapping([(name, node(.mapping([("layers", node(.sequence(positional)))] + pairs)))]))
        }
        guard positional.count <= positions.count else {
            throw failure("\(name) takes \(positions.count) arguments without a name, found \(positional.count)")
        }
        let all = zip(positions, positional).map { (key: $0, value: $1) } + pairs
        return node(.mapping([(name, node(.mapping(all)))]))
    }

    /// A number, a word, a text in quotes, a row of values, or a layer.
    private mutating func value(depth: Int) throws -> ConfigurationNode {
        skipSpaces()
        for (open, close) in [("(", ")"), ("[", "]")] where take(open) {
            var items: [ConfigurationNode] = []
            while !take(close) {
                if !items.isEmpty, !take(",") { throw failure("found \(rest.prefix(20)) in a row of numbers") }
                if take(close) { break }
                guard items.count < 64, depth < Self.largestDepth else { throw failure("a row of more than 64 values") }
                items.append(try value(depth: depth + 1))
            }
            return node(.sequence(items))
        }
        for quote in ["'", "\""] where take(quote) {
            let text = rest.prefix { String($0) != quote }
            rest = rest[text.endIndex...]
            guard take(quote) else { throw failure("a quote without its end") }
            return node(.scalar(String(text)))
        }
        let start = rest
        let word = word()
        guard !word.isEmpty else { throw failure("found \(rest.isEmpty ? "its end" : String(rest.prefix(20)))") }
        if rest.first == "(" {
            rest = start
            return try call(depth: depth + 1)
        }
        return node(.scalar(["True": "true", "False": "false"][word] ?? word))
    }

    private mutating func word() -> String {
        skipSpaces()
        let word = rest.prefix { $0.isASCII && ($0.isLetter || $0.isNumber || "_.+-".contains($0)) }
        rest = rest[word.endIndex...]
        skipSpaces()
        return String(word)
    }

    private mutating func take(_ sign: String) -> Bool {
        skipSpaces()
        guard rest.hasPrefix(sign) else { return false }
        rest = rest.dropFirst(sign.count)
        return true
    }

    private mutating func skipSpaces() { rest = rest.drop { $0.isWhitespace } }
}
