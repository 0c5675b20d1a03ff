internal import Diagnostics
internal import Layers
internal import Report
internal import Tensors

extension Configuration {
    /// `freeze: …`: the layers that training leaves as they are.
    package enum Freeze: Equatable, Sendable {
        case none
        /// All but the head.
        case backbone
        /// All in front of the first layer that a pattern fits, in the order of the parameters.
        case until(String)
        /// All that one of the patterns fits.
        case layers([String])
    }

    /// `frozen_batch_norm: …`: what frozen batch normalisations take for statistics.
    package enum FrozenBatchNorm: String, CaseIterable, Equatable, Sendable {
        /// Their running ones, which stay as they are.
        case fixed
        /// The batch's, and the running ones are renewed.
        case renewed
    }

    /// `unfreeze: {layer4: 2 epochs}`: what is trained from the end of an epoch on.
    package struct Unfreezing: Equatable, Sendable {
        package let match: String
        package let epochs: Int

        package init(match: String, epochs: Int) {
            self.match = match
            self.epochs = epochs
        }
    }

    static let freezeKeys = [
        ConfigurationKey(
            "freeze", "the layers that training leaves as they are; backbone: all but the last one",
            expected: freezeExpectation, isList: true,
            read: { configuration, top, _ in
                guard let node = top.node("freeze") else { return }
                if case .sequence = node.content {
                    let patterns = try top.list("freeze", expected: "names or patterns of layers") {
                        $0.isEmpty ? nil : $0
                    }
                    configuration.freeze = patterns.map { $0.isEmpty ? .none : .layers($0) } ?? .none
                    return
                }
                configuration.freeze =
                    try top.value("freeze", expected: freezeExpectation, names: ["none", "backbone"]) { text in
                        let words = text.split(separator: " ")
                        if words.count == 2, words[0] == "until" { return .until(String(words[1])) }
                        return text == "none" ? Freeze.none : text == "backbone" ? .backbone : nil
                    } ?? .none
            },
            text: {
                switch $0.freeze {
                case .none: nil
                case .backbone: "backbone"
                case .until(let pattern): "until \(pattern)"
                case .layers(let patterns): ConfigurationNode.list(patterns.map(ConfigurationNode.word)).flowText
                }
            }),
        ConfigurationKey(
            "frozen_batch_norm",
            "what frozen batch normalisations take for statistics: their running ones, or the batch's",
            expected: ConfigurationSection.expectation(of: FrozenBatchNorm.allCases.map(\.rawValue)),
            read: { configuration, top, _ in
                let choice = try top.choice("frozen_batch_norm", FrozenBatchNorm.self)
                configuration.frozenBatchNorm = choice ?? configuration.frozenBatchNorm
            },
            text: { $0.freeze == .none ? nil : $0.frozenBatchNorm.rawValue }),
        ConfigurationKey(
            "unfreeze", "frozen layers that are trained from the end of an epoch on",
            expected: "a mapping such as {layer4: 2 epochs, \"*\": 4 epochs}", isMapping: true,
            read: { configuration, top, _ in
                guard let node = top.node("unfreeze") else { return }
                configuration.unfreeze = top.isNone("unfreeze") ? [] : try unfreezings(node)
                guard configuration.unfreeze.isEmpty || configuration.freeze != .none else {
                    throw top.failure("unfreeze", "needs frozen layers: freeze")
                }
            },
            text: {
                let items =
                    $0.freeze == .none
                    ? []
                    : $0.unfreeze.map {
                        (key: $0.match, value: ConfigurationNode.word("\(Interval($0.epochs, .epoch))"))
                    }
                return items.isEmpty ? nil : ConfigurationNode(place: "", content: .mapping(items)).flowText
            }),
    ]

    private static let freezeExpectation = "none, backbone, until LAYER, or a list of names and patterns of layers"

    private static func unfreezings(_ node: ConfigurationNode) throws -> [Unfreezing] {
        guard case .mapping(let pairs) = node.content else {
            throw Failure(.configuration, "\(node.place): unfreeze is no mapping, expected {layer4: 2 epochs}")
        }
        return try pairs.map { name, value in
            guard case .scalar(let text) = value.content, let interval = Interval(text), interval.unit == .epoch else {
                throw Failure(.configuration, "\(value.place): unfreeze.\(name), expected N epochs, N from 1")
            }
            return Unfreezing(match: name, epochs: interval.count)
        }
    }
}

/// Which layers a run trains in which epoch: a function of the epoch alone.
///
/// A period is a run of epochs that train the same layers; it has a network of its own, whose plans leave out what is frozen.
struct TrainingPeriods: RandomAccessCollection {
    struct Period {
        /// Counted from 0.
        let firstEpoch: Int
        let network: Network
    }

    private let periods: [Period]

