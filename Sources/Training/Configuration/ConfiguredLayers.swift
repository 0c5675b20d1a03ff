internal import Diagnostics
package import Layers
internal import Tensors

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
        case .scalar(let text):
            (kind, value) = (text, ConfigurationNode(place: node.place, content: .mapping([])))
        case .mapping(let pairs) where pairs.count == 1:
            (kind, value) = (pairs[0].key, pairs[0].value)
        case .mapping, .sequence:
            throw Failure(
                .configuration, "\(node.place): \(path) is no layer, expected one name such as ReLU or Conv2d: {…}")
        }
        guard let arguments = Self.arguments[kind] else {
            let names = Self.arguments.keys.sorted()
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
        if let node = section.node(key), case .scalar("classes") = node.content { return classes }
        guard let value = try section.integer(key, in: range) else {
            throw section.failure(key, "is missing, expected a whole number from \(range.lowerBound)")
        }
        return value
    }

    private func layers(_ section: ConfigurationSection, _ key: String, _ path: String) throws -> [LayerTree.Named] {
        guard let node = section.node(key) else { throw section.failure(key, "is missing, expected a list of layers") }
        return try list(node, path: "\(path).\(key)")
    }

    private func kernel(_ section: ConfigurationSection) throws -> Extents {
        guard let kernel = try section.extents("kernel_size", from: 1) else {
            throw section.failure("kernel_size", "is missing, expected a whole number or a list of two")
        }
        return kernel
    }

    private static let channels = 1...1 << 20
    private static let window = ["kernel_size", "stride", "padding"]

    /// The arguments of every kind of layer, as PyTorch calls them where it has them.
    private static let arguments: [String: [String]] = [
        "Conv2d": window + ["out_channels", "dilation", "groups", "bias", "padding_mode"],
        "ConvTranspose2d": window + ["out_channels", "output_padding", "dilation", "groups", "bias"],
        "MaxPool2d": window + ["dilation", "ceil_mode"], "MinPool2d": window + ["dilation", "ceil_mode"],
        "AvgPool2d": window + ["ceil_mode", "count_include_pad"],
        "AdaptiveAvgPool2d": ["output_size"], "AdaptiveMaxPool2d": ["output_size"],
        "BatchNorm1d": ["eps", "momentum"], "BatchNorm2d": ["eps", "momentum"],
        "ReLU": [], "LeakyReLU": ["negative_slope"], "Tanh": [], "Sigmoid": [], "GELU": ["approximate"], "Softmax": [],
        "Dropout": ["p"], "Flatten": [], "Linear": ["out_features", "bias"],
        "Sequential": ["layers"], "Repeat": ["times", "layers"], "Residual": ["layers", "shortcut"],
        "Concatenate": ["branches"],
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
            return .layer(try layer(kind, section))
        }
    }

    private func layer(_ kind: String, _ section: ConfigurationSection) throws -> any Layer {
        switch kind {
        case "Conv2d": return try conv(section)
        case "ConvTranspose2d":
            return ConvTranspose2d(
                outChannels: try required(section, "out_channels", in: Self.channels), kernel: try kernel(section),
                stride: try section.extents("stride", from: 1) ?? 1,
                padding: try section.extents("padding", from: 0) ?? 0,
                outputPadding: try section.extents("output_padding", from: 0) ?? 0,
                dilation: try section.extents("dilation", from: 1) ?? 1,
                groups: try section.integer("groups", in: Self.channels) ?? 1, bias: try section.boolean("bias") ?? true
            )
        case "MaxPool2d": return try extremePool(section, Maximum.self)
        case "MinPool2d": return try extremePool(section, Minimum.self)
        case "AvgPool2d":
            return AvgPool2d(
                kernel: try kernel(section), stride: try section.extents("stride", from: 1),
                padding: try section.extents("padding", from: 0) ?? 0,
                ceilMode: try section.boolean("ceil_mode") ?? false,
                countIncludePad: try section.boolean("count_include_pad") ?? true)
        case "AdaptiveAvgPool2d": return AdaptiveAvgPool2d(output: try section.extents("output_size", from: 1) ?? 1)
        case "AdaptiveMaxPool2d": return AdaptiveMaxPool2d(output: try section.extents("output_size", from: 1) ?? 1)
        case "BatchNorm1d": return try batchNorm(section, OneAxis.self)
        case "BatchNorm2d": return try batchNorm(section, TwoAxes.self)
        case "ReLU": return ReLU()
        case "LeakyReLU":
            let slope = try section.single("negative_slope", expected: "a number from 0") { $0 >= 0 }
            return LeakyReLU(slope: Float(slope ?? 0.01))
        case "Tanh": return Tanh()
        case "Sigmoid": return Sigmoid()
        case "GELU":
            let forms: [String: GELU.Approximation] = ["none": .none, "tanh": .tanh]
            return GELU(
                approximation: try section.value("approximate", expected: "none or tanh") { forms[$0] } ?? .none)
        case "Softmax": return Softmax()
        case "Dropout":
            let probability = try section.number("p", expected: "a number from 0 to 1") { (0...1).contains($0) }
            return Dropout(probability: probability ?? 0.5)
        case "Flatten": return Flatten()
        case "Linear":
            return Linear(
                outputs: try required(section, "out_features", in: Self.channels),
                bias: try section.boolean("bias") ?? true)
        default: throw section.failure("name", "\(kind) is no layer")
        }
    }

    private func conv(_ section: ConfigurationSection) throws -> Conv2d {
        let words: [String: Padding] = ["same": .same, "valid": .valid, "full": .full]
        let padding: Padding
        if case .scalar(let word)? = section.node("padding")?.content, let named = words[word] {
            padding = named
        } else {
            padding = .symmetric(try section.extents("padding", from: 0) ?? 0)
        }
        let modes = PaddingMode.allCases.map(\.rawValue).joined(separator: ", ")
        return Conv2d(
            outChannels: try required(section, "out_channels", in: Self.channels), kernel: try kernel(section),
            stride: try section.extents("stride", from: 1) ?? 1,
            dilation: try section.extents("dilation", from: 1) ?? 1,
            padding: padding, groups: try section.integer("groups", in: Self.channels) ?? 1,
            bias: try section.boolean("bias") ?? true,
            paddingMode: try section.value("padding_mode", expected: modes) { PaddingMode(rawValue: $0) } ?? .zeros)
    }

    private func extremePool<Kind>(_ section: ConfigurationSection, _: Kind.Type) throws -> ExtremePool<TwoAxes, Kind> {
        ExtremePool(
            kernel: try kernel(section), stride: try section.extents("stride", from: 1),
            padding: try section.extents("padding", from: 0) ?? 0,
            dilation: try section.extents("dilation", from: 1) ?? 1,
            ceilMode: try section.boolean("ceil_mode") ?? false)
    }

    private func batchNorm<Rank>(_ section: ConfigurationSection, _: Rank.Type) throws -> BatchNorm<Rank> {
        BatchNorm(
            epsilon: try section.single("eps", expected: "a number above 0") { $0 > 0 } ?? 1e-5,
            momentum: try section.number("momentum", expected: "a number from 0 to 1") { (0...1).contains($0) } ?? 0.1)
    }
}

