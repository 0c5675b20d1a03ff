internal import Diagnostics
internal import Glibc
internal import Layers

/// A shell pattern that names parameters: it fits a key (`fc.weight`), or the path of a layer or block that holds it (`fc`,
/// `layer1`).
struct ParameterPattern {
    let text: String

    init(_ text: String) {
        self.text = text
    }

    func fits(_ parameter: Parameter) -> Bool { Self.names(of: parameter).contains { fnmatch(text, $0, 0) == 0 } }

    /// The parameters that it fits, in order. Throws: `Failure(.configuration)` where there are none; `key` is what holds the
    /// pattern.
    func parameters(of list: ParameterList, key: String) throws -> [Parameter] {
        let known = list.parameters.filter { $0.role != .buffer }
        let fitting = known.filter(fits)
        guard fitting.isEmpty else { return fitting }
        var names: [String] = []
        for name in known.flatMap(Self.names) where !names.contains(name) { names.append(name) }
        let blocks = names.filter { !$0.contains(".") }
        throw Failure(
            .configuration,
            "\(key): \(text) fits no layer of the network"
                + (Suggestion.nearest(to: text, in: names).map { ", did you mean \($0)?" }
                    ?? "; expected a name or a pattern of \(blocks.joined(separator: ", ")) or of what is in them"))
    }

    /// "layer1", "layer1.0", "layer1.0.conv1", "layer1.0.conv1.weight".
    private static func names(of parameter: Parameter) -> [String] {
        parameter.key.indices.filter { parameter.key[$0] == "." }.map { String(parameter.key[..<$0]) } + [parameter.key]
    }
}

extension Configuration {
    /// `optimizer: {groups: [{match: "fc.*", learning_rate: ×10, weight_decay: 0}]}`.
    package struct ParameterGroup: Equatable, Sendable {
        package enum Rate: Equatable, Sendable {
            /// Of `optimizer.learning_rate`.
            case factor(Double)
            /// In the place of `optimizer.learning_rate`; schedules change it in proportion.
            case rate(Double)
        }

        package let match: String
        /// nil: like all others.
        package var learningRate: Rate?
        package var weightDecay: Double?

        package init(match: String, learningRate: Rate? = nil, weightDecay: Double? = nil) {
            self.match = match
            self.learningRate = learningRate
            self.weightDecay = weightDecay
        }

        fileprivate var node: ConfigurationNode {
            var pairs = [(key: "match", value: ConfigurationNode.word(match))]
            switch learningRate {
            case .factor(let factor): pairs.append(("learning_rate", .word("×\(factor)")))
            case .rate(let rate): pairs.append(("learning_rate", .word("\(rate)")))
            case nil: break
            }
            if let weightDecay { pairs.append(("weight_decay", .word("\(weightDecay)"))) }
            return ConfigurationNode(place: "", content: .mapping(pairs))
        }
    }

    static let groupsKey = ConfigurationKey(
        "optimizer.groups", "parameters with a learning rate or weight decay of their own; the first that fits holds",
        expected: "a list of {match: PATTERN, learning_rate: ×FACTOR or NUMBER, weight_decay: NUMBER}, or none",
        isList: true,
        read: { configuration, section, _ in
            guard !section.isNone("groups") else { return configuration.optimizer.groups = [] }
            guard let node = section.node("groups") else { return }
            guard case .sequence(let items) = node.content else {
                throw section.failure("groups", "is no list, expected [{match: \"fc.*\", learning_rate: ×10}]")
            }
            configuration.optimizer.groups = try items.enumerated().map {
                try group($1, path: "optimizer.groups[\($0)]", base: configuration.optimizer.learningRate)
            }
        },
        text: {
            $0.optimizer.groups.isEmpty ? nil : ConfigurationNode.list($0.optimizer.groups.map(\.node)).flowText
        })

    private static func group(_ node: ConfigurationNode, path: String, base: Double) throws -> ParameterGroup {
        let section = try ConfigurationSection(node, path: path, known: ["match", "learning_rate", "weight_decay"])
        guard let match = try section.text("match") else {
            throw section.failure("match", "is missing, expected a pattern such as \"fc.*\"")
        }
        var group = ParameterGroup(match: match)
        let expected = "a number from 0, or ×10: a factor of optimizer.learning_rate"
        group.learningRate = try section.value("learning_rate", expected: expected) { text in
            let isFactor = text.hasPrefix("×") || text.hasPrefix("x")
            guard let number = Double(isFactor ? String(text.dropFirst()) : text), number >= 0,
                SinglePrecision.misfit(number) == nil
            else { return nil }
            return isFactor ? .factor(number) : .rate(number)
        }
        if case .rate = group.learningRate, base == 0 {
            throw section.failure("learning_rate", "is a number, which needs an optimizer.learning_rate above 0")
        }
        group.weightDecay = try ValueForm.notNegative.read(section, "weight_decay")
        guard group.learningRate != nil || group.weightDecay != nil else {
            throw section.failure("match", "= \(match) changes nothing, expected learning_rate, weight_decay or both")
        }
        return group
    }
}

extension Configuration.Optimizer {
    /// Throws: `Failure(.configuration)` for a group that fits nothing.
    func checkGroups(_ list: ParameterList) throws {
        for (index, group) in groups.enumerated() {
            _ = try ParameterPattern(group.match).parameters(of: list, key: "optimizer.groups[\(index)].match")
        }
    }
}
