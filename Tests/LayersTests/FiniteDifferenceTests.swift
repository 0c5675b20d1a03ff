import Testing

@testable import Layers
@testable import Tensors

/// Central differences of the summed loss (added in double, from float32 logits) against the gradients of the plan.
///
/// A loss of about 10 is off by some 1e-6 through float32; over 2h = 0.01 that is 1e-4 of a gradient, and the curvature
/// adds about as much.
@Suite("Gradients against finite differences")
struct FiniteDifferenceTests {
    private static let images = 5

    /// A network of every kind of layer with odd sizes, strides and paddings.
    private func smooth() -> ModelDescription {
        var model = ModelDescription(name: "smooth", input: [2, 9, 7], classes: 3)
        model.append("conv1", Conv2d(outChannels: 3, kernel: [3, 2], stride: [2, 1], padding: [1, 0]))
        model.append("conv2", Conv2d(outChannels: 4, kernel: 3, stride: 2, padding: 1, bias: false))
        model.append("flatten", Flatten())
        model.append("fc1", Linear(outputs: 6, bias: false))
        model.append("fc2", Linear(outputs: 3))
        return model
    }

    private func kinked() -> ModelDescription {
        var model = ModelDescription(name: "kinked", input: [2, 9, 7], classes: 3)
        model.append("conv1", Conv2d(outChannels: 4, kernel: 3, padding: 1))
        model.append("relu1", ActivationLayer(.relu))
        model.append("pool1", MaxPool2d(kernel: 3, stride: 2, padding: 1))
        model.append("conv2", Conv2d(outChannels: 5, kernel: 2))
        model.append("relu2", ActivationLayer(.relu))
        model.append("flatten", Flatten())
        model.append("fc1", Linear(outputs: 8))
        model.append("relu3", ActivationLayer(.relu))
        model.append("fc2", Linear(outputs: 3))
        return model
    }

    /// Values with several readers: a shortcut, a concatenation that takes one value twice, two layers on one vector.
    private func branched() -> ModelDescription {
        var model = ModelDescription(name: "branched", input: [2, 9, 7], classes: 3)
        let trunk = model.append("conv1", Conv2d(outChannels: 3, kernel: 3, padding: 1))
        let branch = model.append("conv2", Conv2d(outChannels: 3, kernel: 3, padding: 1), from: trunk)
        let sum = model.append("add1", ResidualAdd(), from: trunk, branch)
        let stack = model.append("concatenation", Concatenation(), from: sum, trunk, sum)
        let reduced = model.append("conv3", Conv2d(outChannels: 4, kernel: 3, stride: 2), from: stack)
        let first = model.append("fc1", Linear(outputs: 5), from: model.append("flatten1", Flatten(), from: reduced))
        let second = model.append("fc2", Linear(outputs: 5), from: model.append("flatten2", Flatten(), from: reduced))
        model.append("add2", ResidualAdd(), from: first, second)
        model.append("fc3", Linear(outputs: 3))
        return model
    }

    /// The largest deviation over some elements of every parameter, as a share of the parameter's largest gradient.
    private func largestDeviation(_ description: ModelDescription, step: Float) throws -> [Double] {
        let data = TestImages(Self.images, imageBytes: 126, classes: 3, id: 5)
        let training = try PlanProbe(description, imagesPerShard: Self.images, seed: 3)
        let evaluation = try PlanProbe(description, imagesPerShard: Self.images, mode: .evaluation, seed: 3)
        let counts = [Int32(Self.images)]
        let run = try training.run(images: data.images, labels: data.labels, counts: counts)
        var stream = RandomStream(seed: 3, purpose: .synthetic, id: 6)
        var deviations: [Double] = []
        for parameter in training.network.parameterList.parameters {
            let largest = run.gradients[parameter.range].reduce(0.0) { max($0, abs(Double($1))) }
            #expect(largest > 0, "\(parameter.key)")
            for _ in 0..<12 {
                let index = parameter.offset + Int(stream.next(below: UInt32(parameter.count)))
                let weight = evaluation.weights[index]
                var losses: [Double] = []
                for moved in [weight + step, weight - step] {
                    evaluation.weights[index] = moved
                    losses.append(
                        try evaluation.run(images: data.images, labels: data.labels, counts: counts).scores[0].loss)
                }
                evaluation.weights[index] = weight
                let width = Double(weight + step) - Double(weight - step)
                let difference = (losses[0] - losses[1]) / width
                deviations.append(abs(difference - Double(run.gradients[index])) / largest)
            }
        }
        return deviations
    }

    @Test("a network without kinks agrees to a thousandth in every element tried")
    func withoutKinks() throws {
        let deviations = try largestDeviation(smooth(), step: 0.005)
        #expect(deviations.allSatisfy { $0 < 1e-3 }, "\(deviations.max() ?? 0)")
    }

    @Test("values with several readers collect their gradients: shortcut, concatenation, two heads")
    func withBranches() throws {
        let deviations = try largestDeviation(branched(), step: 0.005)
        #expect(deviations.allSatisfy { $0 < 1e-3 }, "\(deviations.max() ?? 0)")
    }

    @Test("with ReLU and pooling nine elements of ten agree to a hundredth, the others have a kink between")
    func withKinks() throws {
        let deviations = try largestDeviation(kinked(), step: 0.002)
        #expect(deviations.count(where: { $0 < 1e-2 }) >= deviations.count * 9 / 10, "\(deviations.sorted())")
        #expect(deviations.allSatisfy { $0 < 0.3 }, "\(deviations.max() ?? 0)")
    }
}
