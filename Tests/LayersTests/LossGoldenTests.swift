import Testing

@testable import Layers
@testable import Tensors

/// Computed in double from the same float32 logits, so the reference is PyTorch's float64: losses to a few units of
/// double, gradients to the one rounding to float32.
@Suite("Losses against PyTorch")
struct LossGoldenTests {
    @Test("29 cases of smoothing, class weights, soft targets and squared error: sum, mean and gradients of both")
    func cases() throws {
        var agreement = Agreement("losses", forward: 1e-14, gradients: 1e-7)
        for golden in try GoldenCases("losses").all {
            agreement.countCase()
            let shape = try golden.shape("x")
            let (samples, width) = (shape[0], shape.dropFirst().reduce(1, *))
            var dlogits = [Float](repeating: .nan, count: samples * width)
            var losses = [Double](repeating: .nan, count: samples)
            let score = try Self.score(golden, samples: samples, width: width, &dlogits, &losses)
            let divisor = try golden.real("divisor")
            // Mean squared error divides by elements; its sum and gradients are checked as all others.
            #expect(
                abs(score.divisor - divisor) <= 1e-14 * divisor, "\(golden.name): \(score.divisor), expected \(divisor)"
            )
            #expect(score.samples == Double(samples), "\(golden.name)")
            agreement.check(.forward, [score.loss], try golden.doubles("loss_sum"), "\(golden.name): sum")
            agreement.check(.forward, [score.meanLoss], try golden.doubles("loss_mean"), "\(golden.name): mean")
            agreement.check(.forward, [losses.reduce(0, +)], [score.loss], "\(golden.name): losses of the samples")
            let gradients = dlogits.map(Double.init)
            agreement.check(.gradient, gradients, try golden.doubles("dx_sum"), "\(golden.name): gradient of the sum")
            agreement.check(
                .gradient, gradients.map { $0 / score.divisor }, try golden.doubles("dx_mean"),
                "\(golden.name): gradient of the mean")
        }
        agreement.report(expecting: 29)
    }

    private static func score(
        _ golden: GoldenCases.Case, samples: Int, width: Int, _ dlogits: inout [Float], _ losses: inout [Double]
    ) throws -> Score {
        let loss: Loss
        if try golden.text("loss") == "mean_squared_error" {
            loss = .meanSquaredError
        } else {
            loss = .crossEntropy(
                labelSmoothing: try golden.real("smoothing"),
                classWeights: try golden.has("weight") ? golden.floats("weight") : [])
        }
        let labels =
            try golden.has("labels")
            ? golden.numbers("labels").map { Int32($0) } : [Int32](repeating: 0, count: samples)
        let logits = try golden.floats("x")
        guard try golden.has("targets") else {
            return loss.score(
                logits: logits, labels: labels, samples: samples, classes: width, dlogits: &dlogits, losses: &losses)
        }
        return loss.score(
            logits: logits, labels: labels, targets: try golden.floats("targets"), samples: samples, classes: width,
            dlogits: &dlogits, losses: &losses)
    }
}