    /// `network` is the one without frozen layers. Throws: `Failure(.configuration)` for patterns that fit nothing, and where
    /// nothing is left to train.
    init(_ configuration: Configuration, _ network: Network, perEpoch stepsPerEpoch: Int? = nil) throws {
        let list = network.parameterList
        try configuration.optimizer.checkGroups(list)
        var freezing = Freezing(
            layers: try Self.frozenLayers(configuration.freeze, of: list),
            renewsStatistics: configuration.frozenBatchNorm == .renewed)
        guard !freezing.layers.isEmpty else {
            periods = [Period(firstEpoch: 0, network: network)]
            return
        }
        var periods = [Period(firstEpoch: 0, network: try Network(network.description, freezing: freezing))]
        guard periods[0].network.parameterList.trainedCount > 0 else {
            throw Failure(.configuration, "freeze: nothing is left to train, expected fewer layers")
        }
        for epoch in Set(configuration.unfreeze.map(\.epochs)).sorted() {
            for item in configuration.unfreeze where item.epochs == epoch {
                let layers = try Self.layers(fitting: item.match, of: list, key: "unfreeze")
                guard !freezing.layers.isDisjoint(with: layers) else {
                    throw Failure(
                        .configuration,
                        "unfreeze: \(item.match) is not frozen after \(NumberText.counted(epoch, "epoch")), expected layers that are"
                    )
                }
                freezing.layers.subtract(layers)
            }
            periods.append(
                Period(firstEpoch: epoch, network: try Network(network.description, freezing: freezing)))
        }
        // What the run never comes to needs no memory.
        self.periods = periods.filter { period in
            guard period.firstEpoch > 0, let stepsPerEpoch else { return true }
            let first = period.firstEpoch.multipliedReportingOverflow(by: stepsPerEpoch)
            return !first.overflow && first.partialValue < configuration.length.steps(perEpoch: stepsPerEpoch)
        }
    }

    var startIndex: Int { 0 }
    var endIndex: Int { periods.count }
    subscript(number: Int) -> Period { periods[number] }

    /// The period that an epoch, counted from 0, belongs to.
    func number(inEpoch epoch: Int) -> Int { periods.lastIndex { $0.firstEpoch <= epoch } ?? 0 }

    /// The period that the state after so many steps belongs to: that of the last one.
    func number(afterSteps steps: Int, perEpoch stepsPerEpoch: Int) -> Int {
        number(inEpoch: Swift.max(0, steps - 1) / stepsPerEpoch)
    }

    /// How many steps of a run of some length belong to a period.
    func steps(of period: Int, length: Configuration.Length, perEpoch stepsPerEpoch: Int) -> Int {
        let total = length.steps(perEpoch: stepsPerEpoch)
        let ends = [period, period + 1].map {
            $0 < periods.count ? Swift.min(total, Int.product(periods[$0].firstEpoch, stepsPerEpoch)) : total
        }
        return ends[1] - ends[0]
    }

    /// "5,130 of 11,181,642 parameters".
    func words(_ number: Int) -> String {
        let list = periods[number].network.parameterList
        return "\(NumberText.grouped(list.trainedCount)) of \(NumberText.grouped(list.parameterCount)) parameters"
    }

    /// What the user should hear of `optimizer.groups` that no trained parameter belongs to.
    func groupWarnings(_ configuration: Configuration) -> [String] {
        let groups = configuration.optimizer.groups.map { (text: $0.match, pattern: ParameterPattern($0.match)) }
        var used = Set<Int>()
        for period in periods {
            for parameter in period.network.parameterList.trained {
                if let first = groups.firstIndex(where: { $0.pattern.fits(parameter) }) { used.insert(first) }
            }
        }
        let known = periods[0].network.parameterList.parameters.filter { $0.role != .buffer }
        return groups.indices.filter { !used.contains($0) }.map { number in
            let isFrozen = known.contains { parameter in
                groups.firstIndex { $0.pattern.fits(parameter) } == number
            }
            return "optimizer.groups[\(number)]: \(groups[number].text) changes nothing: "
                + (isFrozen ? "all that it fits is frozen" : "groups before it fit all that it fits")
        }
    }

    private static func frozenLayers(_ freeze: Configuration.Freeze, of list: ParameterList) throws -> Set<String> {
        let layers = list.parameters.filter { $0.role != .buffer }.map(\.layer)
        switch freeze {
        case .none: return []
        case .backbone: return Set(layers.filter { $0 != list.head })
        case .until(let pattern):
            let first = try ParameterPattern(pattern).parameters(of: list, key: "freeze: until")[0].layer
            let frozen = Set(layers.prefix { $0 != first })
            guard !frozen.isEmpty else {
                throw Failure(.configuration, "freeze: until \(pattern), but no layer comes before \(first)")
            }
            return frozen
        case .layers(let patterns):
            return try patterns.reduce(into: []) {
                $0.formUnion(try Self.layers(fitting: $1, of: list, key: "freeze"))
            }
        }
    }

    /// The layers that a pattern fits with all their parameters.
    private static func layers(fitting pattern: String, of list: ParameterList, key: String) throws -> Set<String> {
        let fitting = try ParameterPattern(pattern).parameters(of: list, key: key)
        let (keys, layers) = (Set(fitting.map(\.key)), Set(fitting.map(\.layer)))
        let others = list.parameters.filter { $0.role != .buffer && layers.contains($0.layer) }
        if let other = others.first(where: { !keys.contains($0.key) }) {
            throw Failure(
                .configuration,
                "\(key): \(pattern) fits a part of \(other.layer), without \(other.key); layers are frozen as wholes: "
                    + "\(other.layer)")
        }
        return layers
    }
}