extension ConfigurationSection {
    /// One whole number for all axes, or a list with one for each.
    fileprivate func extents(_ key: String, from minimum: Int) throws -> Extents? {
        guard let node = node(key) else { return nil }
        let range = minimum...1 << 20
        guard case .sequence(let items) = node.content else { return try integer(key, in: range).map { Extents($0) } }
        let values = items.compactMap { item -> Int? in
            guard case .scalar(let text) = item.content else { return nil }
            return Int(text).flatMap { range.contains($0) ? $0 : nil }
        }
        guard values.count == 2, items.count == 2 else {
            throw failure(key, "expected a whole number from \(minimum), or a list of two")
        }
        return Extents(values)
    }
}

extension ConfigurationNode {
    /// The node in YAML's flow style: one line.
    var flowText: String {
        switch content {
        case .scalar(let text): Self.quoted(text)
        case .sequence(let items): "[" + items.map(\.flowText).joined(separator: ", ") + "]"
        case .mapping(let pairs):
            "{" + pairs.map { "\(Self.quoted($0.key)): \($0.value.flowText)" }.joined(separator: ", ") + "}"
        }
    }

    private static func quoted(_ text: String) -> String {
        let isPlain =
            !text.isEmpty && text.allSatisfy { ($0.isASCII && ($0.isLetter || $0.isNumber)) || "_.-+".contains($0) }
        if isPlain && text.first != "-" { return text }
        return "'" + text.replacing("'", with: "''") + "'"
    }
}
