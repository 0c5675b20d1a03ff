import TestSupport
import Testing

@testable import Layers
@testable import Tensors

/// PyTorch's own float32 results are off its float64 results by up to 3e-7, and bias gradients by 1e-6.
@Suite("Convolution in 1 to 3 dimensions against PyTorch")
struct ConvolutionGoldenTests {
    @Test("308 cases of every padding, mode and grouping: output and all gradients, whole, in shards and on threads")
    func correlation() throws {
        var agreement = Agreement("convolution", forward: 2e-6, gradients: 5e-6)
        for dimensions in 1...3 {
            for golden in try GoldenCases("convolution\(dimensions)d").all {
                try agreement.check(Self.layer(golden), golden, parameters: Self.parameters(golden))
            }
        }
        agreement.report(expecting: 308)
    }

    @Test("18 cases of true convolution: the kernel is read backwards, its gradient belongs to the weight as stored")
    func flipped() throws {
        var agreement = Agreement("true convolution", forward: 2e-6, gradients: 2e-6)
        for golden in try GoldenCases("flipped").all {
            try agreement.check(Self.layer(golden, flipsKernel: true), golden, parameters: Self.parameters(golden))
        }
        agreement.report(expecting: 18)
    }

    private static func parameters(_ golden: GoldenCases.Case) throws -> [String] {
        try golden.has("bias") ? ["weight", "bias"] : ["weight"]
    }

    private static func layer(_ golden: GoldenCases.Case, flipsKernel: Bool = false) throws -> any Layer {
        let weight = try golden.shape("weight")
        func conv<Rank: SpatialRank>(_: Rank.Type) throws -> Conv<Rank> {
            Conv(
                outChannels: weight[0], kernel: Extents(Array(weight[2...])), stride: try golden.extents("stride"),
                dilation: try golden.extents("dilation"), padding: try padding(golden),
                groups: try golden.number("groups"), bias: try golden.has("bias"), paddingMode: try mode(golden),
                flipsKernel: flipsKernel)
        }
        switch weight.count {
        case 3: return try conv(OneAxis.self)
        case 4: return try conv(TwoAxes.self)
        default: return try conv(ThreeAxes.self)
        }
    }

    private static func padding(_ golden: GoldenCases.Case) throws -> Padding {
        switch try golden.text("padding_kind") {
        case "symmetric": return .symmetric(try golden.extents("padding"))
        case "sides":
            let numbers = try golden.numbers("padding")
            return .sides(stride(from: 0, to: numbers.count, by: 2).map { (numbers[$0], numbers[$0 + 1]) })
        case "valid": return .valid
        case "same": return .same
        case "full": return .full
        case let other: throw GoldenFile.Missing("\(golden.name): padding \(other)")
        }
    }

    private static func mode(_ golden: GoldenCases.Case) throws -> PaddingMode {
        switch try golden.text("mode") {
        case "zeros": return .zeros
        case "reflect": return .reflect
        case "replicate": return .replicate
        case "circular": return .circular
        case let other: throw GoldenFile.Missing("\(golden.name): mode \(other)")
        }
    }
}
