internal import Diagnostics
internal import Interchange
internal import Layers
internal import Tensors

/// A network's operations in ONNX's words.
///
/// Every operation is written with the extents that it has here, so the graph is right for images of this size; the batch may
/// have any size. Source: the ONNX operator specification.
struct ONNXTranslation {
    private(set) var model: ONNXModel
    private let network: Network
    /// The names of the network's values so far, the image first.
    private var values: [String] = []
    /// By their keys.
    private let tensors: [String: Checkpoint.Tensor]

    /// `normalization` becomes part of the graph, which takes pixels in 0…1.
    ///
    /// Throws: `Failure(.configuration)` for a layer that ONNX has no words for.
    init(
        _ network: Network, tensors: [String: Checkpoint.Tensor], normalization: Normalization, into model: ONNXModel
    ) throws {
        (self.model, self.network, self.tensors) = (model, network, tensors)
        let input = network.description.input
        let image = self.model.addInput(
            "image", shape: input.dimensions, meaning: "pixels in 0…1, channels first, before they are normalised")
        values = [normalized(image, normalization, rank: input.rank)]
        for stage in network.stages { values.append(try translate(stage)) }
        let last = values.count - 1
        self.model.addOutput(
            values[last], as: "logits", shape: network.shape(ofValue: last).dimensions, meaning: "one logit a class")
    }

    private mutating func normalized(_ image: String, _ normalization: Normalization, rank: Int) -> String {
        let shape = [1, normalization.mean.count] + [Int](repeating: 1, count: rank - 1)
        var value = image
        if normalization.mean.contains(where: { $0 != 0 }) {
            let mean = model.add(normalization.mean, shape: shape, named: "mean")
            value = model.add("Sub", [value, mean], named: "centred")
        }
        if normalization.std.contains(where: { $0 != 1 }) {
            let std = model.add(normalization.std, shape: shape, named: "std")
            value = model.add("Div", [value, std], named: "normalised")
        }
        return value
    }

    private mutating func translate(_ stage: Network.Stage) throws -> String {
        let inputs = stage.inputValues.map { values[$0] }
        let x = inputs[0]
        func add(_ operation: String, _ inputs: [String], _ attributes: [(String, ONNXModel.Attribute)] = []) -> String
        {
            model.add(operation, inputs, named: stage.path, attributes)
        }
        switch stage.operation {
        case .convolution(let padded, let hasBias):
            return convolution(padded, hasBias: hasBias, of: x, stage)
        case .transposedConvolution(let convolution, let hasBias):
            return transposedConvolution(convolution, hasBias: hasBias, of: x, stage)
        case .affine(_, let hasBias):
            return add(
                "Gemm", [x, parameter("weight", stage)] + (hasBias ? [parameter("bias", stage)] : []),
                [("transB", .integer(1))])
        case .pooling(let function, .sliding(let window, let ceilMode)):
            return pooling(function, window, ceilMode: ceilMode, of: x, stage)
        case .pooling(let function, .adaptive(let input, let output)):
            return adaptivePooling(function, input: input, output: output, of: x, stage)
        case .batchNormalization(let epsilon, _):
            let names = ["weight", "bias", "running_mean", "running_var"]
            return add(
                "BatchNormalization", [x] + names.map { parameter($0, stage) }, [("epsilon", .number(Float(epsilon)))])
        case .activation(let activation):
            return try self.activation(activation, of: x, stage)
        case .softmax:
            return add("Softmax", [x], [("axis", .integer(1))])
        case .dropout:
            return x
        case .add:
            return add("Add", inputs)
        case .concatenation:
            return add("Concat", inputs, [("axis", .integer(1))])
        case .channelPadding(let before, let after):
            let others = [Int](repeating: 0, count: stage.inputs[0].rank - 1)
            return pad(x, before: [before] + others, after: [after] + others, mode: .zeros, value: 0, stage)
        case .padding(let padding):
            return pad(x, by: padding, stage)
        case .reshape:
            let shape = model.add([-1] + stage.output.dimensions, named: stage.path + ".shape")
            return add("Reshape", [x, shape])
        case .opaque:
            throw Failure(
                .configuration,
                "layer \(stage.path) (\(stage.layer.typeName)) has no counterpart among ONNX's operators; expected a network without it"
            )
        }
    }

