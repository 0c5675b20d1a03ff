package import Datasets
internal import Diagnostics

/// The `mix:` of a configuration: MixUp and CutMix, under torchvision's names; of several, each shard draws one.
///
/// ```yaml
/// data:
///   mix: [{MixUp: {alpha: 0.2}}, CutMix]
/// ```
package struct ConfiguredMixing: Equatable, Sendable {
    /// The list in one line of YAML.
    package let text: String
    package let mixing: Mixing

    /// torchvision's.
    private static let usualAlpha = 1.0

    /// nil for an empty list. Throws: `Failure(.configuration)` with file, line and column.
    init?(_ node: ConfigurationNode) throws {
        guard case .sequence(let items) = node.content else {
            throw Failure(.configuration, "\(node.place): data.mix is no list, expected [MixUp], [CutMix] or both")
        }
        guard !items.isEmpty else { return nil }
        text = node.flowText
        mixing = Mixing(try items.enumerated().map { try Self.choice($1, path: "data.mix[\($0)]") })
    }

    package static func == (left: ConfiguredMixing, right: ConfiguredMixing) -> Bool { left.text == right.text }

    private static func choice(_ node: ConfigurationNode, path: String) throws -> Mixing.Choice {
        let names = Mixing.Kind.allCases.map(\.rawValue)
        func failure(_ found: String) -> Failure {
            Failure(.configuration, "\(node.place): \(path) \(found), expected \(names.joined(separator: " or "))")
        }
        switch node.content {
        case .scalar(let text):
            guard let kind = Mixing.Kind(rawValue: text) else { throw failure("= \(text)") }
            return Mixing.Choice(kind, alpha: usualAlpha)
        case .mapping(let pairs) where pairs.count == 1:
            guard let kind = Mixing.Kind(rawValue: pairs[0].key) else { throw failure("= \(pairs[0].key)") }
            let section = try ConfigurationSection(pairs[0].value, path: "\(path).\(kind.rawValue)", known: ["alpha"])
            let alpha = try section.number("alpha", expected: "a number from 0.001 to 1000") {
                (1e-3...1e3).contains($0)
            }
            return Mixing.Choice(kind, alpha: alpha ?? usualAlpha)
        case .mapping, .sequence: throw failure("is no name")
        }
    }
}
