internal import Diagnostics

extension Configuration {
    /// `schedule: {warmup: {steps: N, from: share}}`: the first steps, in which the rate rises in a straight line from a share
    /// of the base rate to the base rate. The schedule proper begins behind them.
    package struct Warmup: Equatable, Sendable {
        package var length: Interval
        package var from = 0.1

        package init(length: Interval, from: Double = 0.1) {
            self.length = length
            self.from = from
        }
    }

    static let warmupKeys = [
        ConfigurationKey(
            "schedule.warmup", "the first steps, in which the rate rises in a straight line",
            expected: "none, {steps: N} or {epochs: N}",
            read: { configuration, section, _ in
                try configuration.readWarmup(section)
            }, text: { _ in nil }),
        ConfigurationKey(
            "schedule.warmup.steps", "how long the warm-up is, in steps",
            expected: ConfigurationSection.expectation(of: warmupRange),
            text: { $0.warmup.flatMap { $0.length.unit == .step ? "\($0.length.count)" : nil } }),
        ConfigurationKey(
            "schedule.warmup.epochs", "how long the warm-up is, in epochs",
            expected: ConfigurationSection.expectation(of: warmupRange),
            text: { $0.warmup.flatMap { $0.length.unit == .epoch ? "\($0.length.count)" : nil } }),
        ConfigurationKey(
            "schedule.warmup.from", "the share of the learning rate that the warm-up begins with",
            .number("a share of the learning rate from 0 to 1") { (0...1).contains($0) }, in: \.warmup, \.from),
    ]

    private static let warmupRange = 1...1_000_000_000

    private mutating func readWarmup(_ schedule: ConfigurationSection) throws {
        if schedule.isNone("warmup") { warmup = nil }
        guard !schedule.isNone("warmup"), let section = try schedule.section("warmup") else { return }
        let steps = try section.integer("steps", in: Self.warmupRange)
        let epochs = try section.integer("epochs", in: Self.warmupRange)
        if steps != nil && epochs != nil {
            throw section.failure("steps", "and epochs are both given, expected one of them")
        }
        guard let length = steps.map({ Interval($0, .step) }) ?? epochs.map({ Interval($0, .epoch) }) else {
            throw section.failure("steps", "is missing, expected steps: N or epochs: N")
        }
        warmup = Warmup(length: length)
    }
}

/// The learning rate as a function of the step alone; with a schedule that follows evaluations, of those so far too.
///
/// Lengths, intervals and milestones are counted from the end of the warm-up, which is LinearLR in front of the schedule by
/// SequentialLR of torch.optim.lr_scheduler.
package struct LearningRate: Sendable {
    private let base: Double
    private let schedule: Configuration.Schedule
    private let stepsPerEpoch: Int
    private let warmupSteps: Int
    private let warmupFrom: Double
    /// The steps that a schedule with a length stretches over.
    private let length: Int
    /// What evaluations have made of the base rate.
    private var followed: Double

    package init(
        base: Double, schedule: Configuration.Schedule, warmup: Configuration.Warmup? = nil, stepsPerEpoch: Int,
        totalSteps: Int
    ) {
        self.base = base
        self.schedule = schedule
        self.stepsPerEpoch = stepsPerEpoch
        warmupSteps = warmup.map { $0.length.steps(perEpoch: stepsPerEpoch) } ?? 0
        warmupFrom = warmup?.from ?? 1
        followed = base
        length = max(1, schedule.length?.steps(perEpoch: stepsPerEpoch) ?? (totalSteps - warmupSteps))
    }

    /// Takes note of the whole history of evaluations, oldest first; those during the warm-up do not count.
    package mutating func observe(_ evaluations: [Evaluation]) {
        guard let following = schedule.kind.following else { return }
        followed = following(schedule, base, evaluations.filter { $0.step > warmupSteps })
    }

    /// The rate of the step that follows `stepsDone` steps.
    package func rate(afterSteps stepsDone: Int) -> Double {
        guard stepsDone >= warmupSteps else {
            return base * (warmupFrom + (1 - warmupFrom) * Double(stepsDone) / Double(warmupSteps))
        }
        return schedule.kind.rate(
            schedule,
            ScheduleMoment(
                base: base, followed: followed, step: stepsDone - warmupSteps, stepsPerEpoch: stepsPerEpoch,
                length: length))
    }
}
