import Foundation

@testable import Layers
@testable import Tensors

/// The gradients of a chain of layers in float64, from the definitions of the layers, image by image.
///
/// Beside every gradient stands the sum of the magnitudes of its terms. What float32 rounds off is a few 2⁻²⁴ of that, however
/// small the gradient itself is: 72 terms whose magnitudes add up to 0.95 may cancel to 0.0017, and are then off by as much as
/// if they added up.
struct ExactNetwork {
    struct Gradients {
        var sums, magnitudes: [Double]
    }

    /// y[output] += factor · x[input], with a weight as factor, or one over the divisor of an average.
    private struct Term {
        let output, input, weight: Int32
        var average = 0.0
    }

    private enum Step {
        case weighted([Term], weights: Parameter, bias: Parameter?)
        case average([Term])
        /// The places of every output's window.
        case maximum([[Int]])
        case relu, tanh, sameValues
    }

    struct UnknownLayer: Error {
        let name: String
    }

    private let network: Network
    private let steps: [Step]

    /// Throws: `UnknownLayer` for layers that have no lane kernel either.
    init(_ network: Network) throws {
        self.network = network
        steps = try network.stages.map { stage in
            let input = stage.inputs[0]
            let parameters = stage.parameters.map { network.parameterList.parameters[$0] }
            switch stage.layer {
            case let layer as Conv2d:
                let kernel = try layer.kernel.resolved(rank: 2)
                let sides = try layer.padding.resolved(
                    kernel: kernel, stride: layer.stride.resolved(rank: 2), dilation: [1, 1])
                let places = try Self.places(input, stage.output, kernel, layer.stride, sides.map(\.before))
                return .weighted(
                    Self.convolution(places, input, stage.output, kernel), weights: parameters[0],
                    bias: parameters.count > 1 ? parameters[1] : nil)
            case is Linear:
                let terms = (0..<stage.output.count).flatMap { output in
                    (0..<input.count).map { Self.term(output, $0, weight: output * input.count + $0) }
                }
                return .weighted(terms, weights: parameters[0], bias: parameters.count > 1 ? parameters[1] : nil)
            case let layer as MaxPool2d:
                let windows = try Self.windows(input, stage.output, layer.kernel, layer.stride, layer.padding)
                return .maximum(windows.map(\.places))
            case let layer as AvgPool2d:
                let windows = try Self.windows(input, stage.output, layer.kernel, layer.stride, layer.padding)
                let terms = windows.enumerated().flatMap { output, window in
                    let divisor = layer.countIncludePad ? window.divisor : window.places.count
                    return window.places.map { Self.term(output, $0, average: 1 / Double(divisor)) }
                }
                return .average(terms)
            case let layer as ActivationLayer where layer.activation == .relu: return .relu
            case let layer as ActivationLayer where layer.activation == .tanh: return .tanh
            case is Flatten: return .sameValues
            default: throw UnknownLayer(name: stage.layer.typeName)
            }
        }
    }

    /// The gradients of the loss summed over the images in `slots`; images are bytes [slots, H, W, C].
    func gradients(weights: [Float], images: [UInt8], labels: [Int32], slots: [Int]) -> Gradients {
        let count = network.parameterList.trainedCount
        var gradients = Gradients(
            sums: [Double](repeating: 0, count: count), magnitudes: [Double](repeating: 0, count: count))
        let shape = network.description.input
        let (channels, area) = (shape[0], shape[1] * shape[2])
        for slot in slots {
            let pixels = (0..<shape.count).map { place in
                Double(images[slot * shape.count + place % area * channels + place / area]) / 255
            }
            var values = [pixels]
            for index in steps.indices { values.append(forward(index, values[index], weights)) }
            var dy = Self.lossGradient(values[steps.count], label: Int(labels[slot]))
            for index in steps.indices.reversed() {
                dy = backward(index, x: values[index], y: values[index + 1], dy: dy, weights, &gradients)
            }
        }
        return gradients
    }

    private static func lossGradient(_ logits: [Double], label: Int) -> [Double] {
        let highest = logits.max() ?? 0
        let powers = logits.map { exp($0 - highest) }
        let sum = powers.reduce(0, +)
        return powers.enumerated().map { $1 / sum - ($0 == label ? 1 : 0) }
    }

