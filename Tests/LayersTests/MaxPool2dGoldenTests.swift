import Testing

@testable import Layers
@testable import Tensors

@Suite("MaxPool2d against PyTorch")
struct MaxPool2dGoldenTests {
    @Test("20 cases with ties, padding and overlap: equal outputs, gradients at the same places")
    func cases() throws {
        let golden = try Golden("maxpool2d")
        let cases = try golden.cases()
        #expect(cases.count == 20)
        for name in cases {
            let (kernel, stride) = (try golden.option("kernel", of: name), try golden.option("stride", of: name))
            let pool = MaxPool2d(
                kernel: Extents(kernel), stride: Extents(stride),
                padding: Extents(try golden.option("padding", of: name)))
            let shape = try golden.shape("\(name)/x")
            let (x, dy) = (try golden.floats("\(name)/x"), try golden.floats("\(name)/dy"))
            for arrangement in LayerProbe.Arrangement.all(for: shape[0]) {
                let result = try LayerProbe(pool, input: Shape(Array(shape[1...])), arrangement)
                    .run(x: x, dy: dy, parameters: [])
                #expect(try result.y == golden.floats("\(name)/y"), "\(name), \(arrangement)")
                let dx = try golden.floats("\(name)/dx")
                // Without overlap a gradient is a copy; a sum of up to nine may be added in another order.
                expectClose(result.dx, dx, tolerance: stride >= kernel ? 0 : 1e-6, "\(name), \(arrangement): dx")
                #expect(result.dx.map { $0 == 0 } == dx.map { $0 == 0 }, "\(name), \(arrangement): argmax")
            }
        }
    }
}
