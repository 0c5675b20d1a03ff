import Foundation
import Testing

@testable import Layers
@testable import Tensors

/// How far a family of operations is off its golden values: the largest error of an element as a share of the largest
/// expected magnitude in its tensor.
struct Agreement {
    enum Part {
        case forward, gradient
    }

    let family: String
    /// The largest errors that pass.
    let forwardLimit, gradientLimit: Double
    private(set) var cases = 0
    private(set) var forward = 0.0
    private(set) var gradients = 0.0

    init(_ family: String, forward: Double = 1e-5, gradients: Double = 1e-4) {
        self.family = family
        forwardLimit = forward
        gradientLimit = gradients
    }

    mutating func countCase() { cases += 1 }

    /// NaN is an infinite error, and so is another number of elements. A tensor of zeros has magnitude 1.
    mutating func check(_ part: Part, _ actual: [Float], _ expected: [Float], _ what: @autoclosure () -> String) {
        check(part, actual.map(Double.init), expected.map(Double.init), what())
    }

    mutating func check(_ part: Part, _ actual: [Double], _ expected: [Double], _ what: @autoclosure () -> String) {
        let (error, index) = Self.error(actual, expected)
        let limit: Double
        switch part {
        case .forward:
            forward = max(forward, error)
            limit = forwardLimit
        case .gradient:
            gradients = max(gradients, error)
            limit = gradientLimit
        }
        if error > limit {
            let found = actual.count == expected.count ? "\(actual[index]), expected \(expected[index])" : "none"
            Issue.record("\(family): \(what()): error \(error), limit \(limit); element \(index) is \(found)")
        }
    }

    /// Prints the family's line; Tests/Acceptance/operations-equal-pytorch collects them.
    func report(expecting count: Int) {
        #expect(cases == count, "\(family): \(cases) cases, expected \(count)")
        print(
            "\(family): \(cases) cases, largest relative error forward \(String(format: "%.1e", forward)), "
                + "gradients \(String(format: "%.1e", gradients))")
    }

    private static func error(_ actual: [Double], _ expected: [Double]) -> (error: Double, index: Int) {
        guard actual.count == expected.count else { return (.infinity, 0) }
        let largest = expected.reduce(0.0) { max($0, abs($1)) }
        var (worst, place) = (0.0, 0)
        for index in actual.indices {
            let difference = abs(actual[index] - expected[index]) / (largest > 0 ? largest : 1)
            let error = difference.isNaN ? .infinity : difference
            if error > worst { (worst, place) = (error, index) }
        }
        return (worst, place)
    }
}

extension Agreement {
    /// Runs a layer on a golden case in every arrangement and checks shapes, y, dx and the gradients of its parameters.
    ///
    /// `parameters` are the names of the layer's, in its order; the golden tensors have the same names.
    mutating func check(
        _ layer: any Layer, _ golden: GoldenCases.Case, parameters names: [String] = [], overwritesInput: Bool = false
    ) throws {
        countCase()
        let shape = try golden.shape("x")
        let input = Shape(Array(shape.dropFirst()))
        // Buffers have the sizes that the layer asks for: nothing runs on other shapes than the golden ones.
        let output = try layer.outputShape(for: [input]).dimensions
        let expectedOutput = try Array(golden.shape("y").dropFirst())
        guard output == expectedOutput else {
            Issue.record("\(golden.name): y is \(output), expected \(expectedOutput)")
            return
        }
        let found = layer.parameters(for: input).map { "\($0.name) \($0.shape)" }
        let expected = try names.map { "\($0) \(Shape(try golden.shape($0)))" }
        guard found == expected else {
            Issue.record("\(golden.name): parameters \(found), expected \(expected)")
            return
        }
        let values = try names.map { try golden.floats($0) }
        let (x, dy) = (try golden.floats("x"), try golden.floats("dy"))
        for arrangement in LayerProbe.Arrangement.covering(shape[0]) {
            let result = try LayerProbe(layer, input: input, arrangement, overwritesInput: overwritesInput)
                .run(x: x, dy: dy, parameters: values)
            let place = "\(golden.name), \(arrangement)"
            check(.forward, result.y, try golden.floats("y"), "\(place): y")
            check(.gradient, result.dx, try golden.floats("dx"), "\(place): dx")
            for (name, gradient) in zip(names, result.gradients) {
                check(.gradient, gradient, try golden.floats("d\(name)"), "\(place): d\(name)")
            }
        }
    }
}

extension LayerProbe.Arrangement {
    /// As `all`; an empty batch in shards that have room for one.
    static func covering(_ samples: Int) -> [Self] {
        all(for: samples).map {
            Self(shards: $0.shards, imagesPerShard: max(1, $0.imagesPerShard), threads: $0.threads)
        }
    }
}