    private func forward(_ index: Int, _ x: [Double], _ weights: [Float]) -> [Double] {
        var y = [Double](repeating: 0, count: network.stages[index].output.count)
        switch steps[index] {
        case .weighted(let terms, let parameter, let bias):
            if let bias {
                let area = y.count / bias.count
                for place in y.indices { y[place] = Double(weights[bias.offset + place / area]) }
            }
            for term in terms {
                y[Int(term.output)] += Double(weights[parameter.offset + Int(term.weight)]) * x[Int(term.input)]
            }
        case .average(let terms):
            for term in terms { y[Int(term.output)] += term.average * x[Int(term.input)] }
        case .maximum(let windows):
            for (output, window) in windows.enumerated() { y[output] = x[Self.winner(x, window)] }
        case .relu: return x.map { max($0, 0) }
        case .tanh: return x.map { Foundation.tanh($0) }
        case .sameValues: return x
        }
        return y
    }

    private func backward(
        _ index: Int, x: [Double], y: [Double], dy: [Double], _ weights: [Float], _ gradients: inout Gradients
    ) -> [Double] {
        var dx = [Double](repeating: 0, count: x.count)
        switch steps[index] {
        case .weighted(let terms, let parameter, let bias):
            for term in terms {
                let (own, place) = (dy[Int(term.output)], parameter.offset + Int(term.weight))
                let product = own * x[Int(term.input)]
                gradients.sums[place] += product
                gradients.magnitudes[place] += abs(product)
                dx[Int(term.input)] += Double(weights[place]) * own
            }
            if let bias {
                let area = y.count / bias.count
                for place in dy.indices {
                    gradients.sums[bias.offset + place / area] += dy[place]
                    gradients.magnitudes[bias.offset + place / area] += abs(dy[place])
                }
            }
        case .average(let terms):
            for term in terms { dx[Int(term.input)] += term.average * dy[Int(term.output)] }
        case .maximum(let windows):
            for (output, window) in windows.enumerated() { dx[Self.winner(x, window)] += dy[output] }
        case .relu: return zip(y, dy).map { $0 > 0 ? $1 : 0 }
        case .tanh: return zip(y, dy).map { (1 - $0 * $0) * $1 }
        case .sameValues: return dy
        }
        return dx
    }

    /// The first of equal values wins.
    private static func winner(_ x: [Double], _ window: [Int]) -> Int {
        window.dropFirst().reduce(window[0]) { x[$1] > x[$0] ? $1 : $0 }
    }
}

/// Which places of an image the layers with windows read.
extension ExactNetwork {
    private static func term(_ output: Int, _ input: Int, weight: Int = 0, average: Double = 0) -> Term {
        Term(output: Int32(output), input: Int32(input), weight: Int32(weight), average: average)
    }

    /// By axis and output: the places inside the image, each with its place in the kernel.
    private static func places(
        _ input: Shape, _ output: Shape, _ kernel: [Int], _ stride: Extents, _ before: [Int]
    ) throws -> [[[(input: Int, kernel: Int)]]] {
        let stride = try stride.resolved(rank: 2)
        return (0..<2).map { axis in
            (0..<output[axis + 1]).map { place in
                (0..<kernel[axis]).map { (place * stride[axis] - before[axis] + $0, $0) }
                    .filter { (0..<input[axis + 1]).contains($0.0) }
            }
        }
    }

    private static func convolution(
        _ places: [[[(input: Int, kernel: Int)]]], _ input: Shape, _ output: Shape, _ kernel: [Int]
    ) -> [Term] {
        var terms: [Term] = []
        for out in 0..<output.count {
            let (filter, p, q) = (out / (output[1] * output[2]), out / output[2] % output[1], out % output[2])
            for channel in 0..<input[0] {
                for row in places[0][p] {
                    for column in places[1][q] {
                        let image = (channel * input[1] + row.input) * input[2] + column.input
                        let weight = (filter * input[0] + channel) * kernel[0] + row.kernel
                        terms.append(term(out, image, weight: weight * kernel[1] + column.kernel))
                    }
                }
            }
        }
        return terms
    }

    /// By output: the places of its window, and how many there are with the padding.
    private static func windows(
        _ input: Shape, _ output: Shape, _ kernel: Extents, _ stride: Extents, _ padding: Extents
    ) throws -> [(places: [Int], divisor: Int)] {
        let (kernel, padding) = (try kernel.resolved(rank: 2), try padding.resolved(rank: 2))
        let places = try places(input, output, kernel, stride, padding)
        return (0..<output.count).map { out in
            let (channel, p, q) = (out / (output[1] * output[2]), out / output[2] % output[1], out % output[2])
            let inside = places[0][p].flatMap { row in
                places[1][q].map { (channel * input[1] + row.input) * input[2] + $0.input }
            }
            return (inside, kernel[0] * kernel[1])
        }
    }
}
