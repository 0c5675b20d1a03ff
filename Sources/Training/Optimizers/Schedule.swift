extension Configuration {
    /// `schedule: {name: …}`: how the learning rate goes on from the end of the warm-up.
    ///
    /// Schedules share their settings: a kind says which of them it has.
    package struct Schedule: Equatable, Sendable {
        package let kind: ScheduleKind
        package var every = Interval(1, .epoch)
        package var milestones: [Interval] = []
        /// nil: the rest of the run.
        package var length: Interval?
        package var metric = BestMetric.loss
        package var factor = 0.1
        package var patience = 10
        /// The share of the best value so far by which a better one has to be better.
        package var threshold = 1e-4
        package var cooldown = 0
        package var power = 1.0
        package var pctStart = 0.3
        package var divFactor = 25.0
        package var finalDivFactor = 1e4
        package var minimum = 0.0

        package init(_ kind: ScheduleKind = .constant, _ set: (inout Schedule) -> Void = { _ in }) {
            self.kind = kind
            set(&self)
        }

        /// Whether another length of the run gives other rates.
        package var followsRunLength: Bool { has("length") && length == nil }

        /// Whether it has a setting.
        package func has(_ key: String) -> Bool { kind.keys.contains(key) }
    }
}

/// A kind of schedule: its name, its settings and its rate.
package struct ScheduleKind: Sendable {
    package let name: String
    /// The settings that it has, besides its name.
    let keys: [String]
    /// Those of them that a configuration must give.
    var required: Set<String> = []
    /// The rate at a moment.
    let rate: @Sendable (Configuration.Schedule, ScheduleMoment) -> Double
    /// What a history of evaluations, oldest first, makes of the base rate; nil where it makes nothing of it.
    var following: (@Sendable (Configuration.Schedule, _ base: Double, _ history: [Evaluation]) -> Double)?

    /// Every kind, in the order of the documentation.
    package static let all: [ScheduleKind] = [
        .constant, .step, .multiStep, .exponential, .cosine, .polynomial, .oneCycle, .plateau,
    ]
}

extension ScheduleKind: Equatable {
    package static func == (left: ScheduleKind, right: ScheduleKind) -> Bool { left.name == right.name }
}

/// What a rate may depend on.
struct ScheduleMoment {
    /// The learning rate of the configuration, and what evaluations have made of it.
    let base, followed: Double
    /// Steps since the end of the warm-up.
    let step: Int
    let stepsPerEpoch: Int
    /// The steps that a schedule with a length stretches over, at least 1.
    let length: Int

    /// How much of the length has passed, 0…1.
    var share: Double { Double(min(step, length)) / Double(length) }
}

