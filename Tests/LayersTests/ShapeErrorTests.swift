import Testing

@testable import Layers
@testable import Tensors

/// A refusal says which layer met which shape, and what it expected.
@Suite("Shapes that a layer cannot take")
struct ShapeErrorTests {
    /// The message of the refusal.
    private func message(_ layer: any Layer, _ inputs: Shape...) -> String {
        do {
            let shape = try layer.outputShape(for: inputs)
            return "no refusal: \(shape)"
        } catch let error as ShapeMismatch {
            return error.description
        } catch {
            return "another error: \(error)"
        }
    }

    private func expect(
        _ message: String, names parts: String..., sourceLocation: SourceLocation = #_sourceLocation
    ) {
        for part in parts {
            #expect(message.contains(part), "'\(message)' does not name \(part)", sourceLocation: sourceLocation)
        }
        #expect(!message.contains("\n"), sourceLocation: sourceLocation)
    }

    @Test("another number of axes names the layer, the shape found and the axes expected")
    func axes() {
        expect(message(Conv1d(outChannels: 2, kernel: 3), [1, 5, 5]), names: "Conv1d", "[C, L]", "[1, 5, 5]")
        expect(message(Conv2d(outChannels: 2, kernel: 3), [28, 28]), names: "Conv2d", "[C, H, W]", "[28, 28]")
        expect(message(Conv3d(outChannels: 2, kernel: 3), [1, 5, 5]), names: "Conv3d", "[C, D, H, W]", "[1, 5, 5]")
        expect(message(ConvTranspose2d(outChannels: 2, kernel: 3), [7]), names: "ConvTranspose2d", "[C, H, W]", "[7]")
        expect(message(MaxPool2d(kernel: 2), [3, 4]), names: "MaxPool2d", "[C, H, W]", "[3, 4]")
        expect(message(MinPool1d(kernel: 2), [3, 4, 5]), names: "MinPool1d", "[C, L]", "[3, 4, 5]")
        expect(message(AvgPool3d(kernel: 2), [3, 4]), names: "AvgPool3d", "[C, D, H, W]", "[3, 4]")
        expect(message(AdaptiveAvgPool2d(output: 1), [3]), names: "AdaptiveAvgPool2d", "[C, H, W]", "[3]")
        expect(message(BatchNorm2d(), [3, 4]), names: "BatchNorm2d", "[C, H, W]", "[3, 4]")
        expect(message(Linear(outputs: 2), [3, 4]), names: "Linear", "[features]", "[3, 4]")
        expect(message(Unfold(kernel: 2), [3, 4]), names: "Unfold", "[C, H, W]", "[3, 4]")
    }

    @Test("a kernel that reaches beyond the padded image names both sizes")
    func reach() {
        expect(
            message(Conv2d(outChannels: 2, kernel: 3, dilation: 2, padding: 1), [1, 2, 8]), names: "Conv2d",
            "[1, 2, 8]",
            "5 places", "4")
        expect(message(MaxPool2d(kernel: 4), [1, 3, 9]), names: "MaxPool2d", "[1, 3, 9]", "4 places", "3")
        expect(message(Unfold(kernel: [2, 5]), [1, 3, 4]), names: "Unfold", "[1, 3, 4]", "5 places", "4")
        expect(
            message(ConvTranspose1d(outChannels: 1, kernel: 1, padding: 2), [1, 3]), names: "ConvTranspose1d", "[1, 3]",
            "padding 2", "3")
    }

