internal import Diagnostics
package import Layers

/// The `layers:` of a configuration: a network written down under PyTorch's names for modules and their arguments.
///
/// ```yaml
/// model:
///   layers:
///     - Conv2d: {out_channels: 16, kernel_size: 3, padding: 1}
///     - Repeat: {times: 2, layers: [{Residual: {layers: [Conv2d: …, BatchNorm2d, ReLU, …], shortcut: []}}, ReLU]}
///     - Flatten
///     - Linear: {out_features: classes}
/// ```
/// A layer may also be written as PyTorch's programs write it: `Conv2d(3, 16, kernel_size=3, padding=1)`.
package struct ConfiguredLayers: Equatable, Sendable {
    /// The list in one line of YAML.
    package let text: String
    private let node: ConfigurationNode

    /// Throws: `Failure(.configuration)` with file, line and column for what is no layer.
    init(_ node: ConfigurationNode) throws {
        self.node = node
        text = node.flowText
        _ = try items(classes: 10)
    }

    package static func == (left: ConfiguredLayers, right: ConfiguredLayers) -> Bool { left.text == right.text }

    /// Whether the word `classes` stands for a number somewhere.
    package var usesClasses: Bool { node.holds("classes") }

    /// The layers for a number of classes, which `out_features: classes` and `out_channels: classes` stand for.
    package func items(classes: Int) throws -> [LayerTree.Named] {
        try LayerReader(classes: classes).list(node, path: "model.layers")
    }
}

/// Turns configuration nodes into layers.
private struct LayerReader {
    let classes: Int

    private static let maximumRepeats = 1_000

    func list(_ node: ConfigurationNode, path: String) throws -> [LayerTree.Named] {
        guard case .sequence(let nodes) = node.content else {
            throw Failure(.configuration, "\(node.place): \(path) is no list, expected layers such as - ReLU")
        }
        return try nodes.enumerated().map { try item($1, path: "\(path)[\($0)]") }
    }

    private func item(_ node: ConfigurationNode, path: String) throws -> LayerTree.Named {
        let (kind, value): (String, ConfigurationNode)
        switch node.content {
        case .scalar(let text) where LayerCall.isCall(text):
            return try item(LayerCall.node(text, place: node.place), path: path)
        case .scalar(let text):
            (kind, value) = (text, ConfigurationNode(place: node.place, content: .mapping([])))
        case .mapping(let pairs) where pairs.count == 1:
            (kind, value) = (pairs[0].key, pairs[0].value)
        case .mapping, .sequence:
            throw Failure(
                .configuration, "\(node.place): \(path) is no layer, expected one name such as ReLU or Conv2d: {…}")
        }
        guard let arguments = Self.composites[kind] ?? LayerRow.named[kind]?.arguments else {
            let names = (Array(Self.composites.keys) + LayerRow.named.keys).sorted()
            let nearest = Suggestion.nearest(to: kind, in: names)
            throw Failure(
                .configuration,
                "\(node.place): \(path) = \(kind), no layer"
                    + (nearest.map { ", did you mean \($0)?" } ?? "; known: \(names.joined(separator: ", "))"))
        }
        let section = try ConfigurationSection(value, path: "\(path).\(kind)", known: arguments + ["name"])
        let name = try section.text("name")
        if let name, name.contains("/") || name.hasPrefix(".") || name.hasSuffix(".") {
            throw section.failure("name", "= \(name), expected a word without / and without . at its ends")
        }
        return LayerTree.Named(name: name, try make(kind, section, "\(path).\(kind)"))
    }

    private func required(_ section: ConfigurationSection, _ key: String, in range: ClosedRange<Int>) throws -> Int {
        guard let value = try section.integer(key, in: range) else {
            throw section.failure(key, "is missing, expected a whole number from \(range.lowerBound)")
        }
        return value
    }

    private func layers(_ section: ConfigurationSection, _ key: String, _ path: String) throws -> [LayerTree.Named] {
        guard let node = section.node(key) else { throw section.failure(key, "is missing, expected a list of layers") }
        return try list(node, path: "\(path).\(key)")
    }

    private static let composites = [
        "Sequential": ["layers"], "Repeat": ["times", "layers"],
        "Residual": ["layers", "shortcut"], "Concatenate": ["branches"],
    ]

    private func make(_ kind: String, _ section: ConfigurationSection, _ path: String) throws -> LayerTree {
        switch kind {
        case "Sequential":
            return .sequence(try layers(section, "layers", path))
        case "Repeat":
            let times = try required(section, "times", in: 1...Self.maximumRepeats)
            let layers = try layers(section, "layers", path)
            return .sequence((0..<times).map { _ in LayerTree.Named(.sequence(layers)) })
        case "Residual":
            return .residual(
                main: try layers(section, "layers", path),
                shortcut: section.has("shortcut") ? try layers(section, "shortcut", path) : [])
        case "Concatenate":
            guard case .sequence(let branches)? = section.node("branches")?.content, branches.count > 1 else {
                throw section.failure("branches", "is missing, expected a list of two or more lists of layers")
            }
            return .concatenation(try branches.enumerated().map { try list($1, path: "\(path).branches[\($0)]") })
        default:
            guard let row = LayerRow.named[kind] else { throw section.failure("name", "\(kind) is no layer") }
            let layer = try row.make(LayerArguments(section, classes: classes))
            let inputs = try LayerRow.inputs.lazy.filter(section.has).compactMap { key in
                try section.integer(key, in: 1...LayerArguments.largest).map { (key, $0) }
            }.first
            return inputs.map { .expecting(channels: $0.1, as: $0.0, layer) } ?? .layer(layer)
        }
    }
}

extension ConfigurationNode {
    /// Nodes to be written.
    static func word(_ text: String) -> ConfigurationNode { ConfigurationNode(place: "", content: .scalar(text)) }
    static func list(_ items: [ConfigurationNode]) -> ConfigurationNode {
        ConfigurationNode(place: "", content: .sequence(items))
    }

    /// The node in YAML's flow style: one line.
    var flowText: String {
        switch content {
        case .scalar(let text): Self.quoted(text)
        case .sequence(let items): "[" + items.map(\.flowText).joined(separator: ", ") + "]"
        case .mapping(let pairs):
            "{" + pairs.map { "\(Self.quoted($0.key)): \($0.value.flowText)" }.joined(separator: ", ") + "}"
        }
    }

    /// Whether a value in it is this word.
    fileprivate func holds(_ word: String) -> Bool {
        switch content {
        case .scalar(let text): text == word
        case .sequence(let items): items.contains { $0.holds(word) }
        case .mapping(let pairs): pairs.contains { $0.value.holds(word) }
        }
    }

    private static func quoted(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.allSatisfy { ($0.isASCII && ($0.isLetter || $0.isNumber)) || "_.-+".contains($0) }
        if isPlain && text.first != "-" { return text }
        return "'" + text.replacing("'", with: "''") + "'"
    }
}
