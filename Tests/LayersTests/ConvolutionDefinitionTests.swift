import Testing

@testable import Layers
@testable import Tensors

/// Larger shapes than the golden files hold, against loops written from the definition, in double.
@Suite("Convolution layers over random shapes")
struct ConvolutionDefinitionTests {
    /// One drawn convolution in two dimensions with zero padding.
    private struct Drawn {
        let samples, channels, outChannels, groups: Int
        let image, kernel, stride, dilation, before, after: [Int]
        let flipsKernel: Bool

        init(_ draws: inout PropertyDraws) {
            samples = draws.integer(in: 1...3)
            groups = draws.element(of: [1, 1, 1, 2, 4])
            channels = groups * draws.integer(in: 1...9)
            outChannels = groups * draws.integer(in: 1...9)
            var rows: [[Int]] = []
            for _ in 0..<2 {
                let (kernel, dilation) = (draws.integer(in: 1...5), draws.integer(in: 1...3))
                let (before, after) = (draws.integer(in: 0...3), draws.integer(in: 0...3))
                let least = max(1, dilation * (kernel - 1) + 1 - before - after)
                rows.append([
                    least + draws.integer(in: 0...17), kernel, draws.integer(in: 1...4), dilation, before, after,
                ])
            }
            (image, kernel) = (rows.map { $0[0] }, rows.map { $0[1] })
            (stride, dilation) = (rows.map { $0[2] }, rows.map { $0[3] })
            (before, after) = (rows.map { $0[4] }, rows.map { $0[5] })
            flipsKernel = draws.integer(in: 0...3) == 0
        }

        var layer: Conv2d {
            Conv2d(
                outChannels: outChannels, kernel: Extents(kernel), stride: Extents(stride), dilation: Extents(dilation),
                padding: .sides(zip(before, after).map { ($0, $1) }), groups: groups, bias: false,
                flipsKernel: flipsKernel)
        }

        /// Σ x · weight over the window, from the definition.
        func output(x: [Float], weight: [Float], extents: [Int]) -> [Float] {
            let (perGroup, outPerGroup) = (channels / groups, outChannels / groups)
            var y: [Float] = []
            for sample in 0..<samples {
                for out in 0..<outChannels {
                    for p in 0..<extents[0] {
                        for q in 0..<extents[1] {
                            var sum = 0.0
                            for c in 0..<perGroup {
                                for r in 0..<kernel[0] {
                                    let row = p * stride[0] - before[0] + r * dilation[0]
                                    guard row >= 0, row < image[0] else { continue }
                                    for s in 0..<kernel[1] {
                                        let column = q * stride[1] - before[1] + s * dilation[1]
                                        guard column >= 0, column < image[1] else { continue }
                                        let channel = out / outPerGroup * perGroup + c
                                        let (kr, ks) = flipsKernel ? (kernel[0] - 1 - r, kernel[1] - 1 - s) : (r, s)
                                        sum +=
                                            Double(
                                                x[((sample * channels + channel) * image[0] + row) * image[1] + column])
                                            * Double(weight[((out * perGroup + c) * kernel[0] + kr) * kernel[1] + ks])
                                    }
                                }
                            }
                            y.append(Float(sum))
                        }
                    }
                }
            }
            return y
        }
    }

    private func dot(_ left: [Float], _ right: [Float]) -> Double {
        zip(left, right).reduce(0) { $0 + Double($1.0) * Double($1.1) }
    }

    @Test("150 drawn 2-d convolutions equal the definition; their gradients are adjoint to it in x and in the weight")
    func definition() throws {
        var draws = PropertyDraws(id: 20)
        for turn in 0..<150 {
            let drawn = Drawn(&draws)
            let input: Shape = [drawn.channels, drawn.image[0], drawn.image[1]]
            let output = try drawn.layer.outputShape(for: [input])
            let weightCount = drawn.layer.parameters(for: input)[0].shape.count
            let x = draws.floats(drawn.samples * input.count)
            let weight = draws.floats(weightCount)
            let dy = draws.floats(drawn.samples * output.count)
            let expected = drawn.output(x: x, weight: weight, extents: Array(output.dimensions.dropFirst()))
            for arrangement in LayerProbe.Arrangement.all(for: drawn.samples) {
                let result = try LayerProbe(drawn.layer, input: input, arrangement)
                    .run(x: x, dy: dy, parameters: [weight])
                expectClose(result.y, expected, tolerance: 3e-6, "turn \(turn), \(arrangement): \(drawn)")
                // y is linear in x and in the weight, so ⟨dy, y⟩ = ⟨dx, x⟩ = ⟨dweight, weight⟩ for every dy.
                let product = dot(dy, expected)
                let scale = (dot(dy, dy) * dot(expected, expected)).squareRoot()
                #expect(abs(dot(result.dx, x) - product) <= 2e-6 * scale, "turn \(turn), \(arrangement): \(drawn)")
                #expect(
                    abs(dot(result.gradients[0], weight) - product) <= 2e-6 * scale,
                    "turn \(turn), \(arrangement): \(drawn)")
            }
        }
    }

    @Test("a transposed convolution is the adjoint of the convolution with the same weight, over 60 drawn shapes")
    func transposedIsAdjoint() throws {
        var draws = PropertyDraws(id: 21)
        for turn in 0..<60 {
            let (channels, outChannels) = (draws.integer(in: 1...5), draws.integer(in: 1...6))
            let (kernel, stride) = (draws.integer(in: 1...4), draws.integer(in: 1...3))
            let (dilation, padding) = (draws.integer(in: 1...2), draws.integer(in: 0...1))
            let image: Shape = [channels, 8 + draws.integer(in: 0...5), 9 + draws.integer(in: 0...5)]
            let forward = Conv2d(
                outChannels: outChannels, kernel: Extents(kernel), stride: Extents(stride), dilation: Extents(dilation),
                padding: .symmetric(Extents(padding)), bias: false)
            let small = try forward.outputShape(for: [image])
            let missing = (1...2).map { axis in
                image[axis] - ((small[axis] - 1) * stride - 2 * padding + dilation * (kernel - 1) + 1)
            }
            guard missing.allSatisfy({ $0 < max(stride, dilation) }) else { continue }
            let back = ConvTranspose2d(
                outChannels: channels, kernel: Extents(kernel), stride: Extents(stride), padding: Extents(padding),
                outputPadding: Extents(missing), dilation: Extents(dilation), bias: false)
            #expect(try back.outputShape(for: [small]) == image)
            let weight = draws.floats(outChannels * channels * kernel * kernel)
            let (x, z) = (draws.floats(image.count), draws.floats(small.count))
            let y = try LayerProbe.result(forward, input: image, x: x, parameters: [weight]).y
            let w = try LayerProbe.result(back, input: small, x: z, parameters: [weight]).y
            let scale = (dot(y, y) * dot(z, z)).squareRoot()
            #expect(abs(dot(y, z) - dot(x, w)) <= 2e-6 * scale, "turn \(turn)")
        }
    }
}
