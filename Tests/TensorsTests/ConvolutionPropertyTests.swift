import CKernels
import Testing

@testable import Tensors

/// The matrix-product path against the direct form that defines convolution, over random shapes.
@Suite("Convolution against its definition")
struct ConvolutionPropertyTests {
    private struct Case {
        let operation: Convolution
        var filters: CKernels_Filters
        let x, weight, bias, dy: [Float]

        init(_ randoms: inout Randoms) throws {
            let groups = randoms.int(1...3)
            let window = try UnfoldingTests.randomWindow(&randoms, channels: groups * randoms.int(1...3))
            let outChannels = groups * randoms.int(1...3)
            operation = Convolution(window: window, outChannels: outChannels, groups: groups)
            filters = CKernels_Filters(outChannels: Int64(outChannels), groups: Int64(groups))
            x = randoms.floats(window.channels * window.inputVolume)
            weight = randoms.floats(operation.weightCount)
            bias = randoms.floats(outChannels)
            dy = randoms.floats(outChannels * window.outputVolume)
        }

        var workspace: [Float] { [Float](repeating: .nan, count: operation.workspaceCount) }
    }

    /// Sums of at most a few hundred products of numbers below 1: float32 may be off by some 1e-5.
    private func expectClose(_ actual: [Float], _ expected: [Float], _ what: String) {
        let largest = expected.reduce(1) { max($0, abs($1)) }
        #expect(zip(actual, expected).allSatisfy { abs($0 - $1) <= 1e-5 * largest }, "\(what)")
    }

    @Test("300 random convolutions of one to three dimensions: output and all gradients")
    func random() throws {
        var randoms = Randoms(31)
        for index in 0..<300 {
            var drawn = try Case(&randoms)
            var window = drawn.operation.window.c
            let (operation, place) = (drawn.operation, "case \(index): \(drawn.operation.window.axes)")

            var (y, expected) = (drawn.dy, drawn.dy)
            var workspace = drawn.workspace
            operation.forward(x: drawn.x, weight: drawn.weight, bias: drawn.bias, y: &y, workspace: &workspace)
            CKernels_convolution_f32_forward__reference(
                &window, &drawn.filters, drawn.x, drawn.weight, drawn.bias, &expected)
            expectClose(y, expected, "\(place): y")

            var (dx, expectedDx) = (drawn.x, drawn.x)
            workspace = drawn.workspace
            operation.inputGradient(dy: drawn.dy, weight: drawn.weight, dx: &dx, workspace: &workspace)
            CKernels_convolution_f32_inputGradient__reference(
                &window, &drawn.filters, drawn.dy, drawn.weight, &expectedDx)
            expectClose(dx, expectedDx, "\(place): dx")

            var (dweight, expectedDweight) = (drawn.weight, drawn.weight)
            var dbias = [Float](repeating: 0, count: operation.outChannels)
            workspace = drawn.workspace
            operation.addWeightGradient(
                x: drawn.x, dy: drawn.dy, dweight: &dweight, dbias: &dbias, workspace: &workspace)
            CKernels_convolution_f32_addWeightGradient__reference(
                &window, &drawn.filters, drawn.x, drawn.dy, &expectedDweight)
            expectClose(dweight, expectedDweight, "\(place): dweight")
            let area = operation.window.outputVolume
            expectClose(
                dbias, (0..<operation.outChannels).map { drawn.dy[$0 * area..<($0 + 1) * area].reduce(0, +) },
                "\(place): dbias")
        }
    }

    @Test("a linear layer is a convolution of images with one place")
    func linear() {
        var randoms = Randoms(32)
        let single = Window.Axis(input: 1, kernel: 1, stride: 1, dilation: 1, before: 0, output: 1)
        for _ in 0..<50 {
            let (inputs, outputs) = (randoms.int(1...40), randoms.int(1...30))
            var window = Window(channels: inputs, axes: [single]).c
            var filters = CKernels_Filters(outChannels: Int64(outputs), groups: 1)
            let (x, weight, bias) = (randoms.floats(inputs), randoms.floats(inputs * outputs), randoms.floats(outputs))
            var (y, expected) = ([Float](repeating: .nan, count: outputs), [Float](repeating: .nan, count: outputs))
            Affine(inputs: inputs, outputs: outputs).forward(samples: 1, x: x, weight: weight, bias: bias, y: &y)
            CKernels_convolution_f32_forward__reference(&window, &filters, x, weight, bias, &expected)
            expectClose(y, expected, "\(inputs) → \(outputs)")
        }
    }
}
