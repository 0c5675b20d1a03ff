import Testing

@testable import Layers
@testable import Tensors

@Suite("Transposed convolution in 1 to 3 dimensions against PyTorch")
struct TransposedGoldenTests {
    @Test(
        "74 cases with output padding, dilation and groups: output and all gradients, whole, in shards and on threads")
    func cases() throws {
        var agreement = Agreement("transposed convolution", forward: 2e-6, gradients: 5e-6)
        for golden in try GoldenCases("transposed").all {
            let parameters = try golden.has("bias") ? ["weight", "bias"] : ["weight"]
            try agreement.check(Self.layer(golden), golden, parameters: parameters)
        }
        agreement.report(expecting: 74)
    }

    private static func layer(_ golden: GoldenCases.Case) throws -> any Layer {
        let weight = try golden.shape("weight")
        func transposed<Rank: SpatialRank>(_: Rank.Type) throws -> ConvTranspose<Rank> {
            let groups = try golden.number("groups")
            return ConvTranspose(
                outChannels: weight[1] * groups, kernel: Extents(Array(weight[2...])),
                stride: try golden.extents("stride"), padding: try golden.extents("padding"),
                outputPadding: try golden.extents("output_padding"), dilation: try golden.extents("dilation"),
                groups: groups, bias: try golden.has("bias"))
        }
        switch weight.count {
        case 3: return try transposed(OneAxis.self)
        case 4: return try transposed(TwoAxes.self)
        default: return try transposed(ThreeAxes.self)
        }
    }
}
