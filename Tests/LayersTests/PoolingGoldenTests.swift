import TestSupport
import Testing

@testable import Layers
@testable import Tensors

/// An extreme is a copy, and a mean of a few elements is off by some 1e-7; gradients of overlapping windows are short sums.
@Suite("Pooling in 1 to 3 dimensions against PyTorch")
struct PoolingGoldenTests {
    @Test("93 cases of max and min, also adaptive: equal outputs, gradients at the same places")
    func extremes() throws {
        var agreement = Agreement("max and min pooling", forward: 0, gradients: 5e-7)
        for golden in try GoldenCases("pooling").all where try Self.isExtreme(golden) {
            let layer = try Self.layer(golden)
            try agreement.check(layer, golden)
            try Self.expectSameWinners(layer, golden)
        }
        agreement.report(expecting: 93)
    }

    @Test("57 cases of average, adaptive average and global average")
    func averages() throws {
        var agreement = Agreement("average pooling", forward: 1e-6, gradients: 5e-7)
        for golden in try GoldenCases("pooling").all where try !Self.isExtreme(golden) {
            try agreement.check(Self.layer(golden), golden)
        }
        agreement.report(expecting: 57)
    }

    private static func isExtreme(_ golden: GoldenCases.Case) throws -> Bool {
        ["max", "min", "adaptive_max"].contains(try golden.text("operation"))
    }

    /// In a tie PyTorch's first element gets the gradient; so exactly the same elements have one.
    private static func expectSameWinners(_ layer: any Layer, _ golden: GoldenCases.Case) throws {
        let shape = try golden.shape("x")
        for arrangement in LayerProbe.Arrangement.covering(shape[0]) {
            let probe = try LayerProbe(layer, input: Shape(Array(shape.dropFirst())), arrangement)
            let dx = try probe.run(x: golden.floats("x"), dy: golden.floats("dy"), parameters: []).dx
            let expected = try golden.floats("dx")
            #expect(dx.map { $0 == 0 } == expected.map { $0 == 0 }, "\(golden.name), \(arrangement): argmax")
        }
    }

    private static func layer(_ golden: GoldenCases.Case) throws -> any Layer {
        switch try golden.shape("x").count {
        case 3: return try layer(golden, OneAxis.self)
        case 4: return try layer(golden, TwoAxes.self)
        default: return try layer(golden, ThreeAxes.self)
        }
    }

    private static func layer<Rank: SpatialRank>(_ golden: GoldenCases.Case, _: Rank.Type) throws -> any Layer {
        func extreme<Kind: ExtremeKind>(_: Kind.Type) throws -> any Layer {
            ExtremePool<Rank, Kind>(
                kernel: try golden.extents("kernel"), stride: try golden.extents("stride"),
                padding: try golden.extents("padding"), dilation: try golden.extents("dilation"),
                ceilMode: try golden.number("ceil_mode") == 1)
        }
        switch try golden.text("operation") {
        case "max": return try extreme(Maximum.self)
        case "min": return try extreme(Minimum.self)
        case "average":
            return AvgPool<Rank>(
                kernel: try golden.extents("kernel"), stride: try golden.extents("stride"),
                padding: try golden.extents("padding"), ceilMode: try golden.number("ceil_mode") == 1,
                countIncludePad: try golden.number("count_include_pad") == 1)
        case "adaptive_average": return AdaptiveAvgPool<Rank>(output: try golden.extents("output"))
        case "adaptive_max": return AdaptiveMaxPool<Rank>(output: try golden.extents("output"))
        case "global_average": return AdaptiveAvgPool<Rank>(output: 1)
        case let other: throw GoldenFile.Missing("\(golden.name): operation \(other)")
        }
    }
}
