internal import Layers
internal import Tensors

/// A kind of layer in `layers:`: the arguments it takes, as PyTorch calls them where it has them, in PyTorch's order, and what
/// they make.
struct LayerRow: Sendable {
    let name: String
    let arguments: [String]
    /// How many of them PyTorch takes without a name.
    let positions: Int
    let make: @Sendable (LayerArguments) throws -> any Layer

    /// What follows from the layer in front, and is compared with it where it is given.
    static let inputs = ["in_channels", "in_features", "num_features"]

    init(
        _ name: String, _ arguments: [String] = [], positions: Int? = nil,
        _ make: @escaping @Sendable (LayerArguments) throws -> any Layer
    ) {
        self.name = name
        self.arguments = arguments
        self.positions = positions ?? arguments.count
        self.make = make
    }

    static let named: [String: LayerRow] = Dictionary(
        uniqueKeysWithValues: (plainActivations + shared + spatial(OneAxis.self) + spatial(TwoAxes.self)
            + spatial(ThreeAxes.self)).map {
                ($0.name, $0)
            })

    private static let window = ["kernel_size", "stride", "padding"]

    /// The functions that take no argument, as the table of activations has them.
    private static let plainActivations: [LayerRow] = Activation.all.filter {
        !$0.takesParameter && $0.layerName != "GELU"
    }
    .map { activation in LayerRow(activation.layerName) { _ in ActivationLayer(activation) } }

    /// What takes images of any number of axes.
    private static let shared: [LayerRow] = [
        LayerRow("LeakyReLU", ["negative_slope"]) { arguments in
            let slope = try arguments.section.single("negative_slope", expected: "a number from 0") { $0 >= 0 }
            return ActivationLayer(.leakyReLU(slope: Float(slope ?? 0.01)))
        },
        LayerRow("GELU", ["approximate"]) { arguments in
            let forms: [String: Activation] = ["none": .gelu, "tanh": .geluTanh]
            return ActivationLayer(
                try arguments.section.value("approximate", expected: "none or tanh") { forms[$0] } ?? .gelu)
        },
        LayerRow("Softmax") { _ in Softmax() },
        LayerRow("Dropout", ["p"]) { arguments in
            let probability = try arguments.section.number("p", expected: "a number from 0 to 1") {
                (0...1).contains($0)
            }
            return Dropout(probability: probability ?? 0.5)
        },
        LayerRow("Flatten") { _ in Flatten() },
        LayerRow("Linear", ["in_features", "out_features", "bias"]) {
            Linear(outputs: try $0.channels("out_features"), bias: try $0.flag("bias", true))
        },
        LayerRow("Unfold", ["kernel_size", "dilation", "padding", "stride"]) {
            Unfold(
                kernel: try $0.kernel(2), dilation: try $0.extents("dilation", from: 1, axes: 2) ?? 1,
                padding: try $0.extents("padding", from: 0, axes: 2) ?? 0,
                stride: try $0.extents("stride", from: 1, axes: 2) ?? 1)
        },
        LayerRow("Fold", ["output_size", "kernel_size", "dilation", "padding", "stride"]) {
            Fold(
                output: try $0.required("output_size", axes: 2), kernel: try $0.kernel(2),
                dilation: try $0.extents("dilation", from: 1, axes: 2) ?? 1,
                padding: try $0.extents("padding", from: 0, axes: 2) ?? 0,
                stride: try $0.extents("stride", from: 1, axes: 2) ?? 1)
        },
    ]

