import Testing

@testable import Tensors

@Suite("Softmax cross-entropy")
struct SoftmaxCrossEntropyTests {
    private func score(_ logits: [Float], _ label: Int32, _ dlogits: inout [Float]) -> Score {
        Loss.crossEntropy().score(logits: logits, labels: [label], samples: 1, classes: logits.count, dlogits: &dlogits)
    }

    @Test("the rank of a label counts larger logits, and equal ones with a lower index")
    func ranks() {
        var gradient = [Float](repeating: 0, count: 7)
        let logits: [Float] = [1, 3, 3, 0, 2, 2, -1]
        // Labels from the highest to the lowest: 1, 2, 4, 5, 0, 3, 6.
        for label in Int32(0)..<7 {
            let score = score(logits, label, &gradient)
            #expect(score.correct1 == (label == 1 ? 1 : 0), "label \(label)")
            #expect(score.correct5 == ([0, 1, 2, 4, 5].contains(label) ? 1 : 0), "label \(label)")
        }
    }

    @Test("a NaN logit makes the loss NaN and the sample wrong")
    func notANumber() {
        var gradient = [Float](repeating: 0, count: 3)
        for place in 0..<3 {
            var logits: [Float] = [1, 2, 3]
            logits[place] = .nan
            let score = score(logits, 2, &gradient)
            #expect(score.loss.isNaN && score.correct1 == 0 && score.correct5 == 0 && score.samples == 1)
        }
    }

    @Test("logits of ±10,000 neither overflow nor lose the loss")
    func large() {
        var gradient = [Float](repeating: 0, count: 2)
        let wrong = score([10_000, -10_000], 1, &gradient)
        #expect(wrong.loss == 20_000 && gradient == [1, -1])
        let right = score([10_000, -10_000], 0, &gradient)
        #expect(right.loss == 0 && gradient == [0, 0])
    }

    @Test("no samples score nothing")
    func nothing() {
        let score = Loss.crossEntropy().score(logits: [1], labels: [0], samples: 0, classes: 1, dlogits: nil)
        #expect(score == Score())
    }
}
