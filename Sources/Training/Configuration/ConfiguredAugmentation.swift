package import Datasets
internal import Diagnostics

/// The `augment:` of a configuration: random changes of the training images, under torchvision's names and arguments.
///
/// ```yaml
/// data:
///   augment:
///     - RandomCrop: {size: 32, padding: 4}
///     - RandomHorizontalFlip
///     - RandomRotation: {degrees: 10}
/// ```
package struct ConfiguredAugmentation: Equatable, Sendable {
    /// The list in one line of YAML.
    package let text: String
    package let transforms: [any Transform]

    /// Throws: `Failure(.configuration)` with file, line and column for what is no transform.
    init(_ node: ConfigurationNode) throws {
        guard case .sequence(let items) = node.content else {
            throw Failure(
                .configuration,
                "\(node.place): data.augment is no list, expected transforms such as [RandomHorizontalFlip]")
        }
        text = node.flowText
        transforms = try items.enumerated().map { try Self.transform($1, path: "data.augment[\($0)]") }
    }

    package static func == (left: ConfiguredAugmentation, right: ConfiguredAugmentation) -> Bool {
        left.text == right.text
    }

    /// The arguments of every transform, as torchvision calls them.
    private static let arguments: [String: [String]] = [
        "RandomHorizontalFlip": ["p"], "RandomVerticalFlip": ["p"],
        "RandomRotation": ["degrees", "interpolation", "fill"],
        "RandomCrop": ["size", "padding", "fill", "padding_mode"], "RandomResizedCrop": ["size", "scale", "ratio"],
        "RandomAffine": ["degrees", "translate", "scale", "shear", "interpolation", "fill"],
        "ColorJitter": ["brightness", "contrast", "saturation", "hue"],
        "RandomErasing": ["p", "scale", "ratio", "value"],
    ]

    private static func transform(_ node: ConfigurationNode, path: String) throws -> any Transform {
        let (kind, value): (String, ConfigurationNode)
        switch node.content {
        case .scalar(let text): (kind, value) = (text, ConfigurationNode(place: node.place, content: .mapping([])))
        case .mapping(let pairs) where pairs.count == 1: (kind, value) = (pairs[0].key, pairs[0].value)
        case .mapping, .sequence:
            throw Failure(
                .configuration,
                "\(node.place): \(path) is no transform, expected one name such as RandomHorizontalFlip or RandomCrop: {…}"
            )
        }
        guard let known = arguments[kind] else {
            let names = arguments.keys.sorted()
            throw Failure(
                .configuration,
                "\(node.place): \(path) = \(kind), no transform"
                    + (Suggestion.nearest(to: kind, in: names).map { ", did you mean \($0)?" }
                        ?? "; known: \(names.joined(separator: ", "))"))
        }
        return try make(kind, ConfigurationSection(value, path: "\(path).\(kind)", known: known))
    }

    private static func make(_ kind: String, _ section: ConfigurationSection) throws -> any Transform {
        let probability = { try section.number("p", expected: "a number from 0 to 1") { (0...1).contains($0) } ?? 0.5 }
        let interpolation = {
            try section.value("interpolation", expected: "nearest or bilinear") { Interpolation(rawValue: $0) }
                ?? .nearest
        }
        let fill = { UInt8(try section.integer("fill", in: 0...255) ?? 0) }
        switch kind {
        case "RandomHorizontalFlip": return RandomHorizontalFlip(probability: try probability())
        case "RandomVerticalFlip": return RandomVerticalFlip(probability: try probability())
        case "RandomRotation":
            return RandomRotation(
                degrees: try section.span("degrees", around: 0, of: -360...360),
                interpolation: try interpolation(), fill: try fill())
        case "RandomCrop":
            let (height, width) = try section.size()
            let padding = try section.integer("padding", in: 0...1 << 12) ?? 0
            let mode = try section.value("padding_mode", expected: "constant, reflect or edge") { text in
                ["constant", "reflect", "edge"].contains(text) ? text : nil
            }
            let edge: PaddingFill = mode == "reflect" ? .reflect : mode == "edge" ? .edge : .constant(try fill())
            return RandomCrop(height: height, width: width, padding: padding, fill: edge)
        case "RandomResizedCrop":
            let (height, width) = try section.size()
            return RandomResizedCrop(
                height: height, width: width, scale: try section.range("scale", of: 1e-6...1) ?? 0.08...1,
                ratio: try section.range("ratio", of: 1e-3...1e3) ?? 3.0 / 4...4.0 / 3)
        case "RandomAffine":
            let translate = try section.reals("translate", count: [2], of: 0...1) ?? [0, 0]
            let shear = try section.reals("shear", count: [1, 2, 4], of: -89...89) ?? [0]
            let spans = shear.count == 1 ? [-abs(shear[0])...abs(shear[0]), 0...0] : try section.spans(shear, "shear")
            return RandomAffine(
                degrees: try section.span("degrees", around: 0, of: -360...360),
                translate: (translate[0], translate[1]), scale: try section.range("scale", of: 1e-3...1e3) ?? 1...1,
                shear: (spans[0], spans[1]), interpolation: try interpolation(), fill: try fill())
        case "ColorJitter":
            func factor(_ key: String) throws -> ClosedRange<Double> {
                section.has(key) ? try section.span(key, around: 1, of: 0...1e3) : 1...1
            }
            return ColorJitter(
                brightness: try factor("brightness"), contrast: try factor("contrast"),
                saturation: try factor("saturation"),
                hue: section.has("hue") ? try section.span("hue", around: 0, of: -0.5...0.5) : 0...0)
        default:
            let values = try section.reals("value", count: nil, of: 0...255) ?? [0]
            return RandomErasing(
                probability: try probability(), scale: try section.range("scale", of: 1e-6...1) ?? 0.02...0.33,
                ratio: try section.range("ratio", of: 1e-3...1e3) ?? 0.3...3.3, value: values.map { UInt8($0) })
        }
    }
}

