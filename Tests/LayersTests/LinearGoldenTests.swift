import TestSupport
import Testing

@testable import Layers
@testable import Tensors

@Suite("Linear against PyTorch")
struct LinearGoldenTests {
    @Test("10 cases: output and all gradients, whole, in shards and on threads")
    func cases() throws {
        let golden = try GoldenFile("linear")
        let cases = try golden.cases()
        #expect(cases.count == 10)
        for name in cases {
            let hasBias = golden.has("\(name)/bias")
            #expect(try golden.number("bias", of: name) == (hasBias ? 1 : 0))
            let (shape, weight) = (try golden.shape("\(name)/x"), try golden.shape("\(name)/weight"))
            let linear = Linear(outputs: weight[0], bias: hasBias)
            let names = hasBias ? ["weight", "bias"] : ["weight"]
            #expect(linear.parameters(for: [shape[1]]).map(\.name) == names)
            #expect(linear.parameters(for: [shape[1]])[0].shape.dimensions == weight)
            let parameters = try names.map { try golden.floats("\(name)/\($0)") }
            let (x, dy) = (try golden.floats("\(name)/x"), try golden.floats("\(name)/dy"))
            for arrangement in LayerProbe.Arrangement.all(for: shape[0]) {
                let result = try LayerProbe(linear, input: [shape[1]], arrangement)
                    .run(x: x, dy: dy, parameters: parameters)
                let place = "\(name), \(arrangement)"
                expectClose(result.y, try golden.floats("\(name)/y"), tolerance: 1e-5, "\(place): y")
                expectClose(result.dx, try golden.floats("\(name)/dx"), tolerance: 1e-5, "\(place): dx")
                for (parameter, gradient) in zip(names, result.gradients) {
                    expectClose(
                        gradient, try golden.floats("\(name)/d\(parameter)"), tolerance: 1e-5, "\(place): d\(parameter)"
                    )
                }
            }
        }
    }

    @Test("rows of a wide layer are cut into units without a seam")
    func manyUnits() throws {
        // 8,192 / 1,000 rows a unit is 8: four units, the last of one row.
        let (inputs, outputs, samples) = (1_000, 25, 3)
        let wave = { (index: Int) in Float((index * 37) % 101) / 101 - 0.5 }
        let x = (0..<samples * inputs).map(wave)
        let dy = (0..<samples * outputs).map { wave($0 + 7) }
        let weight = (0..<outputs * inputs).map { wave($0 + 13) }
        let bias = (0..<outputs).map(wave)
        for threads in [1, 2] {
            let arrangement = LayerProbe.Arrangement(shards: 2, imagesPerShard: 2, threads: threads)
            let result = try LayerProbe(Linear(outputs: outputs), input: [inputs], arrangement)
                .run(x: x, dy: dy, parameters: [weight, bias])
            var expected = [Float](repeating: 0, count: weight.count)
            for output in 0..<outputs {
                for input in 0..<inputs {
                    expected[output * inputs + input] = Float(
                        (0..<samples).reduce(0.0) {
                            $0 + Double(dy[$1 * outputs + output]) * Double(x[$1 * inputs + input])
                        })
                }
            }
            expectClose(result.gradients[0], expected, tolerance: 1e-5, "dweight")
            let dbias = (0..<outputs).map { output in (0..<samples).reduce(Float(0)) { $0 + dy[$1 * outputs + output] }
            }
            expectClose(result.gradients[1], dbias, tolerance: 1e-6, "dbias")
        }
    }
}
