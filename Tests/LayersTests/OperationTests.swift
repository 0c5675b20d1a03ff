import Testing

@testable import Layers
@testable import Tensors

/// What layers say they compute, which engines and exporters go by.
@Suite("Operations")
struct OperationTests {
    @Test("a convolution states window, groups, margins and bias")
    func convolution() throws {
        let layer = Conv2d(
            outChannels: 8, kernel: [3, 5], stride: 2, dilation: [2, 1], padding: 1, groups: 2, bias: false)
        guard case .convolution(let padded, hasBias: false) = try layer.operation(for: [[4, 16, 16]]) else {
            Issue.record("\(try layer.operation(for: [[4, 16, 16]]))")
            return
        }
        #expect(padded.padding == nil && padded.convolution.groups == 2 && padded.convolution.outChannels == 8)
        #expect(
            padded.convolution.window.axes == [
                Window.Axis(input: 16, kernel: 3, stride: 2, dilation: 2, before: 1, output: 7),
                Window.Axis(input: 16, kernel: 5, stride: 2, dilation: 1, before: 1, output: 7),
            ])
        let mirrored = Conv2d(outChannels: 1, kernel: 3, padding: 1, paddingMode: .reflect, flipsKernel: true)
        guard case .convolution(let padded, hasBias: true) = try mirrored.operation(for: [[1, 8, 8]]) else {
            Issue.record("\(try mirrored.operation(for: [[1, 8, 8]]))")
            return
        }
        #expect(padded.padding?.mode == .reflect && padded.convolution.window.isFlipped)
        #expect(throws: ShapeMismatch.self) { try mirrored.operation(for: [[1, 1, 1]]) }
    }

    @Test("a pooling states its function and its windows")
    func pooling() throws {
        guard
            case .pooling(.maximum, .sliding(let window, ceilMode: true)) = try MaxPool2d(
                kernel: 3, stride: 2, padding: 1, ceilMode: true
            ).operation(for: [[2, 8, 8]])
        else {
            Issue.record("no maximum")
            return
        }
        let axis = Window.Axis(input: 8, kernel: 3, stride: 2, dilation: 1, before: 1, output: 5)
        #expect(window.channels == 2 && window.axes == [axis, axis])
        for (layer, function) in [
            (MinPool2d(kernel: 2) as any Layer, PoolingFunction.minimum),
            (AvgPool2d(kernel: 2, countIncludePad: false), .mean(countsPadding: false)),
            (AdaptiveMaxPool2d(output: 3), .maximum), (AdaptiveAvgPool2d(output: 1), .mean(countsPadding: false)),
        ] {
            guard case .pooling(function, _) = try layer.operation(for: [[2, 8, 8]]) else {
                Issue.record("\(layer.typeName)")
                continue
            }
        }
        guard
            case .pooling(_, .adaptive(let input, let output)) = try AdaptiveAvgPool2d(output: [3, 1]).operation(for: [
                [2, 8, 8]
            ])
        else {
            Issue.record("no parts")
            return
        }
        #expect(input == [8, 8] && output == [3, 1])
    }

    @Test("what one place depends on follows from the operation")
    func reception() throws {
        func reception(_ layer: any Layer, _ inputs: Shape...) throws -> Reception {
            try layer.operation(for: inputs).reception
        }
        let image: Shape = [2, 8, 8]
        #expect(try reception(ActivationLayer(.relu), image) == .place && reception(BatchNorm2d(), image) == .place)
        #expect(try reception(ResidualAdd(), image, image) == .place && reception(Flatten(), image) == .place)
        #expect(try reception(Linear(outputs: 3), [5]) == .everything)
        #expect(
            try reception(Conv2d(outChannels: 1, kernel: 3, stride: 2, dilation: 2), image)
                == .windows([.init(reach: 5, stride: 2), .init(reach: 5, stride: 2)]))
        #expect(
            try reception(MaxPool2d(kernel: 2), image)
                == .windows([.init(reach: 2, stride: 2), .init(reach: 2, stride: 2)]))
        #expect(try reception(AvgPool2d(kernel: 8), image) == .everything)
        #expect(try reception(AdaptiveAvgPool2d(output: 1), image) == .everything)
        #expect(
            try reception(AdaptiveAvgPool2d(output: 4), image)
                == .windows([.init(reach: 2, stride: 2), .init(reach: 2, stride: 2)]))
        #expect(try reception(AdaptiveAvgPool2d(output: 3), image) == .varying)
        #expect(try reception(ConvTranspose2d(outChannels: 1, kernel: 3), image) == .varying)
        #expect(try reception(Unfold(kernel: 2), image) == .varying)
    }
}
