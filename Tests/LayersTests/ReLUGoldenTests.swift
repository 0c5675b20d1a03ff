import Testing

@testable import Layers
@testable import Tensors

@Suite("ReLU against PyTorch")
struct ReLUGoldenTests {
    @Test("3 cases: equal outputs and gradients, in a place of their own and in place")
    func cases() throws {
        let golden = try Golden("relu")
        let cases = try golden.cases()
        #expect(cases.count == 3)
        for name in cases {
            let shape = try golden.shape("\(name)/x")
            let (x, dy) = (try golden.floats("\(name)/x"), try golden.floats("\(name)/dy"))
            for arrangement in LayerProbe.Arrangement.all(for: shape[0]) {
                for overwrites in [false, true] {
                    let result = try LayerProbe(
                        ReLU(), input: Shape(Array(shape[1...])), arrangement, overwritesInput: overwrites
                    ).run(x: x, dy: dy, parameters: [])
                    #expect(try result.y == golden.floats("\(name)/y"), "\(name), \(arrangement)")
                    #expect(try result.dx == golden.floats("\(name)/dx"), "\(name), \(arrangement)")
                }
            }
        }
    }
}
