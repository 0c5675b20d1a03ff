package import Layers

extension Configuration {
    /// `optimizer: {…}`, with the names and defaults of torch.optim; momentum 0.9 with sgd is the exception.
    package struct Optimizer: Equatable, Sendable {
        package enum Name: String, CaseIterable, Equatable, Sendable {
            case sgd, adam, adamw, rmsprop, lars
        }

        /// What `no_decay` can name.
        package enum Group: String, CaseIterable, Equatable, Sendable {
            case bias, normalization
        }

        package private(set) var name: Name
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

        /// An optimizer with its own defaults.
        package init(_ name: Name = .sgd) {
            self.name = name
            switch name {
            case .sgd, .adam: break
            case .adamw: weightDecay = 0.01
            case .rmsprop: (learningRate, momentum) = (0.01, 0)
            case .lars: learningRate = 1
            }
        }

        /// The decay of a parameter with this role.
        package func weightDecay(of role: ParameterRole) -> Double {
            switch role {
            case .bias where name == .lars || noDecay.contains(.bias): 0
            case .normalization where name == .lars || noDecay.contains(.normalization): 0
            default: weightDecay
            }
        }

        /// The vectors that the optimizer keeps, one element for each trained one, by the names that a checkpoint files them
        /// under: PyTorch's, except that its momentum_buffer is `momentum` here.
        package var vectorNames: [String] {
            switch name {
            case .sgd: momentum == 0 ? [] : ["momentum"]
            case .adam, .adamw: ["exp_avg", "exp_avg_sq"]
            case .rmsprop: ["square_avg"] + (centered ? ["grad_avg"] : []) + (momentum == 0 ? [] : ["momentum"])
            case .lars: ["momentum"]
            }
        }

        private enum Key: String, CaseIterable {
            case learningRate = "learning_rate"
            case momentum, dampening, nesterov, betas, alpha
            case epsilon = "eps"
            case centered
            case weightDecay = "weight_decay"
            case trust
            case noDecay = "no_decay"
        }

        private static func keys(of name: Name) -> [Key] {
            switch name {
            case .sgd: [.learningRate, .momentum, .dampening, .nesterov, .weightDecay, .noDecay]
            case .adam, .adamw: [.learningRate, .betas, .epsilon, .weightDecay, .noDecay]
            case .rmsprop: [.learningRate, .alpha, .epsilon, .momentum, .centered, .weightDecay, .noDecay]
            case .lars: [.learningRate, .momentum, .trust, .weightDecay]
            }
        }

        /// Every key of this optimizer with its value.
        var entries: [(key: String, value: String)] {
            [("optimizer.name", name.rawValue)]
                + Self.keys(of: name).map { ("optimizer.\($0.rawValue)", text(of: $0)) }
        }

        private func text(of key: Key) -> String {
            switch key {
            case .learningRate: "\(learningRate)"
            case .momentum: "\(momentum)"
            case .dampening: "\(dampening)"
            case .nesterov: "\(nesterov)"
            case .betas: "[\(beta1), \(beta2)]"
            case .epsilon: "\(epsilon)"
            case .alpha: "\(alpha)"
            case .centered: "\(centered)"
            case .weightDecay: "\(weightDecay)"
            case .trust: "\(trust)"
            case .noDecay: "[\(noDecay.map(\.rawValue).joined(separator: ", "))]"
            }
        }
    }

    /// Reads `optimizer`; naming another optimizer than the defaults have begins with that one's own defaults.
    mutating func readOptimizer(_ top: ConfigurationSection) throws {
        guard let section = try top.section("optimizer") else { return }
        let name = try section.choice("name", Optimizer.Name.self) ?? optimizer.name
        if name != optimizer.name { optimizer = Optimizer(name) }
        try optimizer.read(section)
    }
}

extension Configuration.Optimizer {
    static let everyKey = Key.allCases.map(\.rawValue)

    fileprivate mutating func read(_ section: ConfigurationSection) throws {
        let own = Self.keys(of: name)
        for key in Key.allCases where !own.contains(key) && section.has(key.rawValue) {
            let others = Name.allCases.filter { Self.keys(of: $0).contains(key) }.map(\.rawValue)
            throw section.failure(
                key.rawValue, "belongs to \(others.joined(separator: ", ")), not to \(name.rawValue)")
        }
        func number(_ key: Key, _ current: Double) throws -> Double {
            try section.single(key.rawValue, expected: "a number from 0") { $0 >= 0 } ?? current
        }
        learningRate = try number(.learningRate, learningRate)
        momentum = try section.singleFraction(Key.momentum.rawValue) ?? momentum
        dampening =
            try section.number(Key.dampening.rawValue, expected: "a number from 0 to 1") { $0 >= 0 && $0 <= 1 }
            ?? dampening
        nesterov = try section.boolean(Key.nesterov.rawValue) ?? nesterov
        weightDecay = try number(.weightDecay, weightDecay)
        // Nothing else keeps 0/0 from a weight without gradient.
        epsilon = try section.single(Key.epsilon.rawValue, expected: "a number above 0") { $0 > 0 } ?? epsilon
        alpha = try section.singleFraction(Key.alpha.rawValue) ?? alpha
        centered = try section.boolean(Key.centered.rawValue) ?? centered
        trust = try section.single(Key.trust.rawValue, expected: "a number above 0") { $0 > 0 } ?? trust
        let betas = try section.list(Key.betas.rawValue, expected: "two numbers from 0, below 1 in float32") { text in
            Double(text).flatMap { $0 >= 0 && Float($0) < 1 && SinglePrecision.misfit($0) == nil ? $0 : nil }
        }
        if let betas {
            guard betas.count == 2 else {
                throw section.failure(
                    Key.betas.rawValue, "has \(betas.count) values, expected two numbers from 0, below 1")
            }
            (beta1, beta2) = (betas[0], betas[1])
        }
        let groups = Group.allCases.map(\.rawValue).joined(separator: ", ")
        noDecay = try section.list(Key.noDecay.rawValue, expected: "any of \(groups)", Group.init) ?? noDecay
        if nesterov && momentum == 0 {
            throw section.failure(Key.nesterov.rawValue, "= true needs a momentum above 0")
        }
        if nesterov && dampening != 0 {
            throw section.failure(Key.nesterov.rawValue, "= true needs dampening 0")
        }
    }
}
