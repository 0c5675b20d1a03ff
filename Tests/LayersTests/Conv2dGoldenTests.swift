import Testing

@testable import Layers
@testable import Tensors

/// Tolerances: ten times what PyTorch's own float32 is off its float64 (Golden/README.md), in shares of the tensor's
/// largest magnitude.
@Suite("Conv2d against PyTorch")
struct Conv2dGoldenTests {
    @Test("42 cases with equal strides and paddings: output and all gradients, whole, in shards and on threads")
    func equal() throws {
        let golden = try Golden("conv2d")
        let cases = try golden.cases()
        #expect(cases.count == 42)
        for name in cases {
            let (stride, padding) = (try golden.option("stride", of: name), try golden.option("padding", of: name))
            try check(golden, name, stride: Extents(stride), padding: Extents(padding))
        }
    }

    @Test("6 cases whose stride and padding differ in height and width")
    func unequal() throws {
        let golden = try Golden("conv2d_unequal")
        let cases = try golden.cases()
        #expect(cases.count == 6)
        for name in cases {
            try check(
                golden, name,
                stride: [try golden.option("stride_height", of: name), try golden.option("stride_width", of: name)],
                padding: [try golden.option("padding_height", of: name), try golden.option("padding_width", of: name)])
        }
    }

    private func check(
        _ golden: Golden, _ name: String, stride: Extents, padding: Extents
    ) throws {
        let hasBias = golden.has("\(name)/bias")
        #expect(try golden.option("bias", of: name) == (hasBias ? 1 : 0))
        let shape = try golden.shape("\(name)/x")
        let kernel = try golden.shape("\(name)/weight")
        let conv = Conv2d(
            outChannels: kernel[0], kernel: [kernel[2], kernel[3]], stride: stride, padding: .symmetric(padding),
            bias: hasBias)
        let input = Shape(Array(shape[1...]))
        #expect(try conv.outputShape(for: input).dimensions == Array(golden.shape("\(name)/y")[1...]))
        let names = hasBias ? ["weight", "bias"] : ["weight"]
        #expect(conv.parameters(for: input).map(\.name) == names)
        #expect(conv.parameters(for: input)[0].shape.dimensions == kernel)
        let parameters = try names.map { try golden.floats("\(name)/\($0)") }
        let (x, dy) = (try golden.floats("\(name)/x"), try golden.floats("\(name)/dy"))
        for arrangement in LayerProbe.Arrangement.all(for: shape[0]) {
            let result = try LayerProbe(conv, input: input, arrangement).run(x: x, dy: dy, parameters: parameters)
            let place = "\(name), \(arrangement)"
            expectClose(result.y, try golden.floats("\(name)/y"), tolerance: 1e-5, "\(place): y")
            expectClose(result.dx, try golden.floats("\(name)/dx"), tolerance: 1e-5, "\(place): dx")
            for (parameter, gradient) in zip(names, result.gradients) {
                expectClose(
                    gradient, try golden.floats("\(name)/d\(parameter)"), tolerance: 1e-5, "\(place): d\(parameter)")
            }
        }
    }
}
