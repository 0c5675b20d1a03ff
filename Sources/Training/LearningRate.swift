/// The learning rate as a function of the step, and of nothing else.
package struct LearningRate: Sendable {
    package let base: Double
    package let schedule: Configuration.Schedule
    package let stepsPerEpoch: Int

    package init(base: Double, schedule: Configuration.Schedule, stepsPerEpoch: Int) {
        self.base = base
        self.schedule = schedule
        self.stepsPerEpoch = stepsPerEpoch
    }

    /// The rate of the step that follows `stepsDone` steps.
    package func rate(afterSteps stepsDone: Int) -> Double {
        switch schedule {
        case .constant:
            return base
        case .step(let every, let factor):
            let length = every.unit == .epoch ? every.count * stepsPerEpoch : every.count
            // By repeated multiplication, not by pow, whose last bit depends on the C library.
            return (0..<stepsDone / length).reduce(base) { rate, _ in rate * factor }
        }
    }
}
