import Diagnostics
import Tensors
import Testing

@testable import Layers
@testable import Training

@Suite("Networks written down in the configuration")
struct ConfiguredLayersTests {
    private func configuration(_ layers: String) throws -> Configuration {
        try Configuration(
            yaml: "model:\n  layers:\n\(layers)\ndata: {file: d.h5}", file: "net.yaml", assignments: [],
            models: ["tiny"], defaults: Configuration())
    }

    private func network(_ layers: String, input: Shape = [1, 12, 12]) throws -> Network {
        let model = try configuration(layers).model
        return try Network(model.description(input: input, classes: 3) { _ in nil })
    }

    private func message(_ layers: String) -> String {
        do {
            _ = try network(layers)
            return ""
        } catch {
            return "\(error)"
        }
    }

    @Test("every function of the table of activations is a layer that a configuration can name")
    func activations() {
        for activation in Activation.all {
            #expect(LayerRow.named[activation.layerName] != nil, "\(activation.layerName)")
        }
    }

    private let residual = """
            - Conv2d: {out_channels: 4, kernel_size: [3, 3], padding: same, bias: false, name: stem}
            - BatchNorm2d
            - ReLU
            - Repeat:
                times: 2
                name: blocks
                layers:
                  - Residual:
                      layers: [{Conv2d: {out_channels: 4, kernel_size: 3, padding: 1}}, ReLU, {Dropout: {p: 0.25}}]
                  - ReLU
            - Residual:
                layers: [{Conv2d: {out_channels: 8, kernel_size: 3, stride: 2, padding: 1}}]
                shortcut: [{Conv2d: {out_channels: 8, kernel_size: 1, stride: 2}}]
            - Concatenate: {branches: [[{MaxPool2d: {kernel_size: 2}}], [{AvgPool2d: {kernel_size: 2}}]]}
            - AdaptiveAvgPool2d
            - Flatten
            - Linear: {out_features: classes, name: head}
        """

