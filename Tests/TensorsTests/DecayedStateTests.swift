import Testing

@testable import Tensors

/// What optimizers remember of parameters that no longer get a gradient, as those behind a dead ReLU.
@Suite("Decayed optimizer state")
struct DecayedStateTests {
    /// Enough for 0.9^n to pass from 1 below the smallest number there is; 37 elements: whole vectors and a rest.
    private static let updates = 1_200
    private static let count = 37
    private let none = [Float](repeating: 0, count: count)

    /// Repeats an update without gradient; each element of the state must decay through normal numbers to zero.
    private func expectToEndAtZero(
        _ update: (_ weights: inout [Float], _ first: inout [Float], _ second: inout [Float]) -> Void
    ) {
        var weights = [Float](repeating: 1, count: Self.count)
        var first = (0..<Self.count).map { Float($0 - 18) * 0.01 }
        var second = (0..<Self.count).map { Float($0) * 0.01 }
        var sawSubnormal = false
        for _ in 0..<Self.updates {
            update(&weights, &first, &second)
            sawSubnormal = sawSubnormal || (first + second).contains(where: \.isSubnormal)
        }
        #expect(!sawSubnormal)
        #expect(first == none)
        #expect(second == none)
        #expect(weights.allSatisfy { $0.isFinite })
    }

    @Test("momentum ends at zero, not at a subnormal number", arguments: [false, true])
    func momentum(nesterov: Bool) {
        let rule = SGDRule(learningRate: 0.01, momentum: 0.9, weightDecay: 0, nesterov: nesterov, gradientScale: 1)
        expectToEndAtZero { weights, first, second in
            rule.apply(gradients: none, count: Self.count, weights: &weights, velocities: &first)
            rule.apply(gradients: none, count: Self.count, weights: &weights, velocities: &second)
        }
    }

    @Test("LARS ends at zero, not at a subnormal number")
    func lars() {
        let rule = LARSRule(rate: 0.01, momentum: 0.9, weightDecay: 0, gradientScale: 1)
        expectToEndAtZero { weights, first, second in
            rule.apply(gradients: none, count: Self.count, weights: &weights, velocities: &first)
            rule.apply(gradients: none, count: Self.count, weights: &weights, velocities: &second)
        }
    }

    @Test("Adam's two averages end at zero, not at a subnormal number")
    func adam() {
        expectToEndAtZero { weights, first, second in
            let rule = AdamRule(
                learningRate: 1e-3, betas: (0.9, 0.9), epsilon: 1e-8, weightDecay: 0, decoupled: false, update: 1,
                gradientScale: 1)
            rule.apply(gradients: none, count: Self.count, weights: &weights, means: &first, squares: &second)
        }
    }

    @Test("RMSprop's average, mean and velocity end at zero, not at a subnormal number")
    func rmsprop() {
        let rule = RMSpropRule(
            learningRate: 1e-3, alpha: 0.9, epsilon: 1e-8, momentum: 0.9, weightDecay: 0, gradientScale: 1)
        var squares = [Float](repeating: 1, count: Self.count)
        expectToEndAtZero { weights, first, second in
            rule.apply(
                gradients: none, count: Self.count, weights: &weights, squares: &squares, means: &first,
                velocities: &second)
        }
        #expect(squares == none)
    }

    @Test("the smallest normal number is kept, and a NaN stays one")
    func edges() {
        let rule = SGDRule(learningRate: 0, momentum: 1, weightDecay: 0, nesterov: false, gradientScale: 1)
        let least = Float.leastNormalMagnitude
        var velocities: [Float] = [least, -least, least.nextDown, -least.nextDown, .nan, .infinity]
        // Twenty elements: the six in a vector, and again in what is left over.
        velocities += [Float](repeating: 1, count: 10) + velocities.prefix(4)
        var weights = [Float](repeating: 0, count: velocities.count)
        rule.apply(
            gradients: [Float](repeating: 0, count: velocities.count), count: velocities.count, weights: &weights,
            velocities: &velocities)
        #expect(velocities[..<4] == [least, -least, 0, 0] && velocities[16...] == [least, -least, 0, 0])
        #expect(velocities[4].isNaN && velocities[5] == .infinity)
    }
}
