internal import Tensors

// The schedules, each with its rate.
//
// Source: the formulas of torch.optim.lr_scheduler, in closed form: a rate costs the same at every step.

extension ScheduleKind {
    package static let constant = ScheduleKind(name: "constant", keys: []) { _, moment in moment.base }

    /// The rate is multiplied by `factor` each time the interval has passed.
    package static let step = ScheduleKind(
        name: "step", keys: ["every", "factor"], required: ["every", "factor"], rate: stepped)

    /// Like `step`, an epoch at a time unless told otherwise.
    package static let exponential = ScheduleKind(
        name: "exponential", keys: ["every", "factor"], required: ["factor"], rate: stepped)

    private static let stepped: @Sendable (Configuration.Schedule, ScheduleMoment) -> Double = { schedule, moment in
        moment.base
            * Power.of(schedule.factor, moment.step / schedule.every.steps(perEpoch: moment.stepsPerEpoch))
    }

    /// The rate is multiplied by `factor` at each milestone.
    package static let multiStep = ScheduleKind(
        name: "multi_step", keys: ["milestones", "factor"], required: ["milestones", "factor"]
    ) { schedule, moment in
        let passed = schedule.milestones.count { $0.steps(perEpoch: moment.stepsPerEpoch) <= moment.step }
        return moment.base * Power.of(schedule.factor, passed)
    }

    /// Half a cosine wave from the base rate down to `minimum`.
    package static let cosine = ScheduleKind(name: "cosine", keys: ["length", "minimum"]) { schedule, moment in
        schedule.minimum + (moment.base - schedule.minimum) * Power.raisedCosine(moment.share)
    }

    /// base · (1 − t/length)^power.
    package static let polynomial = ScheduleKind(name: "polynomial", keys: ["length", "power"]) { schedule, moment in
        moment.base * Power.of(1 - moment.share, real: schedule.power)
    }

    /// Up from base / divFactor to the base rate in the first part, then down to base / divFactor / finalDivFactor.
    package static let oneCycle = ScheduleKind(
        name: "one_cycle", keys: ["length", "pct_start", "div_factor", "final_div_factor"]
    ) { schedule, moment in
        let first = moment.base / schedule.divFactor
        let last = first / schedule.finalDivFactor
        let (step, end) = (Double(min(moment.step, moment.length - 1)), Double(moment.length - 1))
        let peak = schedule.pctStart * Double(moment.length) - 1
        if step <= peak {
            return moment.base + (first - moment.base) * Power.raisedCosine(peak > 0 ? step / peak : 1)
        }
        return last + (moment.base - last) * Power.raisedCosine(end > peak ? (step - peak) / (end - peak) : 1)
    }

    /// The rate is multiplied by `factor` when the metric has not improved in more than `patience` evaluations.
    package static let plateau = ScheduleKind(
        name: "plateau", keys: ["metric", "factor", "patience", "threshold", "cooldown", "minimum"],
        rate: { _, moment in moment.followed },
        following: { schedule, base, history in
            var (rate, bad, rest) = (base, 0, 0)
            var best: Double?
            for evaluation in history {
                let value = schedule.metric.value(of: evaluation)
                if best.map({ schedule.isBetter(value, than: $0) }) ?? !value.isNaN {
                    best = value
                    bad = 0
                } else {
                    bad += 1
                }
                if rest > 0 {
                    rest -= 1
                    bad = 0
                }
                guard bad > schedule.patience else { continue }
                let lower = max(rate * schedule.factor, schedule.minimum)
                if rate - lower > smallestChange { rate = lower }
                (rest, bad) = (schedule.cooldown, 0)
            }
            return rate
        })

    /// torch.optim.lr_scheduler.ReduceLROnPlateau's smallest change of a rate.
    private static let smallestChange = 1e-8
}

extension Configuration.Schedule {
    fileprivate func isBetter(_ value: Double, than best: Double) -> Bool {
        metric.isBetterWhenLower ? value < best * (1 - threshold) : value > best * (1 + threshold)
    }
}
