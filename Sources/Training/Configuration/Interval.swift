internal import Tensors

/// How often something happens: "1 epoch", "30 epochs", "500 steps", "60 seconds".
package struct Interval: Equatable, Sendable, CustomStringConvertible {
    package enum Unit: String, CaseIterable, Sendable {
        case step, epoch, second
    }

    package let count: Int
    package let unit: Unit

    package init(_ count: Int, _ unit: Unit) {
        self.count = count
        self.unit = unit
    }

    /// So many epochs of any dataset still fit a step counter.
    private static let largestCount = 1_000_000_000

    /// nil when the text is not a number from 1 to a billion and a unit.
    package init?(_ text: String) {
        let words = text.split(separator: " ")
        guard words.count == 2, let count = Int(words[0]), (1...Self.largestCount).contains(count) else { return nil }
        guard let unit = Unit.allCases.first(where: { words[1] == $0.rawValue || words[1] == $0.rawValue + "s" })
        else { return nil }
        self.init(count, unit)
    }

    package var description: String { "\(count) \(unit.rawValue)\(count == 1 ? "" : "s")" }

    /// The interval in steps, at most as many as a counter holds. Traps: seconds, which no count of steps knows.
    package func steps(perEpoch stepsPerEpoch: Int) -> Int {
        precondition(unit != .second, "\(self) in steps")
        return unit == .epoch ? Int.product(count, stepsPerEpoch) : count
    }

    /// Those of a history that the interval alone asked for; a run's last evaluation may stand elsewhere.
    func due(_ evaluations: [Evaluation], stepsPerEpoch: Int) -> [Evaluation] {
        evaluations.filter { isDue(stepsDone: $0.step, stepsPerEpoch: stepsPerEpoch) }
    }

    /// Whether the interval ends with this step, the last of which number is `stepsDone` since the run began.
    package func isDue(stepsDone: Int, stepsPerEpoch: Int) -> Bool {
        switch unit {
        case .step: stepsDone % count == 0
        case .epoch: stepsDone % steps(perEpoch: stepsPerEpoch) == 0
        case .second: false
        }
    }
}