    @Test("options for another number of axes, or that PyTorch refuses, are named with what was expected")
    func options() {
        expect(
            message(Conv2d(outChannels: 2, kernel: [3, 2, 1]), [1, 5, 5]), names: "[1, 5, 5]", "3 axes", "expected 2")
        expect(
            message(Conv2d(outChannels: 2, kernel: 3, padding: .sides([(1, 0)])), [1, 5, 5]), names: "1 axes",
            "expected 2")
        expect(
            message(Conv1d(outChannels: 2, kernel: 3, stride: 2, padding: .same), [1, 9]), names: "same", "stride 2",
            "expected stride 1")
        expect(message(Conv2d(outChannels: 2, kernel: 0), [1, 5, 5]), names: "kernel 0", "expected at least 1")
        expect(
            message(Conv2d(outChannels: 2, kernel: 1, stride: 0), [1, 5, 5]), names: "stride 0", "expected at least")
        expect(
            message(Conv2d(outChannels: 2, kernel: 1, padding: -1), [1, 5, 5]), names: "padding -1", "expected at least"
        )
        expect(message(Conv2d(outChannels: 4, kernel: 1, groups: 2), [3, 5, 5]), names: "2 groups", "3", "4")
        expect(message(Conv2d(outChannels: 3, kernel: 1, groups: 2), [4, 5, 5]), names: "2 groups", "4", "3")
        expect(message(ConvTranspose2d(outChannels: 3, kernel: 1, groups: 2), [4, 5, 5]), names: "2 groups", "4", "3")
        expect(
            message(ConvTranspose1d(outChannels: 1, kernel: 2, stride: 2, outputPadding: 2), [1, 3]),
            names: "output padding 2", "stride 2")
        expect(message(MaxPool1d(kernel: 3, padding: 2), [1, 9]), names: "padding 2", "half", "3")
        // Half of the kernel, not of what it reaches over with dilation.
        expect(message(MaxPool1d(kernel: 3, padding: 2, dilation: 2), [1, 9]), names: "padding 2", "half", "3")
        expect(message(AdaptiveMaxPool2d(output: [2, 0]), [1, 5, 5]), names: "0", "expected at least 1")
    }

    @Test("padding that its mode cannot fill names the extent and the widest that it can")
    func modes() {
        expect(
            message(Conv1d(outChannels: 1, kernel: 3, padding: 4, paddingMode: .reflect), [1, 4]), names: "reflect",
            "padding of 4", "extent of 4", "at most 3")
        expect(
            message(Conv1d(outChannels: 1, kernel: 3, padding: .sides([(0, 5)]), paddingMode: .circular), [1, 4]),
            names: "circular", "padding of 5", "extent of 4", "at most 4")
        #expect(
            message(Conv1d(outChannels: 1, kernel: 3, padding: 9, paddingMode: .replicate), [1, 4]).hasPrefix(
                "no refusal"))
    }

    @Test("columns that are not those of the image name both counts; values that do not go together name both shapes")
    func counterparts() {
        expect(message(Fold(output: [4, 4], kernel: 2), [8, 7]), names: "Fold", "9", "[8, 7]")
        expect(message(Fold(output: [4, 4], kernel: 2), [7, 9]), names: "Fold", "4", "[7, 9]")
        expect(message(ResidualAdd(), [2, 3], [2, 4]), names: "ResidualAdd", "[2, 3]", "[2, 4]")
        expect(message(Concatenation(), [2, 3, 4], [2, 3, 5]), names: "Concatenation", "[2, 3, 4]", "[2, 3, 5]")
        expect(message(ActivationLayer(.relu), [2, 3], [2, 3]), names: "ReLU", "one value", "2")
    }

    @Test("what cannot be counted is refused, naming the layer")
    func tooLarge() {
        func message(_ layers: [any Layer], input: Shape = [1, 28, 28]) -> String {
            var model = ModelDescription(name: "huge", input: input, classes: 10)
            for (number, layer) in layers.enumerated() { model.append("layer\(number)", layer) }
            do {
                _ = try Network(model)
                return "no refusal"
            } catch {
                return "\(error)"
            }
        }
        let wide = Conv2d(outChannels: 1 << 20, kernel: Extents(1 << 20), padding: .same)
        expect(message([wide, wide]), names: "huge, layer layer0", "weight of Conv2d", "1099511627776 elements")
        let grown = ConvTranspose2d(outChannels: 1, kernel: 1, stride: Extents(1 << 12))
        expect(message([grown, grown, grown]), names: "layer layer1", "extent of", "at most 16777216")
        let padded = Conv2d(outChannels: 1 << 10, kernel: 1, padding: .symmetric(Extents(1 << 20)))
        expect(message([padded]), names: "layer layer0", "Conv2d gives", "at most 1099511627776 elements")
        let wideLinear = Linear(outputs: 1 << 20)
        expect(message([Flatten(), wideLinear, wideLinear]), names: "layer layer2", "weight of Linear")
        let full = Conv2d(outChannels: 1, kernel: Extents(1 << 20), dilation: Extents(1 << 20), padding: .full)
        expect(message([full]), names: "layer layer0", "at most 16777216")
        let many = Conv2d(outChannels: 1 << 14, kernel: 3, padding: 1)
        expect(message([many, many], input: [1, 4096, 4096]), names: "layer layer1", "multiply-adds")
        expect(message([Flatten()], input: [1 << 20, 1 << 20, 1 << 20]), names: "huge, input")
    }
}
