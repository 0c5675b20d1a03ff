import Testing

@testable import Layers
@testable import Tensors

@Suite("Padding against PyTorch")
struct PadGoldenTests {
    @Test("40 cases: zeros, a value, reflection, replication and the other side, in one to three dimensions")
    func cases() throws {
        var agreement = Agreement("padding", forward: 0, gradients: 1e-6)
        for golden in try GoldenCases("padding").all {
            let margins = try golden.numbers("padding")
            let sides = stride(from: 0, to: margins.count, by: 2).map {
                Padding.Side(before: margins[$0], after: margins[$0 + 1])
            }
            let mode = try #require(PaddingMode(rawValue: try golden.text("mode")))
            let value = Float(try golden.real("value"))
            switch sides.count {
            case 1: try agreement.check(Pad<OneAxis>(sides: sides, mode, value: value), golden)
            case 2: try agreement.check(Pad<TwoAxes>(sides: sides, mode, value: value), golden)
            default: try agreement.check(Pad<ThreeAxes>(sides: sides, mode, value: value), golden)
            }
        }
        agreement.report(expecting: 40)
    }

    @Test("margins that a mode has no values for, or for other axes, are refused")
    func refusals() {
        let wide = [Padding.Side](repeating: .init(before: 4, after: 0), count: 2)
        for layer in [Pad<TwoAxes>(sides: wide, .reflect), Pad<TwoAxes>(sides: [wide[0]], .zeros)] {
            #expect(throws: ShapeMismatch.self) { try layer.outputShape(for: [[1, 4, 4]]) }
        }
        #expect(throws: ShapeMismatch.self) {
            try Pad<OneAxis>(sides: [wide[0]], .zeros).outputShape(for: [[1, 4, 4]])
        }
    }
}
