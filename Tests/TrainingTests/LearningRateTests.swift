import HDF5
import TestSupport
import Testing

@testable import Training

@Suite("Learning rates")
struct LearningRateTests {
    private let golden: GoldenFile

    init() throws { golden = try GoldenFile("schedules.h5") }

    private func rate(_ configuration: Configuration, stepsPerEpoch: Int = 10, totalSteps: Int = 300) -> LearningRate {
        LearningRate(
            base: configuration.optimizer.learningRate, schedule: configuration.schedule,
            warmup: configuration.warmup, stepsPerEpoch: stepsPerEpoch, totalSteps: totalSteps)
    }

    /// PyTorch multiplies its rates from step to step; after 300 of them their roundings have added up to about 1e-14.
    @Test(
        "300 rates are those of torch.optim.lr_scheduler, to 1e-12 of the base rate",
        arguments: [
            "constant", "step", "multi-step", "exponential", "cosine", "cosine-minimum", "polynomial",
            "polynomial-root", "one-cycle", "one-cycle-short", "warmup-cosine", "warmup-multi-step",
        ])
    func schedules(name: String) throws {
        let configuration = try golden.configuration(of: name)
        let rate = rate(configuration, totalSteps: try golden.number("total_steps", of: name))
        let expected = try golden.doubles("\(name)/rates")
        #expect(expected.count == 300)
        for (step, value) in expected.enumerated() {
            let found = rate.rate(afterSteps: step)
            #expect(abs(found - value) <= 1e-12 * configuration.optimizer.learningRate, "step \(step)")
        }
    }

    @Test("rates on a plateau are those of ReduceLROnPlateau", arguments: ["plateau", "plateau-cooldown"])
    func plateau(name: String) throws {
        let configuration = try golden.configuration(of: name)
        let metric = try golden.doubles("\(name)/metric")
        let expected = try golden.doubles("\(name)/rates")
        #expect(Set(expected).count > 3)
        var history: [Evaluation] = []
        var growing = rate(configuration)
        for (index, value) in metric.enumerated() {
            history.append(evaluation(step: 10 * (index + 1), value: value))
            growing.observe(history)
            let found = growing.rate(afterSteps: 10 * (index + 1))
            #expect(abs(found - expected[index]) <= 1e-12 * expected[index], "evaluation \(index)")
            // Whoever goes on from a checkpoint sees the whole history at once.
            var resumed = rate(configuration)
            resumed.observe(history)
            #expect(resumed.rate(afterSteps: 10 * (index + 1)) == found)
        }
    }

    private func evaluation(step: Int, value: Double) -> Evaluation {
        Evaluation(epoch: 0, step: step, loss: value, accuracy1: value, accuracy5: 0)
    }

    @Test("a plateau counts no evaluation of the warm-up, and takes a loss that is not a number for no improvement")
    func plateauEdges() {
        var plateau = Configuration.Schedule.Plateau()
        plateau.patience = 1
        var configuration = Configuration()
        configuration.optimizer.learningRate = 1
        configuration.schedule = .plateau(plateau)
        configuration.warmup = Configuration.Warmup(length: Interval(30, .step))
        var rate = rate(configuration)
        rate.observe([10, 20, 30].map { evaluation(step: $0, value: 1) })
        #expect(rate.rate(afterSteps: 30) == 1)
        rate.observe([10, 20, 30, 40, 50, 60].map { evaluation(step: $0, value: $0 == 50 ? .nan : 1) })
        #expect(rate.rate(afterSteps: 60) == 0.1)
    }

    @Test("a constant rate stays, a stepped one is multiplied each time the interval has passed")
    func intervals() {
        let constant = LearningRate(base: 0.1, schedule: .constant, stepsPerEpoch: 10, totalSteps: 9)
        #expect([0, 9, 1_000_000].map(constant.rate(afterSteps:)) == [0.1, 0.1, 0.1])
        let epochs = LearningRate(
            base: 0.5, schedule: .step(every: Interval(3, .epoch), factor: 0.1), stepsPerEpoch: 10, totalSteps: 9)
        #expect(
            [0, 29, 30, 59, 60].map(epochs.rate(afterSteps:)) == [0.5, 0.5, 0.5 * 0.1, 0.5 * 0.1, 0.5 * (0.1 * 0.1)])
        let steps = LearningRate(
            base: 1, schedule: .step(every: Interval(7, .step), factor: 0.5), stepsPerEpoch: 10, totalSteps: 9)
        #expect([6, 7, 13, 14, 70].map(steps.rate(afterSteps:)) == [1, 0.5, 0.5, 0.25, 1.0 / 1024])
        #expect(steps.rate(afterSteps: 1 << 40) == 0)
    }

    @Test("behind its length a schedule stays where it has arrived")
    func behindTheEnd() {
        var configuration = Configuration()
        configuration.optimizer.learningRate = 1
        configuration.schedule = .cosine(length: Interval(2, .epoch), minimum: 0.125)
        #expect([20, 21, 1000].map(rate(configuration).rate(afterSteps:)) == [0.125, 0.125, 0.125])
        configuration.schedule = .polynomial(length: Interval(20, .step), power: 1)
        #expect([20, 21, 1000].map(rate(configuration).rate(afterSteps:)) == [0, 0, 0])
        configuration.schedule = .oneCycle(length: Interval(20, .step), Configuration.Schedule.OneCycle())
        let rates = [19, 20, 1000].map(rate(configuration).rate(afterSteps:))
        #expect(rates.allSatisfy { $0 == 1 / 25.0 / 1e4 })
    }

    @Test("runs of a few steps have finite rates under every schedule")
    func shortRuns() {
        for total in 0...4 {
            for schedule: Configuration.Schedule in [
                .cosine(length: nil, minimum: 0), .polynomial(length: nil, power: 0.5),
                .oneCycle(length: nil, Configuration.Schedule.OneCycle()),
            ] {
                for warmup in [nil, Configuration.Warmup(length: Interval(2, .step), from: 0)] {
                    let rate = LearningRate(
                        base: 1, schedule: schedule, warmup: warmup, stepsPerEpoch: 1, totalSteps: total)
                    #expect((0...5).allSatisfy { (0...1).contains(rate.rate(afterSteps: $0)) }, "\(schedule) \(total)")
                }
            }
        }
    }
}
