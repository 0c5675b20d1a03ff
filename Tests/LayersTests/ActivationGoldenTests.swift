import Foundation
import TestSupport
import Testing

@testable import Layers
@testable import Tensors

/// Expected values are PyTorch's float64, rounded. Softmax's gradient is what is left of a difference: where one class is
/// sure, PyTorch's own float32 is off by 3e-5 of the little that remains.
@Suite("Activations against PyTorch")
struct ActivationGoldenTests {
    @Test("40 cases of ordinary, large, tiny and zero inputs, in a place of their own and in place")
    func elementwise() throws {
        var agreement = Agreement("activations", forward: 2e-7, gradients: 1e-6)
        for golden in try GoldenCases("activations").all where try golden.text("operation") != "softmax" {
            let layer = try Self.layer(golden)
            try agreement.check(layer, golden)
            if layer.activation == .relu {
                // Copies and zeros.
                var exact = Agreement("ReLU", forward: 0, gradients: 0)
                try exact.check(layer, golden)
            }
            if layer.activation.backwardReadsInput { continue }
            // What reads y may overwrite x; the same case again, so it is not counted twice.
            var inPlace = Agreement("activations in place", forward: 2e-7, gradients: 1e-6)
            try inPlace.check(layer, golden, overwritesInput: true)
        }
        agreement.report(expecting: 40)
    }

    @Test("15 cases of softmax over channels, in one to four axes")
    func softmax() throws {
        var agreement = Agreement("softmax", forward: 2e-7, gradients: 5e-5)
        for golden in try GoldenCases("activations").all where try golden.text("operation") == "softmax" {
            try agreement.check(Softmax(), golden)
        }
        agreement.report(expecting: 15)
    }

    /// The function that the table has under the operation's name, or under its name with the word of `approximate`.
    private static func layer(_ golden: GoldenCases.Case) throws -> ActivationLayer {
        let operation = try golden.text("operation")
        if operation == "leaky_relu" { return ActivationLayer(.leakyReLU(slope: Float(try golden.real("slope")))) }
        let form = try golden.has("approximate") ? golden.text("approximate") : "none"
        let name = operation + (form == "none" ? "" : form.capitalized)
        guard let activation = Activation.all.first(where: { $0.function == name }) else {
            throw GoldenFile.Missing("\(golden.name): operation \(operation)")
        }
        return ActivationLayer(activation)
    }
}
