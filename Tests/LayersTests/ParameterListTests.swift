import TestSupport
import Testing

@testable import Layers
@testable import Models
@testable import Tensors

@Suite("Parameter list")
struct ParameterListTests {
    private func list() throws -> ParameterList {
        try Network(FashionClassifier.description(input: [1, 28, 28], classes: 10)).parameterList
    }

    private func initial(_ list: ParameterList, seed: UInt64) -> [Float] {
        var weights = [Float](repeating: .nan, count: list.count)
        weights.withUnsafeMutableBufferPointer { list.initialize($0, seed: seed) }
        return weights
    }

    @Test("the Fashion classifier has PyTorch's keys and shapes, one after the other, 44,426 numbers in all")
    func fashionClassifier() throws {
        let expected: [(key: String, shape: Shape)] = [
            ("conv1.weight", [6, 1, 5, 5]), ("conv1.bias", [6]), ("conv2.weight", [16, 6, 5, 5]), ("conv2.bias", [16]),
            ("fc1.weight", [120, 256]), ("fc1.bias", [120]), ("fc2.weight", [84, 120]), ("fc2.bias", [84]),
            ("fc3.weight", [10, 84]), ("fc3.bias", [10]),
        ]
        let list = try list()
        #expect(list.parameters.map(\.key) == expected.map(\.key))
        #expect(list.parameters.map(\.shape) == expected.map(\.shape))
        var offset = 0
        for parameter in list.parameters {
            #expect(parameter.offset == offset && parameter.range == offset..<offset + parameter.shape.count)
            offset += parameter.shape.count
        }
        #expect(list.count == 44_426 && offset == 44_426)
    }

    @Test("its keys and shapes are those in PyTorch's file")
    func goldenKeys() throws {
        let golden = try GoldenFile("step")
        for parameter in try list().parameters {
            #expect(try golden.shape("weights/\(parameter.key)") == parameter.shape.dimensions)
        }
    }

    @Test("first values lie within 1 / √fanIn, with mean 0 and the variance of a uniform distribution")
    func distribution() throws {
        let list = try list()
        let weights = initial(list, seed: 7)
        let fanIn = [25, 25, 150, 150, 256, 256, 120, 120, 84, 84]
        for (parameter, fanIn) in zip(list.parameters, fanIn) {
            let values = weights[parameter.range].map { Double($0) }
            let bound = 1 / Double(fanIn).squareRoot()
            let count = Double(values.count)
            #expect(values.allSatisfy { abs($0) <= bound * (1 + 1e-7) }, "\(parameter.key)")
            let mean = values.reduce(0, +) / count
            let variance = values.reduce(0) { $0 + $1 * $1 } / count
            // Five standard errors: of x its deviation is b/√3, of x² it is b²·√(4/45).
            #expect(abs(mean) < 5 * bound / (3 * count).squareRoot(), "\(parameter.key)")
            #expect(
                abs(variance - bound * bound / 3) < 5 * bound * bound * (4 / (45 * count)).squareRoot(),
                "\(parameter.key)")
        }
    }

    @Test("equal seeds give equal bits, other seeds and other parameters other numbers")
    func seeds() throws {
        let list = try list()
        let first = initial(list, seed: 7)
        #expect(sameBits(first, initial(list, seed: 7)))
        let other = initial(list, seed: 8)
        let high = initial(list, seed: 7 + 1 << 32)
        for parameter in list.parameters {
            #expect(first[parameter.range] != other[parameter.range], "\(parameter.key)")
            #expect(first[parameter.range] != high[parameter.range], "\(parameter.key)")
        }
        let (fc2, fc2Bias) = (list.parameters[6], list.parameters[7])
        #expect(Array(first[fc2.range].prefix(84)) != Array(first[fc2Bias.range]))
    }
}
