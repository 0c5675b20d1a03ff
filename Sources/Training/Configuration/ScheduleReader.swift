internal import Diagnostics

extension Configuration {
    /// Reads `schedule` and its `warmup`. Throws: `Failure(.configuration)`.
    mutating func readSchedule(_ top: ConfigurationSection) throws {
        let every = ScheduleReader.everyKey
        guard let section = try top.section("schedule") else { return }
        if section.has("warmup") { warmup = try ScheduleReader.warmup(section) }
        // A warm-up alone goes before the schedule that is there.
        if section.has("warmup"), !section.has("name"), !every.contains(where: section.has) { return }
        guard let name = try section.choice("name", ScheduleReader.names) else {
            throw section.failure("name", "is missing, expected one of \(ScheduleReader.names.joined(separator: ", "))")
        }
        let own = ScheduleReader.keys[name] ?? []
        for key in every where section.has(key) && !own.contains(key) {
            let others = ScheduleReader.names.filter { ScheduleReader.keys[$0]?.contains(key) == true }
            throw section.failure(key, "belongs to schedule \(others.joined(separator: ", ")), not to \(name)")
        }
        schedule = try ScheduleReader(section: section).schedule(name)
    }
}

/// Reads the keys of one schedule.
struct ScheduleReader {
    let section: ConfigurationSection

    static let names = [
        "constant", "step", "multi_step", "exponential", "cosine", "polynomial", "one_cycle", "plateau",
    ]
    static let keys = [
        "constant": [], "step": ["every", "factor"], "multi_step": ["milestones", "factor"],
        "exponential": ["every", "factor"], "cosine": ["length", "minimum"], "polynomial": ["length", "power"],
        "one_cycle": ["length", "pct_start", "div_factor", "final_div_factor"],
        "plateau": ["metric", "factor", "patience", "threshold", "cooldown", "minimum"],
    ]

    /// The keys of all schedules, sorted.
    static let everyKey = keys.values.reduce(into: Set<String>()) { $0.formUnion($1) }.sorted()

    func schedule(_ name: String) throws -> Configuration.Schedule {
        switch name {
        case "step":
            guard let every = try interval("every") else {
                throw section.failure("every", "is missing, expected N epochs or N steps")
            }
            return .step(every: every, factor: try factor())
        case "multi_step":
            return .multiStep(milestones: try milestones(), factor: try factor())
        case "exponential":
            return .exponential(every: try interval("every") ?? Interval(1, .epoch), factor: try factor())
        case "cosine":
            return .cosine(length: try length(), minimum: try minimum(0))
        case "polynomial":
            return .polynomial(length: try length(), power: try number("power", 1, from: 0))
        case "one_cycle":
            var cycle = Configuration.Schedule.OneCycle()
            cycle.pctStart =
                try section.number("pct_start", expected: "a number from 0 to 1") { $0 >= 0 && $0 <= 1 }
                ?? cycle.pctStart
            cycle.divFactor = try number("div_factor", cycle.divFactor, from: 1)
            cycle.finalDivFactor = try number("final_div_factor", cycle.finalDivFactor, from: 1)
            return .oneCycle(length: try length(), cycle)
        case "plateau":
            return .plateau(try plateau())
        default:
            return .constant
        }
    }

    static func warmup(_ schedule: ConfigurationSection) throws -> Configuration.Warmup? {
        if schedule.isNone("warmup") { return nil }
        guard let section = try schedule.section("warmup") else { return nil }
        let steps = try section.integer("steps", in: 1...1_000_000_000)
        let epochs = try section.integer("epochs", in: 1...1_000_000_000)
        if steps != nil && epochs != nil {
            throw section.failure("steps", "and epochs are both given, expected one of them")
        }
        guard let length = steps.map({ Interval($0, .step) }) ?? epochs.map({ Interval($0, .epoch) }) else {
            throw section.failure("steps", "is missing, expected steps: N or epochs: N")
        }
        let from = try section.number("from", expected: "a share of the learning rate from 0 to 1") {
            $0 >= 0 && $0 <= 1
        }
        return Configuration.Warmup(length: length, from: from ?? 0.1)
    }

    private func plateau() throws -> Configuration.Schedule.Plateau {
        var plateau = Configuration.Schedule.Plateau()
        plateau.metric = try section.metric("metric") ?? plateau.metric
        if section.has("factor") { plateau.factor = try factor() }
        plateau.patience = try section.integer("patience", in: 0...1_000_000) ?? plateau.patience
        plateau.threshold = try number("threshold", plateau.threshold, from: 0)
        plateau.cooldown = try section.integer("cooldown", in: 0...1_000_000) ?? plateau.cooldown
        plateau.minimum = try minimum(plateau.minimum)
        return plateau
    }

    private func interval(_ key: String) throws -> Interval? {
        try section.interval(key, units: [.step, .epoch])
    }

    private func milestones() throws -> [Interval] {
        let expected = "a rising list such as [30 epochs, 60 epochs]"
        let milestones = try section.list("milestones", expected: "N epochs or N steps") { text in
            Interval(text).flatMap { $0.unit == .second ? nil : $0 }
        }
        guard let milestones, !milestones.isEmpty else {
            throw section.failure("milestones", "is missing, expected \(expected)")
        }
        let isRising = zip(milestones, milestones.dropFirst()).allSatisfy { $0.unit == $1.unit && $0.count < $1.count }
        guard isRising else {
            throw section.failure("milestones", "do not rise, or mix steps and epochs; expected \(expected)")
        }
        return milestones
    }

    private func length() throws -> Interval? {
        let text = try section.value("length", expected: "N steps, N epochs, or run for the rest of the run") { text in
            text == "run" || Interval(text).map { $0.unit != .second } == true ? text : nil
        }
        return text.flatMap(Interval.init)
    }

    private func factor() throws -> Double {
        let expected = "a number above 0, at most 1"
        let factor = try section.number("factor", expected: expected) { $0 > 0 && $0 <= 1 }
        guard let factor else { throw section.failure("factor", "is missing, expected \(expected)") }
        return factor
    }

    private func minimum(_ current: Double) throws -> Double {
        try section.single("minimum", expected: "a number from 0.0") { $0 >= 0 } ?? current
    }

    private func number(_ key: String, _ current: Double, from lowest: Double) throws -> Double {
        try section.number(key, expected: "a number from \(lowest)") { $0 >= lowest } ?? current
    }
}
