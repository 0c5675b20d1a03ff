import Testing

@testable import Layers
@testable import Tensors

/// A NaN that an operation swallowed would hide a broken run from the judgement of its step.
@Suite("NaN is not swallowed")
struct NotANumberTests {
    private static let image: Shape = [2, 5, 5]

    private static let layers: [(String, any Layer)] = [
        ("convolution", Conv2d(outChannels: 3, kernel: 3, padding: 1)),
        ("circular convolution", Conv2d(outChannels: 3, kernel: 3, padding: 1, paddingMode: .circular)),
        ("transposed convolution", ConvTranspose2d(outChannels: 3, kernel: 2, stride: 2)),
        ("maximum", MaxPool2d(kernel: 2)), ("minimum", MinPool2d(kernel: 2)),
        ("overlapping maximum", MaxPool2d(kernel: 3, stride: 1, padding: 1)),
        ("average", AvgPool2d(kernel: 2)), ("adaptive average", AdaptiveAvgPool2d(output: 2)),
        ("adaptive maximum", AdaptiveMaxPool2d(output: 3)), ("batch normalisation", BatchNorm2d()),
        ("ReLU", ActivationLayer(.relu)), ("leaky ReLU", ActivationLayer(.leakyReLU())),
        ("tanh", ActivationLayer(.tanh)), ("sigmoid", ActivationLayer(.sigmoid)), ("GELU", ActivationLayer(.gelu)),
        ("GELU with tanh", ActivationLayer(.geluTanh)), ("softmax", Softmax()), ("unfold", Unfold(kernel: 2)),
    ]

    @Test("a NaN in one place of x reaches y, whichever place of a window it is", arguments: [0, 6, 7, 18, 33])
    func forward(place: Int) throws {
        for (name, layer) in Self.layers {
            var draws = PropertyDraws(id: 30)
            var x = draws.floats(2 * Self.image.count)
            x[place] = .nan
            let parameters = layer.parameters(for: Self.image).map { parameter in
                [Float](repeating: 1, count: parameter.shape.count)
            }
            let y = try LayerProbe.result(layer, input: Self.image, x: x, parameters: parameters).y
            #expect(y.contains { $0.isNaN }, "\(name), place \(place)")
            // Only a batch normalisation mixes samples.
            if name != "batch normalisation" {
                #expect(!y.suffix(y.count / 2).contains { $0.isNaN }, "\(name), place \(place): the other sample")
            }
        }
    }

    @Test("a NaN in dy reaches dx, with every operation that passes gradients of all of y on", arguments: [0, 5, 17])
    func backward(place: Int) throws {
        for (name, layer) in Self.layers where (layer as? ActivationLayer)?.activation != .relu {
            var draws = PropertyDraws(id: 31)
            let output = try layer.outputShape(for: [Self.image])
            let x = draws.floats(2 * Self.image.count)
            var dy = draws.floats(2 * output.count)
            dy[place % output.count] = .nan
            let parameters = layer.parameters(for: Self.image).map { parameter in
                [Float](repeating: 1, count: parameter.shape.count)
            }
            let dx = try LayerProbe.result(layer, input: Self.image, x: x, dy: dy, parameters: parameters).dx
            #expect(dx.contains { $0.isNaN }, "\(name), place \(place)")
        }
    }
}
