package import Layers

extension Configuration {
    /// `optimizer: {…}`, with the names and defaults of torch.optim; momentum 0.9 with sgd is the exception.
    ///
    /// Optimizers share their settings: a kind says which of them it has, and begins with its own defaults.
    package struct Optimizer: Equatable, Sendable {
        /// What `no_decay` can name.
        package enum Group: String, CaseIterable, Equatable, Sendable {
            case bias, normalization
        }

        package let kind: OptimizerKind
        package var learningRate = 0.001
        package var momentum = 0.9
        package var dampening = 0.0
        package var nesterov = false
        package var weightDecay = 0.0
        package var betas = [0.9, 0.999]
        package var epsilon = 1e-8
        package var alpha = 0.99
        package var centered = false
        /// What the ratio of the norms of weights and gradient is multiplied by.
        package var trust = 0.001
        /// Parameters that weight decay leaves alone.
        package var noDecay: [Group] = []

        /// Parameters with numbers of their own; the first that fits a parameter holds.
        package var groups: [ParameterGroup] = []

        package init(_ kind: OptimizerKind = .sgd) {
            self.kind = kind
            kind.setDefaults(&self)
        }

        /// The decay of a parameter.
        package func weightDecay(of parameter: Parameter) -> Double {
            switch parameter.role {
            case .bias where noDecay.contains(.bias) || kind.undecayed.contains(.bias): 0
            case .normalization where noDecay.contains(.normalization) || kind.undecayed.contains(.normalization): 0
            default: group(of: parameter)?.weightDecay ?? weightDecay
            }
        }

        /// What the learning rate is multiplied by for a parameter.
        package func rateFactor(of parameter: Parameter) -> Double {
            switch group(of: parameter)?.learningRate {
            case .factor(let factor): factor
            case .rate(let rate): rate / learningRate
            case nil: 1
            }
        }

        private func group(of parameter: Parameter) -> ParameterGroup? {
            groups.first { ParameterPattern($0.match).fits(parameter) }
        }

        /// The vectors that the optimizer keeps.
        package var vectors: [OptimizerVector] { kind.vectors(self) }
    }
}

/// A kind of optimizer: its name, its settings and what makes it. Each stands in front of its algorithm.
package struct OptimizerKind: Sendable {
    package let name: String
    /// What a configuration can say of it besides its name.
    let settings: [OptimizerSetting]
    /// What its settings are before a configuration says otherwise.
    var setDefaults: @Sendable (inout Configuration.Optimizer) -> Void = { _ in }
    /// Parameters that its weight decay always leaves alone.
    var undecayed: [Configuration.Optimizer.Group] = []
    /// The vectors that it keeps with these settings.
    let vectors: @Sendable (Configuration.Optimizer) -> [OptimizerVector]
    let make: @Sendable (Configuration.Optimizer, OptimizerMemory) -> any Optimizer

    /// Every kind, in the order of the documentation.
    package static let all: [OptimizerKind] = [.sgd, .adam, .adamw, .rmsprop, .lars]

    /// The names of those that have a setting.
    package static func names(with setting: String) -> [String] {
        all.filter { $0.settings.contains { $0.name == setting } }.map(\.name)
    }
}

extension OptimizerKind: Equatable {
    package static func == (left: OptimizerKind, right: OptimizerKind) -> Bool { left.name == right.name }
}

/// A setting that kinds of optimizers have: a key of the configuration, shared by those that list it.
struct OptimizerSetting: Sendable {
    let name: String
    let row: @Sendable (ConfigurationKey.Variants) -> ConfigurationKey

    init<Value>(
        _ name: String, _ meaning: String, _ form: ValueForm<Value>,
        _ place: any WritableKeyPath<Configuration, Value> & Sendable,
        check: @escaping ConfigurationKey.Check = { _, _ in }
    ) {
        self.name = name
        row = { ConfigurationKey("optimizer.\(name)", meaning, form, place, variants: $0, check: check) }
    }

    static let learningRate = OptimizerSetting(
        "learning_rate", "how far a step goes; schedules start from it", .notNegative, \.optimizer.learningRate)
    static let momentum = OptimizerSetting(
        "momentum", "what the velocity keeps of itself in a step", .fraction, \.optimizer.momentum)
    // Nothing else keeps 0/0 from a weight without gradient.
    static let epsilon = OptimizerSetting(
        "eps", "what is added to the root that a step is divided by", .positive, \.optimizer.epsilon)
    static let weightDecay = OptimizerSetting(
        "weight_decay", "how strongly weights are drawn to 0", .notNegative, \.optimizer.weightDecay)
    static let noDecay: OptimizerSetting = {
        let groups = Configuration.Optimizer.Group.allCases.map(\.rawValue).joined(separator: ", ")
        return OptimizerSetting(
            "no_decay", "parameters that weight decay leaves alone",
            ValueForm(expected: "a list of any of \(groups)", isList: true) {
                try $0.list($1, expected: "any of \(groups)", Configuration.Optimizer.Group.init)
            } text: {
                "[\($0.map(\.rawValue).joined(separator: ", "))]"
            }, \.optimizer.noDecay)
    }()

    /// Those of every kind, each kind's in its order.
    fileprivate static var all: [OptimizerSetting] {
        OptimizerKind.all.reduce(into: []) { all, kind in
            var place = 0
            for setting in kind.settings {
                if let index = all.firstIndex(where: { $0.name == setting.name }) {
                    place = index
                } else {
                    all.insert(setting, at: place)
                }
                place += 1
            }
        }
    }
}

extension Configuration {
    static let optimizerKeys: [ConfigurationKey] =
        [
            ConfigurationKey(
                "optimizer.name", "what turns gradients into new weights; optimizer: NAME is short for it",
                expected: ConfigurationSection.expectation(of: OptimizerKind.all.map(\.name)),
                read: { configuration, section, _ in
                    let name = try section.choice("name", OptimizerKind.all.map(\.name))
                    guard let kind = OptimizerKind.all.first(where: { $0.name == name }) else { return }
                    // Another one begins with its own defaults.
                    if kind != configuration.optimizer.kind { configuration.optimizer = Optimizer(kind) }
                }, text: { $0.optimizer.kind.name })
        ]
        + OptimizerSetting.all.map { setting in
            setting.row(
                ConfigurationKey.Variants(
                    names: OptimizerKind.names(with: setting.name), current: { $0.optimizer.kind.name },
                    defaults: { name in
                        var configuration = Configuration()
                        if let kind = OptimizerKind.all.first(where: { $0.name == name }) {
                            configuration.optimizer = Optimizer(kind)
                        }
                        return configuration
                    }))
        } + [groupsKey]
}
