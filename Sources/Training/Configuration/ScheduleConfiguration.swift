extension Configuration {
    /// `schedule: {name: …}`: how the learning rate goes on from the end of the warm-up.
    package enum Schedule: Equatable, Sendable {
        case constant
        /// The rate is multiplied by `factor` each time the interval has passed.
        case step(every: Interval, factor: Double)
        /// The rate is multiplied by `factor` at each milestone.
        case multiStep(milestones: [Interval], factor: Double)
        /// Like `step`, an epoch at a time unless told otherwise.
        case exponential(every: Interval, factor: Double)
        /// Half a cosine wave from the base rate down to `minimum`. `length` nil: the rest of the run.
        case cosine(length: Interval?, minimum: Double)
        /// base · (1 − t/length)^power.
        case polynomial(length: Interval?, power: Double)
        case oneCycle(length: Interval?, OneCycle)
        case plateau(Plateau)

        /// Up from base / divFactor to the base rate in the first part, then down to base / divFactor / finalDivFactor.
        package struct OneCycle: Equatable, Sendable {
            package var pctStart = 0.3
            package var divFactor = 25.0
            package var finalDivFactor = 1e4

            package init() {}
        }

        /// The rate is multiplied by `factor` when the metric has not improved in more than `patience` evaluations.
        package struct Plateau: Equatable, Sendable {
            package var metric = BestMetric.loss
            package var factor = 0.1
            package var patience = 10
            /// The share of the best value so far by which a better one has to be better.
            package var threshold = 1e-4
            package var cooldown = 0
            package var minimum = 0.0

            package init() {}
        }

        /// Whether another length of the run gives other rates.
        package var followsRunLength: Bool {
            switch self {
            case .cosine(nil, _), .polynomial(nil, _), .oneCycle(nil, _): true
            default: false
            }
        }

        package var name: String {
            switch self {
            case .constant: "constant"
            case .step: "step"
            case .multiStep: "multi_step"
            case .exponential: "exponential"
            case .cosine: "cosine"
            case .polynomial: "polynomial"
            case .oneCycle: "one_cycle"
            case .plateau: "plateau"
            }
        }
    }

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

    /// The keys of the schedule and its warm-up with their values.
    var scheduleEntries: [(key: String, value: String)] {
        let length = { (length: Interval?) in length.map(\.description) ?? "run" }
        var values: [(String, String)] =
            switch schedule {
            case .constant: []
            case .step(let every, let factor), .exponential(let every, let factor):
                [("every", "\(every)"), ("factor", "\(factor)")]
            case .multiStep(let milestones, let factor):
                [
                    ("milestones", "[\(milestones.map(\.description).joined(separator: ", "))]"),
                    ("factor", "\(factor)"),
                ]
            case .cosine(let steps, let minimum): [("length", length(steps)), ("minimum", "\(minimum)")]
            case .polynomial(let steps, let power): [("length", length(steps)), ("power", "\(power)")]
            case .oneCycle(let steps, let cycle):
                [
                    ("length", length(steps)), ("pct_start", "\(cycle.pctStart)"), ("div_factor", "\(cycle.divFactor)"),
                    ("final_div_factor", "\(cycle.finalDivFactor)"),
                ]
            case .plateau(let plateau):
                [
                    ("metric", plateau.metric.rawValue), ("factor", "\(plateau.factor)"),
                    ("patience", "\(plateau.patience)"), ("threshold", "\(plateau.threshold)"),
                    ("cooldown", "\(plateau.cooldown)"), ("minimum", "\(plateau.minimum)"),
                ]
            }
        if let warmup {
            values += [("warmup.\(warmup.length.unit.rawValue)s", "\(warmup.length.count)")]
            values += [("warmup.from", "\(warmup.from)")]
        }
        return ([("name", schedule.name)] + values).map { ("schedule.\($0.0)", $0.1) }
    }
}