extension Configuration {
    static let scheduleKeys: [ConfigurationKey] = {
        func key<Value>(
            _ name: String, _ meaning: String, _ form: ValueForm<Value>,
            _ place: any WritableKeyPath<Configuration, Value> & Sendable
        ) -> ConfigurationKey {
            ConfigurationKey("schedule.\(name)", meaning, form, place, variants: kinds(with: name))
        }
        return [
            ConfigurationKey(
                "schedule.name", "how the learning rate changes; schedule: NAME is short for it",
                expected: ConfigurationSection.expectation(of: ScheduleKind.all.map(\.name)),
                read: { configuration, section, _ in
                    if let schedule = try schedule(section) { configuration.schedule = schedule }
                }, text: { $0.schedule.kind.name }),
            key("every", "after how long the rate is multiplied by factor, again and again", .steps, \.schedule.every),
            ConfigurationKey(
                "schedule.milestones", "when the rate is multiplied by factor", expected: risingList, isList: true,
                variants: kinds(with: "milestones"),
                read: { configuration, section, _ in
                    if let milestones = try milestones(section) { configuration.schedule.milestones = milestones }
                }, text: { "[\($0.schedule.milestones.map(\.description).joined(separator: ", "))]" }),
            ConfigurationKey(
                "schedule.length", "how long the schedule takes from the end of the warm-up",
                expected: runOrInterval, variants: kinds(with: "length"),
                read: { configuration, section, _ in
                    let text = try section.value("length", expected: runOrInterval) { text in
                        text == "run" || Interval(text).map { $0.unit != .second } == true ? text : nil
                    }
                    if let text { configuration.schedule.length = Interval(text) }
                }, text: { $0.schedule.length?.description ?? "run" }),
            key("metric", "what has to improve", .choice, \.schedule.metric),
            key(
                "factor", "what the rate is multiplied by",
                .number("a number above 0, at most 1") { $0 > 0 && $0 <= 1 }, \.schedule.factor),
            key(
                "patience", "evaluations without an improvement that the rate waits for",
                .integer(in: 0...1_000_000), \.schedule.patience),
            key(
                "threshold", "the share of the best value by which a better one has to be better",
                .number("a number from 0") { $0 >= 0 }, \.schedule.threshold),
            key(
                "cooldown", "evaluations after a change that do not count", .integer(in: 0...1_000_000),
                \.schedule.cooldown),
            key(
                "power", "the exponent of the share of the length that is left", .number("a number from 0") { $0 >= 0 },
                \.schedule.power),
            key("pct_start", "the share of the length in which the rate rises", .share, \.schedule.pctStart),
            key(
                "div_factor", "how many times smaller than its peak the rate begins",
                .number("a number from 1") { $0 >= 1 }, \.schedule.divFactor),
            key(
                "final_div_factor", "how many times smaller than at its beginning the rate ends",
                .number("a number from 1") { $0 >= 1 }, \.schedule.finalDivFactor),
            key("minimum", "the rate that is not gone below", .notNegative, \.schedule.minimum),
        ]
    }()

    private static let risingList = "a rising list such as [30 epochs, 60 epochs]"
    private static let runOrInterval = "N steps, N epochs, or run for the rest of the run"

    /// A schedule of the kind that a section names, with what it must say; nil where it is for a warm-up alone, which goes
    /// before the schedule that is there.
    private static func schedule(_ section: ConfigurationSection) throws -> Schedule? {
        let names = ScheduleKind.all.map(\.name)
        let isWarmupAlone = section.keys == ["warmup"]
        guard let name = try section.choice("name", names) else {
            if isWarmupAlone { return nil }
            throw section.failure("name", "is missing, expected one of \(names.joined(separator: ", "))")
        }
        guard let kind = ScheduleKind.all.first(where: { $0.name == name }) else { return nil }
        for key in kind.keys where kind.required.contains(key) && !section.has(key) {
            let expected = ConfigurationKeys.row(at: "schedule.\(key)")?.expected ?? ""
            throw section.failure(key, "is missing, expected \(expected)")
        }
        return Schedule(kind)
    }

    private static func milestones(_ section: ConfigurationSection) throws -> [Interval]? {
        let milestones = try section.list("milestones", expected: "N epochs or N steps") { text in
            Interval(text).flatMap { $0.unit == .second ? nil : $0 }
        }
        guard let milestones else { return nil }
        let isRising = zip(milestones, milestones.dropFirst()).allSatisfy { $0.unit == $1.unit && $0.count < $1.count }
        guard isRising, !milestones.isEmpty else {
            throw section.failure("milestones", "do not rise, or mix steps and epochs; expected \(risingList)")
        }
        return milestones
    }

    private static func kinds(with key: String) -> ConfigurationKey.Variants {
        ConfigurationKey.Variants(
            names: ScheduleKind.all.filter { $0.keys.contains(key) }.map(\.name),
            required: ScheduleKind.all.filter { $0.required.contains(key) }.map(\.name),
            current: { $0.schedule.kind.name },
            defaults: { name in
                var configuration = Configuration()
                if let kind = ScheduleKind.all.first(where: { $0.name == name }) {
                    configuration.schedule = Schedule(kind)
                }
                return configuration
            })
    }
}