    /// What PyTorch has once for each number of spatial axes: Conv1d, Conv2d, Conv3d.
    private static func spatial<Rank: SpatialRank>(_: Rank.Type) -> [LayerRow] {
        let suffix = "\(Rank.rank)d"
        return [
            LayerRow(
                "Conv" + suffix,
                ["in_channels", "out_channels"] + window + [
                    "dilation", "groups", "bias", "padding_mode", "flip_kernel",
                ],
                positions: 9
            ) {
                let modes = PaddingMode.allCases.map(\.rawValue).joined(separator: ", ")
                return Conv<Rank>(
                    outChannels: try $0.channels("out_channels"), kernel: try $0.kernel(Rank.rank),
                    stride: try $0.extents("stride", from: 1, axes: Rank.rank) ?? 1,
                    dilation: try $0.extents("dilation", from: 1, axes: Rank.rank) ?? 1,
                    padding: try $0.convolutionPadding(axes: Rank.rank), groups: try $0.groups(),
                    bias: try $0.flag("bias", true),
                    paddingMode: try $0.section.value("padding_mode", expected: modes) { PaddingMode(rawValue: $0) }
                        ?? .zeros,
                    flipsKernel: try $0.flag("flip_kernel", false))
            },
            LayerRow(
                "ConvTranspose" + suffix,
                ["in_channels", "out_channels"] + window + ["output_padding", "groups", "bias", "dilation"]
            ) {
                ConvTranspose<Rank>(
                    outChannels: try $0.channels("out_channels"), kernel: try $0.kernel(Rank.rank),
                    stride: try $0.extents("stride", from: 1, axes: Rank.rank) ?? 1,
                    padding: try $0.extents("padding", from: 0, axes: Rank.rank) ?? 0,
                    outputPadding: try $0.extents("output_padding", from: 0, axes: Rank.rank) ?? 0,
                    dilation: try $0.extents("dilation", from: 1, axes: Rank.rank) ?? 1,
                    groups: try $0.groups(), bias: try $0.flag("bias", true))
            },
            extremePool(Rank.self, Maximum.self), extremePool(Rank.self, Minimum.self),
            LayerRow("AvgPool" + suffix, window + ["ceil_mode", "count_include_pad"]) {
                AvgPool<Rank>(
                    kernel: try $0.kernel(Rank.rank), stride: try $0.extents("stride", from: 1, axes: Rank.rank),
                    padding: try $0.extents("padding", from: 0, axes: Rank.rank) ?? 0,
                    ceilMode: try $0.flag("ceil_mode", false),
                    countIncludePad: try $0.flag("count_include_pad", true))
            },
            LayerRow("AdaptiveAvgPool" + suffix, ["output_size"]) {
                AdaptiveAvgPool<Rank>(output: try $0.extents("output_size", from: 1, axes: Rank.rank) ?? 1)
            },
            LayerRow("AdaptiveMaxPool" + suffix, ["output_size"]) {
                AdaptiveMaxPool<Rank>(output: try $0.extents("output_size", from: 1, axes: Rank.rank) ?? 1)
            },
            LayerRow("BatchNorm" + suffix, ["num_features", "eps", "momentum"]) {
                BatchNorm<Rank>(
                    epsilon: try $0.section.single("eps", expected: "a number above 0") { $0 > 0 } ?? 1e-5,
                    momentum: try $0.section.number("momentum", expected: "a number from 0 to 1") {
                        (0...1).contains($0)
                    } ?? 0.1)
            },
            pad("ZeroPad", .zeros, Rank.self), pad("ReflectionPad", .reflect, Rank.self),
            pad("ReplicationPad", .replicate, Rank.self), pad("CircularPad", .circular, Rank.self),
            LayerRow("ConstantPad" + suffix, ["padding", "value"]) {
                let value = try $0.section.single("value", expected: "a number") { _ in true }
                guard let value else { throw $0.section.failure("value", "is missing, expected a number") }
                return Pad<Rank>(sides: try $0.margins(axes: Rank.rank), .zeros, value: Float(value))
            },
        ]
    }

    private static func extremePool<Rank, Kind>(_: Rank.Type, _: Kind.Type) -> LayerRow
    where Rank: SpatialRank, Kind: ExtremeKind {
        LayerRow("\(Kind.prefix)Pool\(Rank.rank)d", window + ["dilation", "ceil_mode"], positions: 4) {
            ExtremePool<Rank, Kind>(
                kernel: try $0.kernel(Rank.rank), stride: try $0.extents("stride", from: 1, axes: Rank.rank),
                padding: try $0.extents("padding", from: 0, axes: Rank.rank) ?? 0,
                dilation: try $0.extents("dilation", from: 1, axes: Rank.rank) ?? 1,
                ceilMode: try $0.flag("ceil_mode", false))
        }
    }

    private static func pad<Rank: SpatialRank>(_ name: String, _ mode: PaddingMode, _: Rank.Type) -> LayerRow {
        LayerRow("\(name)\(Rank.rank)d", ["padding"]) {
            Pad<Rank>(sides: try $0.margins(axes: Rank.rank), mode)
        }
    }
}