    // ---- Operations

    private mutating func convolution(
        _ padded: PaddedConvolution, hasBias: Bool, of x: String, _ stage: Network.Stage
    ) -> String {
        let (convolution, window) = (padded.convolution, padded.convolution.window)
        let source = padded.padding.map { pad(x, by: $0, stage) } ?? x
        let weight = parameter("weight", stage, isFlipped: window.isFlipped)
        return model.add(
            "Conv", [source, weight] + (hasBias ? [parameter("bias", stage)] : []), named: stage.path,
            Self.geometry(window, after: window.axes.map(Self.marginAfter)) + [
                ("dilations", .integers(window.axes.map(\.dilation))), ("group", .integer(convolution.groups)),
            ])
    }

    /// The window lies on the output, whose extents it may not use up: the rest is ONNX's output padding.
    private mutating func transposedConvolution(
        _ convolution: Convolution, hasBias: Bool, of x: String, _ stage: Network.Stage
    ) -> String {
        let axes = convolution.window.axes
        let after = axes.map { ($0.output - 1) * $0.stride + Self.reach($0) - $0.before - $0.input }
        return model.add(
            "ConvTranspose",
            [x, parameter("weight", stage, isFlipped: convolution.window.isFlipped)]
                + (hasBias ? [parameter("bias", stage)] : []), named: stage.path,
            Self.geometry(convolution.window, after: after.map { max(0, $0) }) + [
                ("dilations", .integers(axes.map(\.dilation))), ("group", .integer(convolution.groups)),
                ("output_padding", .integers(after.map { max(0, -$0) })),
            ])
    }

    private mutating func pooling(
        _ function: PoolingFunction, _ window: Window, ceilMode: Bool, of x: String, _ stage: Network.Stage
    ) -> String {
        // PyTorch's margins are those of the front; a window that reaches beyond them sees nothing there.
        let shape =
            Self.geometry(window, after: window.axes.map(\.before)) + [
                ("ceil_mode", .integer(ceilMode ? 1 : 0)), ("dilations", .integers(window.axes.map(\.dilation))),
            ]
        switch function {
        case .maximum: return model.add("MaxPool", [x], named: stage.path, shape)
        case .minimum:
            let negative = model.add("Neg", [x], named: stage.path)
            return model.add("Neg", [model.add("MaxPool", [negative], named: stage.path, shape)], named: stage.path)
        case .mean(let countsPadding):
            return model.add(
                "AveragePool", [x], named: stage.path, shape + [("count_include_pad", .integer(countsPadding ? 1 : 0))])
        }
    }

    /// Axis by axis: parts of equal extent by a pooling, others one by one.
    private mutating func adaptivePooling(
        _ function: PoolingFunction, input: [Int], output: [Int], of x: String, _ stage: Network.Stage
    ) -> String {
        guard input != output else { return x }
        let isMean = function != .maximum
        if output.allSatisfy({ $0 == 1 }) {
            return model.add(isMean ? "GlobalAveragePool" : "GlobalMaxPool", [x], named: stage.path)
        }
        if zip(input, output).allSatisfy({ $0 % $1 == 0 }) {
            let extents = zip(input, output).map { $0 / $1 }
            return model.add(
                isMean ? "AveragePool" : "MaxPool", [x], named: stage.path,
                [("kernel_shape", .integers(extents)), ("strides", .integers(extents))])
        }
        var value = x
        for (axis, (extent, count)) in zip(input, output).enumerated() where extent != count {
            let axes = model.add([axis + 2], named: stage.path + ".axis")
            let parts = (0..<count).map { part in
                let start = model.add([part * extent / count], named: stage.path + ".start")
                let end = model.add([((part + 1) * extent + count - 1) / count], named: stage.path + ".end")
                let slice = model.add("Slice", [value, start, end, axes], named: stage.path)
                return model.add(isMean ? "ReduceMean" : "ReduceMax", [slice, axes], named: stage.path)
            }
            value = model.add("Concat", parts, named: stage.path, [("axis", .integer(axis + 2))])
        }
        return value
    }

