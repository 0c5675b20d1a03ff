import Tensors
import Testing

@testable import Training

@Suite("Intervals and progress")
struct IntervalTests {
    @Test("an interval is a number and a unit, one or many")
    func reading() {
        #expect(Interval("1 epoch") == Interval(1, .epoch) && Interval("30 epochs") == Interval(30, .epoch))
        #expect(Interval("500 steps") == Interval(500, .step) && Interval("60 seconds") == Interval(60, .second))
        #expect(Interval("2 epoch") == Interval(2, .epoch))
        for text in [
            "", "1", "epoch", "0 epochs", "-1 steps", "1.5 epochs", "1 hour", "1 epochss", "1 2 epochs",
            "1000000001 steps",
        ] {
            #expect(Interval(text) == nil, "\(text)")
        }
        for interval in [Interval(1, .step), Interval(7, .epoch), Interval(60, .second)] {
            #expect(Interval(interval.description) == interval)
        }
    }

    @Test("an interval is due at its multiples; seconds never by the count of steps")
    func due() {
        func due(_ interval: Interval) -> [Int] {
            (1...40).filter { interval.isDue(stepsDone: $0, stepsPerEpoch: 10) }
        }
        #expect(due(Interval(15, .step)) == [15, 30])
        #expect(due(Interval(1, .epoch)) == [10, 20, 30, 40])
        #expect(due(Interval(2, .epoch)) == [20, 40])
        #expect(due(Interval(1, .second)).isEmpty)
        #expect(!Interval(1_000_000_000, .epoch).isDue(stepsDone: 10, stepsPerEpoch: 1 << 32))
    }

    private func score(loss: Double, correct1: Double, correct5: Double = 9, samples: Double = 10) -> Score {
        var score = Score()
        (score.loss, score.divisor, score.samples) = (loss, samples, samples)
        (score.correct1, score.correct5) = (correct1, correct5)
        return score
    }

    @Test("steps and epochs are counted, and the epoch's score begins anew with each")
    func counting() {
        var progress = TrainingProgress(stepsPerEpoch: 3, totalSteps: 7)
        var rows: [[Int]] = []
        while !progress.isFinished {
            progress.addStep(score(loss: 1, correct1: 1))
            rows.append([
                progress.stepsDone, progress.epochsDone, progress.currentEpoch, progress.stepInEpoch,
                progress.isAtEpochEnd ? 1 : 0, Int(progress.epochScore.samples),
            ])
        }
        let expected = [
            [1, 0, 1, 1, 0, 10], [2, 0, 1, 2, 0, 20], [3, 1, 1, 3, 1, 30], [4, 1, 2, 1, 0, 10], [5, 1, 2, 2, 0, 20],
            [6, 2, 2, 3, 1, 30], [7, 2, 3, 1, 0, 10],
        ]
        #expect(rows == expected && progress.samplesSeen == 70)
        #expect(TrainingProgress(stepsPerEpoch: 3, totalSteps: 0).isFinished)
    }

    @Test("early stopping follows the evaluations that no end of a run has brought about")
    func followed() {
        let rule = Configuration.EarlyStopping(metric: .accuracy1, patience: 2)
        var progress = TrainingProgress(
            stepsPerEpoch: 10, totalSteps: 5, evaluateEvery: Interval(4, .step), earlyStopping: rule)
        for _ in 0..<3 { progress.addStep(score(loss: 1, correct1: 1)) }
        for step in 4...5 {
            progress.addStep(score(loss: 1, correct1: 1))
            _ = progress.addEvaluation(score(loss: 1, correct1: Double(9 - step)), metric: .accuracy1)
        }
        var header = Checkpoint.Header()
        progress.write(to: &header)
        var longer = TrainingProgress(
            stepsPerEpoch: 10, totalSteps: 30, evaluateEvery: Interval(4, .step), earlyStopping: rule)
        longer.restore(header)
        #expect(longer.followedEvaluations.map(\.step) == [4] && longer.evaluations.map(\.step) == [4, 5])
        for _ in 6...8 { longer.addStep(score(loss: 1, correct1: 1)) }
        _ = longer.addEvaluation(score(loss: 1, correct1: 2), metric: .accuracy1)
        #expect(!longer.hasStalled)
        for _ in 9...12 { longer.addStep(score(loss: 1, correct1: 1)) }
        _ = longer.addEvaluation(score(loss: 1, correct1: 2), metric: .accuracy1)
        #expect(longer.hasStalled)
    }

    @Test("an interval of more steps than a counter holds never ends")
    func overflow() {
        let interval = Interval(1_000_000_000, .epoch)
        #expect(interval.steps(perEpoch: 1 << 40) == Int.largestProduct)
        #expect(!interval.isDue(stepsDone: 1 << 40, stepsPerEpoch: 1 << 40))
        #expect(Configuration.Length.epochs(1_000_000).steps(perEpoch: 1 << 60) == Int.largestProduct)
    }

    @Test("the best evaluation is the highest accuracy or the lowest loss, and ties keep the earlier")
    func best() {
        func bests(_ metric: Configuration.BestMetric, _ scores: [Score]) -> [Bool] {
            var progress = TrainingProgress(stepsPerEpoch: 1, totalSteps: 10)
            let answers = scores.map { score in
                progress.addStep(score)
                return progress.addEvaluation(score, metric: metric)
            }
            #expect(progress.evaluations.count == scores.count)
            #expect(progress.best?.step == answers.lastIndex(of: true).map { $0 + 1 })
            return answers
        }
        let scores = [
            score(loss: 5, correct1: 5, correct5: 7), score(loss: 6, correct1: 5, correct5: 9),
            score(loss: 5, correct1: 7, correct5: 9), score(loss: 4, correct1: 6, correct5: 8),
        ]
        #expect(bests(.accuracy1, scores) == [true, false, true, false])
        #expect(bests(.accuracy5, scores) == [true, true, false, false])
        #expect(bests(.loss, scores) == [true, false, false, true])
    }
}
