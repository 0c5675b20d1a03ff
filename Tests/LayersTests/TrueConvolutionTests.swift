import Testing

@testable import Layers
@testable import Tensors

/// Convolution as mathematics defines it: the flipped kernel with full padding, one channel. Its laws hold up to rounding
/// of float32 sums of at most some dozens of products.
@Suite("True convolution obeys its laws")
struct TrueConvolutionTests {
    private static let tolerance = 2e-6

    /// A signal, image or volume.
    private struct Field {
        var extents: [Int]
        var values: [Float]

        static func + (left: Field, right: Field) -> Field {
            Field(extents: left.extents, values: zip(left.values, right.values).map { $0 + $1 })
        }
    }

    /// left ∗ right
    private func convolve(_ left: Field, _ right: Field, flipsKernel: Bool = true) throws -> Field {
        func run<Rank: SpatialRank>(_: Rank.Type) throws -> Field {
            let layer = Conv<Rank>(
                outChannels: 1, kernel: Extents(right.extents), padding: .full, bias: false, flipsKernel: flipsKernel)
            let input = Shape([1] + left.extents)
            let output = try layer.outputShape(for: [input])
            let result = try LayerProbe.result(layer, input: input, x: left.values, parameters: [right.values])
            return Field(extents: Array(output.dimensions.dropFirst()), values: result.y)
        }
        switch left.extents.count {
        case 1: return try run(OneAxis.self)
        case 2: return try run(TwoAxes.self)
        default: return try run(ThreeAxes.self)
        }
    }

    private func field(_ draws: inout PropertyDraws, dimensions: Int, extents: [Int]? = nil) -> Field {
        let extents = extents ?? (0..<dimensions).map { _ in draws.integer(in: 1...(dimensions == 3 ? 4 : 7)) }
        return Field(extents: extents, values: draws.floats(extents.reduce(1, *)))
    }

    private func expectEqual(_ left: Field, _ right: Field, _ what: String) {
        #expect(left.extents == right.extents, "\(what)")
        expectClose(left.values, right.values, tolerance: Self.tolerance, what)
    }

    @Test("a ∗ b = b ∗ a over 60 random shapes; of a correlation the other order is the reverse")
    func commutativity() throws {
        var draws = PropertyDraws(id: 1)
        for turn in 0..<60 {
            let a = field(&draws, dimensions: turn % 3 + 1)
            let b = field(&draws, dimensions: turn % 3 + 1)
            expectEqual(try convolve(a, b), try convolve(b, a), "turn \(turn): \(a.extents) ∗ \(b.extents)")
            let correlation = try convolve(a, b, flipsKernel: false)
            var other = try convolve(b, a, flipsKernel: false)
            other.values.reverse()
            expectEqual(correlation, other, "turn \(turn): correlation")
            // Not the same by accident: the flip changes something.
            if a.values.count > 1, b.values.count > 1 {
                #expect(try correlation.values != convolve(a, b).values, "turn \(turn)")
            }
        }
    }

    @Test("(a ∗ b) ∗ c = a ∗ (b ∗ c) over 60 random shapes")
    func associativity() throws {
        var draws = PropertyDraws(id: 2)
        for turn in 0..<60 {
            let fields = (0..<3).map { _ in field(&draws, dimensions: turn % 3 + 1) }
            expectEqual(
                try convolve(convolve(fields[0], fields[1]), fields[2]),
                try convolve(fields[0], convolve(fields[1], fields[2])), "turn \(turn): \(fields.map(\.extents))")
        }
    }

    @Test("a ∗ (b + c) = a ∗ b + a ∗ c, and (b + c) ∗ a likewise, over 60 random shapes")
    func distributivity() throws {
        var draws = PropertyDraws(id: 3)
        for turn in 0..<60 {
            let a = field(&draws, dimensions: turn % 3 + 1)
            let b = field(&draws, dimensions: turn % 3 + 1)
            let c = field(&draws, dimensions: turn % 3 + 1, extents: b.extents)
            let place = "turn \(turn): \(a.extents), \(b.extents)"
            expectEqual(try convolve(a, b + c), try convolve(a, b) + convolve(a, c), place)
            expectEqual(try convolve(b + c, a), try convolve(b, a) + convolve(c, a), place)
        }
    }

    @Test("a unit impulse changes nothing")
    func identity() throws {
        var draws = PropertyDraws(id: 4)
        for dimensions in 1...3 {
            let a = field(&draws, dimensions: dimensions)
            let impulse = Field(extents: [Int](repeating: 1, count: dimensions), values: [1])
            #expect(try convolve(a, impulse).values == a.values)
        }
    }
}
