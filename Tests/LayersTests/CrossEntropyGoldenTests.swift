import TestSupport
import Testing

@testable import Layers
@testable import Tensors

/// Computed in double from the same float32 logits, so the reference is PyTorch's float64: losses to 1e-13 of their
/// size, gradients to the one rounding to float32.
@Suite("Cross-entropy against PyTorch")
struct CrossEntropyGoldenTests {
    private struct Case {
        let name: String
        let samples, classes: Int
        let logits: [Float]
        let labels: [Int32]
        let loss: Double
        let dlogits: [Double]
    }

    private func cases() throws -> [Case] {
        let golden = try GoldenFile("cross_entropy")
        let cases = try golden.cases().map { name in
            let shape = try golden.shape("\(name)/logits")
            return Case(
                name: name, samples: shape[0], classes: shape[1], logits: try golden.floats("\(name)/logits"),
                labels: try golden.integers("\(name)/targets").map { Int32($0) },
                loss: try golden.doubles("\(name)/loss_float64")[0],
                dlogits: try golden.doubles("\(name)/dlogits_float64"))
        }
        #expect(cases.count == 8)
        return cases
    }

    private func expectGradient(_ actual: [Float], _ expected: [Double], _ what: String) {
        #expect(actual.count == expected.count)
        for (value, reference) in zip(actual, expected) {
            // Half a unit of float32, and what cancels in p − 1.
            #expect(abs(Double(value) - reference) <= 0x1p-24 * abs(reference) + 1e-15, "\(what)")
        }
    }

    @Test("8 cases: the operator's loss and gradients")
    func operation() throws {
        for golden in try cases() {
            var dlogits = [Float](repeating: .nan, count: golden.logits.count)
            let score = Loss.crossEntropy().score(
                logits: golden.logits, labels: golden.labels, samples: golden.samples, classes: golden.classes,
                dlogits: &dlogits)
            #expect(abs(score.loss - golden.loss) <= 1e-13 * max(1, golden.loss), "\(golden.name)")
            #expect(score.divisor == Double(golden.samples) && score.samples == Double(golden.samples))
            expectGradient(dlogits, golden.dlogits, golden.name)
        }
    }

    @Test("8 cases: the loss of a plan, and its gradients through a layer that passes logits on")
    func plan() throws {
        for golden in try cases() {
            let probe = try PlanProbe.passingLogitsOn(classes: golden.classes)
            var loss = 0.0
            for sample in 0..<golden.samples {
                let range = sample * golden.classes..<(sample + 1) * golden.classes
                let run = try probe.run(
                    images: Array(golden.logits[range]), labels: [golden.labels[sample]], counts: [1])
                loss += run.scores[0].loss
                #expect(sameBits(probe.logits(ofSlot: 0), Array(golden.logits[range])), "\(golden.name)")
                // With one sample a shard the bias gradient of the last layer is the gradient of the logits.
                expectGradient(Array(run.gradients.suffix(golden.classes)), Array(golden.dlogits[range]), golden.name)
            }
            #expect(abs(loss - golden.loss) <= 1e-13 * max(1, golden.loss), "\(golden.name)")
        }
    }
}
