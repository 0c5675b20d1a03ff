import DataParallel
import Tensors
import TestSupport
import Testing

@testable import Training

private func predicted(_ logits: [Float]) -> Int32 { logits.withUnsafeBufferPointer(Predictions.predicted) }

@Suite("Predictions")
struct PredictionsTests {
    @Test("the first highest logit wins, and a logit that is not finite leaves the sample without a prediction")
    func highest() {
        #expect(predicted([0, 3, 1]) == 1 && predicted([2, 2, 1]) == 0 && predicted([-5]) == 0)
        for bad in [Float.nan, .infinity, -.infinity] { #expect(predicted([1, bad, 0]) == Predictions.none) }
    }

    @Test("predictions count as right exactly what the score counts as right")
    func agreesWithScore() {
        let rows: [[Float]] = [[0, 1, 1], [1, 1, 0], [.nan, 0, 1], [0, .infinity, 1], [-1, -2, -1], [3, 2, 1]]
        for label in 0..<3 {
            for row in rows {
                let score = Loss.crossEntropy().score(
                    logits: row, labels: [Int32(label)], samples: 1, classes: 3, dlogits: nil)
                #expect((score.correct1 == 1) == (predicted(row) == Int32(label)), "\(row), label \(label)")
            }
        }
    }

    @Test("every sample is dealt to one rank once, and predictions come back in file order", arguments: [1, 2, 3, 5])
    func gathered(ranks: Int) throws {
        for (samples, size) in [(10, 3), (1, 4), (12, 4), (7, 1)] {
            let labels = [Int32](repeating: 0, count: samples)
            let results = try InProcessWorld(size: ranks).run { communicator in
                let batches = EvaluationBatches(sampleCount: samples, batchSize: size, ranks: ranks)
                var predictions = Predictions(batches, loss: .crossEntropy())
                for round in 0..<batches.rounds {
                    let own = batches.samples(round: round, rank: communicator.rank)
                    // The logits of sample s in s + 1 classes: the last one is the highest.
                    let logits = own.map { sample in
                        let row = UnsafeMutableBufferPointer<Float>.allocate(capacity: sample + 1)
                        row.initialize(repeating: 0)
                        row[sample] = 1
                        return row
                    }
                    predictions.add(round: round, own, labels: labels) { UnsafeBufferPointer(logits[$0]) }
                    logits.forEach { $0.deallocate() }
                }
                return try predictions.gathered(over: communicator).map(\.predicted)
            }
            #expect(results.allSatisfy { $0 == (0..<samples).map(Int32.init) }, "\(samples) in batches of \(size)")
        }
    }

    private func outcome(_ logits: [Float], truth: Int32, loss: Loss = .crossEntropy()) -> SampleOutcome {
        var scratch = [Float](repeating: 0, count: logits.count)
        return logits.withUnsafeBufferPointer {
            SampleOutcome(logits: $0, truth: truth, loss: loss, probabilities: &scratch)
        }
    }

    @Test("the worst samples are those whose true class is least probable; of equals the first, of the sure the surest")
    func worst() {
        let right = outcome([2, 0, 0], truth: 0)
        #expect(right.predicted == 0 && right.probability == right.truthProbability && right.margin == 0)
        let wrong = outcome([2, 0, 0], truth: 1)
        #expect(wrong.predicted == 0 && wrong.truthProbability < 0.11 && wrong.margin == 2)
        // Both probabilities are 0 in float32.
        let (sure, surer) = (outcome([500, 0, 0], truth: 2), outcome([900, 0, 0], truth: 1))
        #expect(sure.truthProbability == 0 && surer.truthProbability == 0)
        let broken = outcome([1, .nan, 0], truth: 0)
        #expect(broken.predicted == Predictions.none)
        let outcomes = [right, wrong, sure, wrong, broken, surer, right]
        #expect(SampleOutcome.worst(outcomes, count: 7) == [4, 5, 2, 1, 3, 0, 6])
        #expect(SampleOutcome.worst(outcomes, count: 4) == [4, 5, 2, 1])
        #expect(SampleOutcome.worst(outcomes, count: 20).count == 7 && SampleOutcome.worst(outcomes, count: 0).isEmpty)
        let squared = outcome([0.75, 0.5], truth: 1, loss: .meanSquaredError)
        #expect(squared.probability == 0.75 && squared.truthProbability == 0.5 && squared.margin == 0.25)
    }
}