/// The arguments that were written for one layer.
struct LayerArguments {
    let section: ConfigurationSection
    private let classes: Int

    static let largest = 1 << 20

    init(_ section: ConfigurationSection, classes: Int) {
        self.section = section
        self.classes = classes
    }

    /// A number that has to be there; the word `classes` stands for the number of classes.
    func channels(_ key: String) throws -> Int {
        if let node = section.node(key), case .scalar("classes") = node.content { return classes }
        guard let value = try section.integer(key, in: 1...Self.largest) else {
            throw section.failure(key, "is missing, expected a whole number from 1")
        }
        return value
    }

    func groups() throws -> Int { try section.integer("groups", in: 1...Self.largest) ?? 1 }

    func flag(_ key: String, _ value: Bool) throws -> Bool { try section.boolean(key) ?? value }

    func kernel(_ axes: Int) throws -> Extents { try required("kernel_size", axes: axes) }

    /// Extents from 1 that have to be there.
    func required(_ key: String, axes: Int) throws -> Extents {
        guard let extents = try extents(key, from: 1, axes: axes) else {
            throw section.failure(key, "is missing, expected a whole number\(Self.orList(of: axes))")
        }
        return extents
    }

    /// One whole number for all axes, or a list with one for each; nil when the key is absent.
    func extents(_ key: String, from minimum: Int, axes: Int) throws -> Extents? {
        guard let node = section.node(key) else { return nil }
        guard case .sequence(let items) = node.content else {
            return try section.integer(key, in: minimum...Self.largest).map { Extents($0) }
        }
        guard items.count == axes, let values = Self.numbers(items, from: minimum) else {
            throw section.failure(key, "expected a whole number from \(minimum)\(Self.orList(of: axes))")
        }
        return Extents(values)
    }

    /// A convolution's: a word, a number, a number for each axis, or for each axis what lies in front of and behind it.
    func convolutionPadding(axes: Int) throws -> Padding {
        guard let node = section.node("padding") else { return 0 }
        let words: [String: Padding] = ["same": .same, "valid": .valid, "full": .full]
        if case .scalar(let word) = node.content, let named = words[word] { return named }
        if case .sequence(let items) = node.content, case .sequence? = items.first?.content {
            let pairs = items.compactMap { item -> [Int]? in
                guard case .sequence(let pair) = item.content, pair.count == 2 else { return nil }
                return Self.numbers(pair, from: 0)
            }
            guard pairs.count == axes, items.count == axes else {
                throw section.failure(
                    "padding",
                    "expected for each of \(axes) axes what lies in front of and behind it: "
                        + "[\([String](repeating: "[1, 2]", count: axes).joined(separator: ", "))]")
            }
            return .sides(pairs.map { (before: $0[0], after: $0[1]) })
        }
        return .symmetric(try extents("padding", from: 0, axes: axes) ?? 0)
    }

    /// PyTorch's order for a layer that only pads: the last axis first, in front of it, behind it.
    func margins(axes: Int) throws -> [Padding.Side] {
        let order = ["left", "right", "top", "bottom", "front", "back"].prefix(2 * axes).joined(separator: ", ")
        let expected = "expected a whole number from 0, or [\(order)]"
        guard let node = section.node("padding") else { throw section.failure("padding", "is missing, \(expected)") }
        guard case .sequence(let items) = node.content else {
            let all = try section.integer("padding", in: 0...Self.largest) ?? 0
            return [Padding.Side](repeating: .init(before: all, after: all), count: axes)
        }
        guard items.count == 2 * axes, let values = Self.numbers(items, from: 0) else {
            throw section.failure("padding", expected)
        }
        return (0..<axes).reversed().map { .init(before: values[2 * $0], after: values[2 * $0 + 1]) }
    }

    private static func numbers(_ items: [ConfigurationNode], from minimum: Int) -> [Int]? {
        let values = items.compactMap { item -> Int? in
            guard case .scalar(let text) = item.content else { return nil }
            return Int(text).flatMap { (minimum...largest).contains($0) ? $0 : nil }
        }
        return values.count == items.count ? values : nil
    }

    private static func orList(of axes: Int) -> String {
        axes == 1 ? "" : ", or a list of \(axes == 2 ? "two" : "three")"
    }
}
