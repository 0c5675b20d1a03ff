import TestSupport
import Testing

@testable import Tensors

@Suite("Stochastic gradient descent")
struct SGDRuleTests {
    /// The rule of torch.optim.SGD for one parameter, in float32, one operation at a time.
    private struct Scalar {
        var weight: Float
        var velocity: Float = 0

        mutating func step(_ rule: SGDRule, gradient: Float) {
            let scaled = gradient * rule.gradientScale
            let decayed = rule.weightDecay * weight
            let d = scaled + decayed
            guard rule.momentum != 0 else {
                let change = rule.learningRate * d
                weight = weight - change
                return
            }
            let kept = rule.momentum * velocity
            velocity = kept + d
            let ahead = rule.momentum * velocity
            let direction = rule.nesterov ? d + ahead : velocity
            let change = rule.learningRate * direction
            weight = weight - change
        }
    }

    @Test(
        "five steps give the bits of the rule computed number by number",
        arguments: [(0, false), (0.9, false), (0.9, true)] as [(Float, Bool)], [0, 5e-4] as [Float])
    func scalarReference(momentum: (Float, Bool), weightDecay: Float) {
        var randoms = Randoms(80)
        let rule = SGDRule(
            learningRate: 0.01, momentum: momentum.0, weightDecay: weightDecay, nesterov: momentum.1,
            gradientScale: 1 / 112)
        for count in [1, 3, 16, 37] {
            var weights = randoms.floats(count)
            var velocities = [Float](repeating: 0, count: count)
            var scalars = weights.map { Scalar(weight: $0) }
            for _ in 0..<5 {
                let gradients = randoms.floats(count, -50...50)
                rule.apply(gradients: gradients, count: count, weights: &weights, velocities: &velocities)
                for index in 0..<count { scalars[index].step(rule, gradient: gradients[index]) }
            }
            #expect(sameBits(weights, scalars.map(\.weight)))
            #expect(sameBits(velocities, scalars.map(\.velocity)))
        }
    }

    @Test("without momentum the velocities are not touched")
    func withoutMomentum() {
        let rule = SGDRule(learningRate: 0.5, momentum: 0, weightDecay: 0, nesterov: false, gradientScale: 1)
        var weights: [Float] = [1, 2]
        var velocities: [Float] = [.nan, 7]
        rule.apply(gradients: [2, 4], count: 2, weights: &weights, velocities: &velocities)
        #expect(weights == [0, 0])
        #expect(velocities[0].isNaN && velocities[1] == 7)
    }
}
