import Foundation
import TestSupport
import Testing

@testable import Layers
@testable import Tensors

/// Bounds and deviations are computed in float32, PyTorch's in double: equal to a few units of float32.
@Suite("Initialisers against torch.nn.init")
struct InitializerGoldenTests {
    private static let tolerance = 5e-7

    private static let gains = [
        Initialization.Gain.linear, Initialization.Gain.tanh, Initialization.Gain.relu,
        Initialization.Gain.leakyReLU(slope: 0.01), Initialization.Gain.leakyReLU(slope: Float(5).squareRoot()),
    ]

    /// The bound of a uniform or the deviation of a normal.
    private func scale(_ initialization: Initialization, _ fans: Fans) -> Double {
        switch initialization.initializer(fans) {
        case .uniform(let value), .normal(let value), .constant(let value): Double(value)
        }
    }

    private func expectNear(_ actual: Double, _ expected: Double, _ what: String) {
        #expect(abs(actual - expected) <= Self.tolerance * expected, "\(what): \(actual), expected \(expected)")
    }

    @Test("16 weights: fans, and 30 Kaiming and Xavier bounds and deviations of each")
    func scales() throws {
        let file = try GoldenFile("initializers")
        let gains = try file.doubles("gains")
        #expect(gains.count == Self.gains.count)
        for (ours, theirs) in zip(Self.gains, gains) { expectNear(Double(ours), theirs, "gain") }
        var compared = 0
        let groups = try file.cases().filter { $0 != "gains" }
        for group in groups {
            let fans = Fans(ofWeight: Shape(try file.numbers("shape", of: group)))
            #expect(try [fans.fanIn] == file.numbers("fan_in", of: group), "\(group)")
            #expect(try [fans.fanOut] == file.numbers("fan_out", of: group), "\(group)")
            func check(_ name: String, _ rules: [Initialization]) throws {
                let expected = try file.doubles("\(group)/\(name)")
                #expect(expected.count == rules.count, "\(group)/\(name)")
                for (rule, value) in zip(rules, expected) {
                    expectNear(scale(rule, fans), value, "\(group)/\(name) \(rule)")
                    compared += 1
                }
            }
            let sides: [Initialization.Fan] = [.fanIn, .fanOut]
            try check("kaiming_bound", sides.flatMap { fan in Self.gains.map { .kaimingUniform(fan, gain: $0) } })
            try check("kaiming_std", sides.flatMap { fan in Self.gains.map { .kaimingNormal(fan, gain: $0) } })
            try check("xavier_bound", Self.gains.map { .xavierUniform(gain: $0) })
            try check("xavier_std", Self.gains.map { .xavierNormal(gain: $0) })
        }
        #expect(groups.count == 16)
        #expect(compared == 16 * 30)
        print("initialisers: \(compared) bounds and deviations of \(groups.count) weights equal to torch.nn.init's")
    }

    @Test("linear, convolution, grouped and transposed layers draw within PyTorch's default bounds")
    func defaults() throws {
        let file = try GoldenFile("initializers")
        for group in try file.cases() where group != "gains" {
            let shape = try file.numbers("shape", of: group)
            let groups = try file.numbers("groups", of: group)[0]
            let bounds = try file.doubles("\(group)/default_bounds")
            let (layer, input) = try self.layer(file, group, shape, groups)
            let parameters = layer.parameters(for: input)
            #expect(parameters.map(\.name) == ["weight", "bias"])
            #expect(parameters[0].shape.dimensions == shape, "\(group)")
            for (parameter, bound) in zip(parameters, bounds) {
                guard case .uniform(let ours) = parameter.initializer else {
                    Issue.record("\(group): \(parameter.name) is \(parameter.initializer)")
                    continue
                }
                expectNear(Double(ours), bound, "\(group): \(parameter.name)")
            }
        }
    }

    /// A layer with this weight, and an input that it takes.
    private func layer(_ file: GoldenFile, _ group: String, _ shape: [Int], _ groups: Int) throws -> (any Layer, Shape)
    {
        let kind = try file.text("kind", of: group)
        if kind == "linear" { return (Linear(outputs: shape[0]), [shape[1]]) }
        let kernel = Extents(Array(shape[2...]))
        let isTransposed = kind == "transposed convolution"
        let image = Shape([isTransposed ? shape[0] : shape[1] * groups] + shape[2...].map { $0 + 1 })
        func make<Rank: SpatialRank>(_: Rank.Type) -> any Layer {
            isTransposed
                ? ConvTranspose<Rank>(outChannels: shape[1] * groups, kernel: kernel, groups: groups)
                : Conv<Rank>(outChannels: shape[0], kernel: kernel, groups: groups) as any Layer
        }
        switch shape.count {
        case 3: return (make(OneAxis.self), image)
        case 4: return (make(TwoAxes.self), image)
        default: return (make(ThreeAxes.self), image)
        }
    }

    // ---- What is drawn

    private func draws(_ initializer: Initializer, count: Int = 100_000) -> [Double] {
        var stream = RandomStream(seed: 11, purpose: .synthetic, id: 3)
        var values = [Float](repeating: .nan, count: count)
        values.withUnsafeMutableBufferPointer { initializer.fill($0, from: &stream) }
        return values.map(Double.init)
    }

    /// Mean of the values to some power.
    private func moment(_ values: [Double], _ power: Int) -> Double {
        values.reduce(0) { sum, value in sum + (0..<power).reduce(1.0) { product, _ in product * value } }
            / Double(values.count)
    }

    @Test("100,000 uniform draws fill the bound, keep within it, and have its variance of a third")
    func uniformDraws() {
        let bound = 0.37
        let values = draws(.uniform(bound: Float(bound))).map { $0 / bound }
        #expect(values.allSatisfy { abs($0) <= 1 + 1e-7 })
        #expect((values.min() ?? 0) < -0.9999 && (values.max() ?? 0) > 0.9999)
        // Four deviations of the estimate of each moment.
        #expect(abs(moment(values, 1)) < 4 * (1 / 3.0 / 100_000).squareRoot())
        #expect(abs(moment(values, 2) - 1 / 3.0) < 4 * (4 / 45.0 / 100_000).squareRoot())
        let tenths = Dictionary(grouping: values) { min(9, Int(($0 + 1) * 5)) }
        #expect(tenths.count == 10 && tenths.values.allSatisfy { abs($0.count - 10_000) < 400 })
    }

    @Test("100,000 normal draws have the deviation asked for and a normal's four moments and tails")
    func normalDraws() {
        let deviation = 0.021
        let values = draws(.normal(deviation: Float(deviation))).map { $0 / deviation }
        #expect(values.allSatisfy { $0.isFinite })
        #expect(abs(moment(values, 1)) < 4 * (1 / 100_000.0).squareRoot())
        #expect(abs(moment(values, 2) - 1) < 4 * (2 / 100_000.0).squareRoot())
        #expect(abs(moment(values, 3)) < 4 * (15 / 100_000.0).squareRoot())
        #expect(abs(moment(values, 4) - 3) < 4 * (96 / 100_000.0).squareRoot())
        let beyondTwo = Double(values.count(where: { abs($0) > 2 })) / 100_000
        #expect(abs(beyondTwo - 0.0455) < 4 * (0.0455 / 100_000).squareRoot())
    }

    @Test("a constant is everywhere the same")
    func constantDraws() {
        #expect(draws(.constant(0.25), count: 7) == [Double](repeating: 0.25, count: 7))
    }
}