    private mutating func activation(
        _ activation: Activation, of x: String, _ stage: Network.Stage
    ) throws -> String {
        let (operation, attributes): (String, [(String, ONNXModel.Attribute)]) =
            switch activation {
            case .relu: ("Relu", [])
            case .tanh: ("Tanh", [])
            case .sigmoid: ("Sigmoid", [])
            case .gelu: ("Gelu", [("approximate", .text("none"))])
            case .geluTanh: ("Gelu", [("approximate", .text("tanh"))])
            case .leakyReLU(slope: activation.parameter): ("LeakyRelu", [("alpha", .number(activation.parameter))])
            default:
                throw Failure(
                    .configuration,
                    "layer \(stage.path) (\(stage.layer.typeName)) has no counterpart among ONNX's operators; expected "
                        + "a network without it")
            }
        return model.add(operation, [x], named: stage.path, attributes)
    }

    private mutating func pad(_ x: String, by padding: ImagePadding, _ stage: Network.Stage) -> String {
        let after = zip(padding.padded, zip(padding.input, padding.before)).map { $0 - $1.0 - $1.1 }
        return pad(
            x, before: [0] + padding.before, after: [0] + after, mode: padding.mode, value: padding.value, stage)
    }

    /// Margins of a sample's axes, channels first.
    private mutating func pad(
        _ x: String, before: [Int], after: [Int], mode: PaddingMode, value: Float, _ stage: Network.Stage
    ) -> String {
        let extents = model.add([0] + before + [0] + after, named: stage.path + ".pads")
        let name =
            switch mode {
            case .zeros: "constant"
            case .reflect: "reflect"
            case .replicate: "edge"
            case .circular: "wrap"
            }
        let fill = mode == .zeros ? [model.add([value], shape: [], named: stage.path + ".value")] : []
        return model.add("Pad", [x, extents] + fill, named: stage.path, [("mode", .text(name))])
    }

    // ---- Geometry and parameters

    private static func reach(_ axis: Window.Axis) -> Int {
        WindowArithmetic.reach(kernel: axis.kernel, dilation: axis.dilation)
    }

    /// Zeros behind the input that the last window needs.
    private static func marginAfter(_ axis: Window.Axis) -> Int {
        max(0, (axis.output - 1) * axis.stride + reach(axis) - axis.before - axis.input)
    }

    private static func geometry(_ window: Window, after: [Int]) -> [(String, ONNXModel.Attribute)] {
        [
            ("kernel_shape", .integers(window.axes.map(\.kernel))), ("strides", .integers(window.axes.map(\.stride))),
            ("pads", .integers(window.axes.map(\.before) + after)),
        ]
    }

    /// The name of a layer's tensor in the graph, which holds it under its key. A flipped one is turned around along all
    /// axes of the kernel.
    private mutating func parameter(_ name: String, _ stage: Network.Stage, isFlipped: Bool = false) -> String {
        let key = "\(stage.path).\(name)"
        guard let tensor = tensors[key] else { preconditionFailure("no tensor \(key)") }
        var values = tensor.values
        if isFlipped {
            let volume = tensor.shape.dimensions.dropFirst(2).reduce(1, *)
            for start in stride(from: 0, to: values.count, by: volume) { values[start..<start + volume].reverse() }
        }
        return model.add(values, shape: tensor.shape.dimensions, named: key)
    }
}