extension ConfigurationSection {
    /// `size: 32` or `size: [32, 24]`, height first.
    fileprivate func size() throws -> (Int, Int) {
        guard let values = try reals("size", count: [1, 2], of: 1...65_536), values.allSatisfy({ $0 == $0.rounded() })
        else { throw failure("size", "is missing, expected a whole number, or [height, width]") }
        return (Int(values[0]), Int(values.last ?? values[0]))
    }

    /// Numbers in a list, or one alone; nil when the key is absent.
    fileprivate func reals(_ key: String, count: [Int]?, of range: ClosedRange<Double>) throws -> [Double]? {
        guard let node = node(key) else { return nil }
        let items = if case .sequence(let items) = node.content { items } else { [node] }
        let values = items.compactMap { item -> Double? in
            guard case .scalar(let text) = item.content, let value = Double(text), range.contains(value) else {
                return nil
            }
            return value
        }
        guard values.count == items.count, !values.isEmpty, count?.contains(values.count) ?? true else {
            let numbers = count.map { $0.map(String.init).joined(separator: " or ") + " numbers" } ?? "numbers"
            throw failure(key, "expected \(numbers) from \(range.lowerBound) to \(range.upperBound)")
        }
        return values
    }

    /// `[low, high]`; nil when the key is absent.
    fileprivate func range(_ key: String, of range: ClosedRange<Double>) throws -> ClosedRange<Double>? {
        guard let values = try reals(key, count: [2], of: range) else { return nil }
        return try spans(values, key)[0]
    }

    /// `x`, which stands for centre − x … centre + x, or `[low, high]`; cut to the numbers that are allowed.
    fileprivate func span(
        _ key: String, around centre: Double, of range: ClosedRange<Double>
    ) throws -> ClosedRange<Double> {
        guard let values = try reals(key, count: [1, 2], of: range) else {
            throw failure(key, "is missing, expected a number or [low, high]")
        }
        guard values.count == 1 else { return try spans(values, key)[0] }
        return max(range.lowerBound, centre - abs(values[0]))...min(range.upperBound, centre + abs(values[0]))
    }

    fileprivate func spans(_ values: [Double], _ key: String) throws -> [ClosedRange<Double>] {
        let pairs = stride(from: 0, to: values.count, by: 2).map { (values[$0], values[$0 + 1]) }
        guard pairs.allSatisfy({ $0 <= $1 }) else { throw failure(key, "= \(values), expected low before high") }
        return pairs.map { $0...$1 } + (pairs.count == 1 ? [0...0] : [])
    }
}
