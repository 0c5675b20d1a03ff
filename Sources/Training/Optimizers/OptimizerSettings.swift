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
        package var beta1 = 0.9
        package var beta2 = 0.999
        package var epsilon = 1e-8
        package var alpha = 0.99
        package var centered = false
        /// What the ratio of the norms of weights and gradient is multiplied by.
        package var trust = 0.001
        /// Parameters that weight decay leaves alone.
        package var noDecay: [Group] = []

        package init(_ kind: OptimizerKind = .sgd) {
            self.kind = kind
            kind.setDefaults(&self)
        }

        /// The decay of a parameter with this role.
        package func weightDecay(of role: ParameterRole) -> Double {
            switch role {
            case .bias where noDecay.contains(.bias) || kind.undecayed.contains(.bias): 0
            case .normalization where noDecay.contains(.normalization) || kind.undecayed.contains(.normalization): 0
            default: weightDecay
            }
        }

        /// The vectors that the optimizer keeps, one element for each trained one, by the names that a checkpoint files them
        /// under: PyTorch's, except that its momentum_buffer is `momentum` here.
        package var vectorNames: [String] { kind.vectorNames(self) }
    }
}

/// A kind of optimizer: its name, its settings and what makes it. Each stands in front of its algorithm.
package struct OptimizerKind: Sendable {
    package let name: String
    /// The settings that it has, besides its name.
    let keys: [String]
    /// What its settings are before a configuration says otherwise.
    var setDefaults: @Sendable (inout Configuration.Optimizer) -> Void = { _ in }
    /// Parameters that its weight decay always leaves alone.
    var undecayed: [Configuration.Optimizer.Group] = []
    /// The vectors that it keeps with these settings.
    let vectorNames: @Sendable (Configuration.Optimizer) -> [String]
    let make: @Sendable (Configuration.Optimizer, OptimizerMemory) -> any Optimizer

    /// Every kind, in the order of the documentation.
    package static let all: [OptimizerKind] = [.sgd, .adam, .adamw, .rmsprop, .lars]
}

extension OptimizerKind: Equatable {
    package static func == (left: OptimizerKind, right: OptimizerKind) -> Bool { left.name == right.name }
}

extension Configuration {
    static let optimizerKeys: [ConfigurationKey] = {
        func key<Value>(
            _ name: String, _ meaning: String, _ form: ValueForm<Value>,
            _ place: any WritableKeyPath<Configuration, Value> & Sendable,
            check: @escaping ConfigurationKey.Check = { _, _ in }
        ) -> ConfigurationKey {
            ConfigurationKey("optimizer.\(name)", meaning, form, place, variants: kinds(with: name), check: check)
        }
        let groups = Optimizer.Group.allCases.map(\.rawValue).joined(separator: ", ")
        return [
            ConfigurationKey(
                "optimizer.name", "what turns gradients into new weights; optimizer: NAME is short for it",
                expected: ConfigurationSection.expectation(of: OptimizerKind.all.map(\.name)),
                read: { configuration, section, _ in
                    let name = try section.choice("name", OptimizerKind.all.map(\.name))
                    guard let kind = OptimizerKind.all.first(where: { $0.name == name }) else { return }
                    // Another one begins with its own defaults.
                    if kind != configuration.optimizer.kind { configuration.optimizer = Optimizer(kind) }
                }, text: { $0.optimizer.kind.name }),
            key(
                "learning_rate", "how far a step goes; schedules start from it", .notNegative,
                \.optimizer.learningRate),
            ConfigurationKey(
                "optimizer.betas", "what the running means of gradients and their squares keep of themselves in a step",
                expected: "two numbers from 0, below 1", isList: true, variants: kinds(with: "betas"),
                read: { configuration, section, _ in
                    let betas = try section.list("betas", expected: "two numbers from 0, below 1 in float32") { text in
                        Double(text).flatMap {
                            $0 >= 0 && Float($0) < 1 && SinglePrecision.misfit($0) == nil ? $0 : nil
                        }
                    }
                    guard let betas else { return }
                    guard betas.count == 2 else {
                        throw section.failure(
                            "betas", "has \(betas.count) values, expected two numbers from 0, below 1")
                    }
                    (configuration.optimizer.beta1, configuration.optimizer.beta2) = (betas[0], betas[1])
                }, text: { "[\($0.optimizer.beta1), \($0.optimizer.beta2)]" }),
            key(
                "alpha", "what the running mean of squared gradients keeps of itself in a step", .fraction,
                \.optimizer.alpha),
            // Nothing else keeps 0/0 from a weight without gradient.
            key("eps", "what is added to the root that a step is divided by", .positive, \.optimizer.epsilon),
            key("momentum", "what the velocity keeps of itself in a step", .fraction, \.optimizer.momentum),
            key("dampening", "the share of the gradient that the velocity leaves out", .share, \.optimizer.dampening),
            key(
                "nesterov", "whether a step goes by the velocity after it", .boolean, \.optimizer.nesterov,
                check: { configuration, section in
                    guard configuration.optimizer.nesterov else { return }
                    if configuration.optimizer.momentum == 0 {
                        throw section.failure("nesterov", "= true needs a momentum above 0")
                    }
                    if configuration.optimizer.dampening != 0 {
                        throw section.failure("nesterov", "= true needs dampening 0")
                    }
                }),
            key(
                "centered", "whether the mean of the gradients is taken off before they are squared", .boolean,
                \.optimizer.centered),
            key(
                "trust", "how far a parameter may move in a step, as a share of its norm", .positive, \.optimizer.trust),
            key(
                "weight_decay", "how strongly weights are drawn to 0", .notNegative, \.optimizer.weightDecay),
            key(
                "no_decay", "parameters that weight decay leaves alone",
                ValueForm(expected: "a list of any of \(groups)", isList: true) {
                    try $0.list($1, expected: "any of \(groups)", Optimizer.Group.init)
                } text: {
                    "[\($0.map(\.rawValue).joined(separator: ", "))]"
                }, \.optimizer.noDecay),
        ]
    }()

    private static func kinds(with key: String) -> ConfigurationKey.Variants {
        ConfigurationKey.Variants(
            names: OptimizerKind.all.filter { $0.keys.contains(key) }.map(\.name),
            current: { $0.optimizer.kind.name },
            defaults: { name in
                var configuration = Configuration()
                if let kind = OptimizerKind.all.first(where: { $0.name == name }) {
                    configuration.optimizer = Optimizer(kind)
                }
                return configuration
            })
    }
}
