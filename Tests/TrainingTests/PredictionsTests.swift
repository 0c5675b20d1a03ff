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
            let results = try InProcessWorld(size: ranks).run { communicator in
                let batches = EvaluationBatches(sampleCount: samples, batchSize: size, ranks: ranks)
                var predictions = Predictions(batches)
                for round in 0..<batches.rounds {
                    let own = batches.samples(round: round, rank: communicator.rank)
                    // The logits of sample s in s + 1 classes: the last one is the highest.
                    let logits = own.map { sample in
                        let row = UnsafeMutableBufferPointer<Float>.allocate(capacity: sample + 1)
                        row.initialize(repeating: 0)
                        row[sample] = 1
                        return row
                    }
                    predictions.add(round: round, own) { UnsafeBufferPointer(logits[$0]) }
                    logits.forEach { $0.deallocate() }
                }
                return try predictions.gathered(over: communicator)
            }
            #expect(results.allSatisfy { $0 == (0..<samples).map(Int32.init) }, "\(samples) in batches of \(size)")
        }
    }
}
