internal import Tensors

/// The learning rate as a function of the step alone; with the schedule `plateau`, of the evaluations so far too.
///
/// A rate costs the same at every step. Lengths, intervals and milestones are counted from the end of the warm-up.
/// Source: the formulas of torch.optim.lr_scheduler, in closed form; warm-up as LinearLR in front of them by SequentialLR.
package struct LearningRate: Sendable {
    private let base: Double
    private let schedule: Configuration.Schedule
    private let stepsPerEpoch: Int
    private let warmupSteps: Int
    private let warmupFrom: Double
    /// The steps that a schedule with a length stretches over.
    private let length: Int
    /// What evaluations have made of the base rate.
    private var plateauRate: Double

    package init(
        base: Double, schedule: Configuration.Schedule, warmup: Configuration.Warmup? = nil, stepsPerEpoch: Int,
        totalSteps: Int
    ) {
        self.base = base
        self.schedule = schedule
        self.stepsPerEpoch = stepsPerEpoch
        warmupSteps = warmup.map { $0.length.steps(perEpoch: stepsPerEpoch) } ?? 0
        warmupFrom = warmup?.from ?? 1
        plateauRate = base
        switch schedule {
        case .cosine(let interval, _), .polynomial(let interval, _), .oneCycle(let interval, _):
            length = max(1, interval?.steps(perEpoch: stepsPerEpoch) ?? (totalSteps - warmupSteps))
        default:
            length = 1
        }
    }

    /// Takes note of the whole history of evaluations, oldest first; those during the warm-up do not count.
    package mutating func observe(_ evaluations: [Evaluation]) {
        guard case .plateau(let plateau) = schedule else { return }
        plateauRate = plateau.rate(from: base, after: evaluations.filter { $0.step > warmupSteps })
    }

    /// The rate of the step that follows `stepsDone` steps.
    package func rate(afterSteps stepsDone: Int) -> Double {
        guard stepsDone >= warmupSteps else {
            return base * (warmupFrom + (1 - warmupFrom) * Double(stepsDone) / Double(warmupSteps))
        }
        let step = stepsDone - warmupSteps
        switch schedule {
        case .constant:
            return base
        case .step(let every, let factor), .exponential(let every, let factor):
            return base * Power.of(factor, step / every.steps(perEpoch: stepsPerEpoch))
        case .multiStep(let milestones, let factor):
            return base * Power.of(factor, milestones.count { $0.steps(perEpoch: stepsPerEpoch) <= step })
        case .cosine(_, let minimum):
            return minimum + (base - minimum) * Power.raisedCosine(share(of: step))
        case .polynomial(_, let power):
            return base * Power.of(1 - share(of: step), real: power)
        case .oneCycle(_, let cycle):
            return rate(of: cycle, step: min(step, length - 1))
        case .plateau:
            return plateauRate
        }
    }

    /// How much of the length has passed, 0…1.
    private func share(of step: Int) -> Double { Double(min(step, length)) / Double(length) }

    private func rate(of cycle: Configuration.Schedule.OneCycle, step: Int) -> Double {
        let first = base / cycle.divFactor
        let last = first / cycle.finalDivFactor
        let (step, end) = (Double(step), Double(length - 1))
        let peak = cycle.pctStart * Double(length) - 1
        if step <= peak {
            return base + (first - base) * Power.raisedCosine(peak > 0 ? step / peak : 1)
        }
        return last + (base - last) * Power.raisedCosine(end > peak ? (step - peak) / (end - peak) : 1)
    }
}

extension Configuration.Schedule.Plateau {
    /// torch.optim.lr_scheduler.ReduceLROnPlateau's smallest change of a rate.
    private static let smallestChange = 1e-8

    /// The rate after a history of evaluations.
    package func rate(from base: Double, after evaluations: [Evaluation]) -> Double {
        var (rate, bad, rest) = (base, 0, 0)
        var best: Double?
        for evaluation in evaluations {
            let value = metric.value(of: evaluation)
            if best.map({ isBetter(value, than: $0) }) ?? !value.isNaN {
                best = value
                bad = 0
            } else {
                bad += 1
            }
            if rest > 0 {
                rest -= 1
                bad = 0
            }
            guard bad > patience else { continue }
            let lower = max(rate * factor, minimum)
            if rate - lower > Self.smallestChange { rate = lower }
            (rest, bad) = (cooldown, 0)
        }
        return rate
    }

    private func isBetter(_ value: Double, than best: Double) -> Bool {
        metric.isBetterWhenLower ? value < best * (1 - threshold) : value > best * (1 + threshold)
    }
}