    @Test("names, places in lists and repeats make the keys; classes stands for their number")
    func keys() throws {
        let network = try network(residual)
        #expect(
            network.parameterList.parameters.map(\.key) == [
                "stem.weight", "1.weight", "1.bias", "1.running_mean", "1.running_var",
                "blocks.0.0.main.0.weight", "blocks.0.0.main.0.bias", "blocks.1.0.main.0.weight",
                "blocks.1.0.main.0.bias", "4.main.0.weight", "4.main.0.bias", "4.shortcut.0.weight",
                "4.shortcut.0.bias", "head.weight", "head.bias",
            ])
        #expect(network.stages.last?.output == [3] && network.stages.last?.inputs == [[16]])
    }

    @Test("the text in one line reads as the same network")
    func roundTrip() throws {
        let first = try configuration(residual)
        let again = try Configuration(
            yaml: first.yaml(), file: "again.yaml", assignments: [], models: ["tiny"], defaults: Configuration())
        #expect(again == first && again.digest() == first.digest())
        let other = try configuration(residual.replacing("p: 0.25", with: "p: 0.5"))
        #expect(other != first && other.digest() != first.digest())
    }

    @Test("every kind of layer can be written down")
    func kinds() throws {
        let network = try network(
            """
                - ConvTranspose2d: {out_channels: 2, kernel_size: 2, stride: 2, output_padding: 1}
                - Conv2d: {out_channels: 4, kernel_size: 3, groups: 2, dilation: 2, padding_mode: reflect, padding: [1, 2]}
                - MinPool2d: {kernel_size: 2, stride: 1}
                - LeakyReLU: {negative_slope: 0.2}
                - Sequential: {layers: [Tanh, Sigmoid, GELU, {GELU: {approximate: tanh}}, Softmax]}
                - AdaptiveMaxPool2d: {output_size: 3}
                - Flatten
                - BatchNorm1d: {eps: 0.001, momentum: 0.2}
                - Linear: {out_features: 3, bias: false}
            """)
        #expect(network.stages.count == 13)
    }

    @Test("margins come per side, in PyTorch's order for layers that only pad")
    func margins() throws {
        let network = try network(
            """
                - ReflectionPad2d: {padding: [2, 1, 0, 3]}
                - ConstantPad2d: {padding: 1, value: -1}
                - Conv2d: {out_channels: 2, kernel_size: 4, padding: [[2, 1], [1, 2]]}
                - Conv2d: {out_channels: 2, kernel_size: 3, padding: [[2, 0], [0, 1]], padding_mode: circular}
                - Flatten
                - Linear: {out_features: classes}
            """, input: [1, 12, 10])
        #expect(network.stages.map(\.output)[0] == [1, 15, 13])
        #expect(network.stages.map(\.output)[1] == [1, 17, 15])
        #expect(network.stages.map(\.output)[2] == [2, 17, 15])
        #expect(network.stages.map(\.output)[3] == [2, 17, 14])
        #expect(network.stages.map(\.layer.typeName).prefix(2) == ["ReflectionPad2d", "ConstantPad2d"])
    }

    @Test("convolution as mathematics has it, and a convolution taken apart: unfold, multiply, fold")
    func tutorials() throws {
        let network = try network(
            """
                - Conv2d: {out_channels: 4, kernel_size: 3, padding: full, flip_kernel: true, bias: false}
                - Unfold: {kernel_size: [3, 2], dilation: 2, padding: 1, stride: [2, 1]}
                - Conv1d: {out_channels: 12, kernel_size: 1}
                - Fold: {output_size: [14, 14], kernel_size: [3, 2], dilation: 2, padding: 1, stride: [2, 1]}
                - Flatten
                - Linear: {out_features: classes}
            """, input: [1, 12, 12])
        #expect(network.stages.map(\.output).prefix(4) == [[4, 14, 14], [24, 84], [12, 84], [2, 14, 14]])
        let layers = network.stages.map(\.layer)
        #expect((layers[0] as? Conv2d)?.flipsKernel == true)
        for windows in [(layers[1] as? Unfold)?.windows, (layers[3] as? Fold)?.windows] {
            #expect(windows?.kernel == [3, 2] && windows?.dilation == 2 && windows?.padding == 1)
            #expect(windows?.stride == [2, 1])
        }
        #expect(message("    - Fold: {kernel_size: 2}").contains("output_size is missing, expected a whole number"))
    }

    @Test("layers of one and three axes", arguments: [(1, [2, 40]), (3, [2, 10, 12, 14])])
    func ranks(axes: Int, input: [Int]) throws {
        let network = try network(
            """
                - ReplicationPad\(axes)d: {padding: 1}
                - Conv\(axes)d: {out_channels: 4, kernel_size: 3, dilation: 2, padding: same}
                - BatchNorm\(axes)d
                - MaxPool\(axes)d: {kernel_size: 2}
                - ConvTranspose\(axes)d: {out_channels: 2, kernel_size: 2, stride: 2}
                - AvgPool\(axes)d: {kernel_size: 3, stride: 1}
                - AdaptiveAvgPool\(axes)d
                - Flatten
                - Linear: {out_features: classes}
            """, input: Shape(input))
        #expect(network.stages.last?.inputs == [[2]])
        let text = "    - Conv\(axes)d: {out_channels: 4, kernel_size: [3, 3, 3, 3]}"
        #expect(message(text).contains("kernel_size expected a whole number from 1"))
    }

    @Test("layers as PyTorch writes them are those of the same arguments")
    func calls() throws {
        let rows = [
            (
                "nn.Conv2d(1, 4, (3, 5), stride=2, padding='valid', bias=False)",
                "{Conv2d: {out_channels: 4, kernel_size: [3, 5], stride: 2, padding: valid, bias: false}}"
            ),
            ("torch.nn.ReLU(inplace=True)", "ReLU"), ("MaxPool2d(2)", "{MaxPool2d: {kernel_size: 2}}"),
            ("ReflectionPad2d((2, 1, 2, 1))", "{ReflectionPad2d: {padding: [2, 1, 2, 1]}}"),
            ("AdaptiveAvgPool2d((1, 2))", "{AdaptiveAvgPool2d: {output_size: [1, 2]}}"),
            ("BatchNorm2d(1, eps=1e-3)", "{BatchNorm2d: {eps: 1e-3}}"),
            (
                "Sequential(Conv2d(1, 6, 3, 1, 1), nn.ReLU(), nn.MaxPool2d(kernel_size=2,),)",
                "{Sequential: {layers: [{Conv2d: {out_channels: 6, kernel_size: 3, padding: 1}}, ReLU, {MaxPool2d: {kernel_size: 2}}]}}"
            ),
        ]
        let end = "\n    - Flatten\n    - Linear: {out_features: classes}"
        for (call, words) in rows {
            let quoted = "\"\(call)\""
            let (first, second) = (try network("    - \(quoted)\(end)"), try network("    - \(words)\(end)"))
            #expect(first.stages.map { "\($0.layer)" } == second.stages.map { "\($0.layer)" }, "\(call)")
            #expect(first.stages.map(\.output) == second.stages.map(\.output), "\(call)")
        }
        let sameText = try configuration("    - \"Conv2d(1, 4, 3)\"\(end)").model.layers?.text
        #expect(sameText?.contains("'Conv2d(1, 4, 3)'") == true)
    }

    @Test(
        "calls that are none are refused with their place",
        arguments: [
            ("Conv2d(3, 4, 3)", "in_channels = 3, but it gets [1, 12, 12]"), ("Conv2d(1, 4, 3", "net.yaml:3"),
            ("Conv2d(1, 4, 3) x", "found x behind it"), ("Conv2d(1, stride=2, 3)", "without a name behind one"),
            ("MaxPool2d(2, 2, 0, 1, False)", "takes 4 arguments without a name, found 5"),
            ("Conv2d(1, 4, ", "found its end"), ("Foo(1)", "takes 0 arguments"), ("Foo()", "no layer"),
            ("Conv2d(1, 4, 3, padding='same)", "without its end"), ("(3)", "found (3)"),
            (String(repeating: "Sequential(", count: 40), "in more than 16 others"),
            ("Conv2d(" + String(repeating: "(", count: 40), "64 values"),
        ])
    func badCalls(_ call: String, _ words: String) {
        #expect(message("    - \"\(call)\"").contains(words), "\(message("    - \"\(call)\""))")
    }

    @Test("what is no layer, lacks an argument or does not fit is refused with its place")
    func refusals() {
        #expect(message("    - Conv2D: {out_channels: 4}").contains("net.yaml:3"))
        #expect(message("    - Conv2D: {out_channels: 4}").contains("did you mean Conv2d?"))
        #expect(message("    - Conv2d: {kernel_size: 3}").contains("out_channels is missing"))
        #expect(
            message("    - Conv2d: {out_channels: 4, kernel: 3}").contains(
                "did you mean model.layers[0].Conv2d.kernel_size?"))
        #expect(message("    - Linear: {out_features: 3}").contains("Linear takes [features], found [1, 12, 12]"))
        #expect(message("    - Dropout: {p: 2}").contains("expected a number from 0 to 1"))
        #expect(
            message("    - Conv2d: {in_channels: 3, out_channels: 4, kernel_size: 3}").contains(
                "layer 0: in_channels = 3, but it gets [1, 12, 12]"))
        #expect(message("    - ReflectionPad2d: {padding: [1, 2]}").contains("or [left, right, top, bottom]"))
        #expect(
            message("    - Conv2d: {out_channels: 4, kernel_size: 3, padding: [[1, 2]]}").contains("[[1, 2], [1, 2]]"))
        #expect(message("    - ReflectionPad2d: {padding: 12}").contains("reflect padding of 12 on an extent of 12"))
        #expect(message("    - [ReLU]").contains("is no layer"))
        #expect(
            message("    - Flatten\n    - Linear: {out_features: 4}").contains(
                "expected one logit for each of 3 classes"))
    }
}
