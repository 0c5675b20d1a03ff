internal import ArgumentParser
internal import Datasets
internal import Diagnostics
internal import Layers
internal import Models
internal import Tensors
internal import Training

/// The network that `summary` and `bench` look at: one that has a name, or that of a configuration.
struct NetworkChoice: ParsableArguments {
    @Argument(help: "A network by name.", completion: .list(ModelRegistry.names))
    var model: String?

    @Option(
        help: ArgumentHelp("Instead of a name: a configuration with the network.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]), transform: HomePath.expanded)
    var config: String?

    @Option(
        help: ArgumentHelp(
            "Instead of a name: one layer, or several in Sequential(...), as PyTorch or layers: writes them; needs --input.",
            valueName: "layer"))
    var layer: [String] = []

    @Option(
        help: ArgumentHelp(
            "The image, as CHANNELSxHEIGHTxWIDTH (CHANNELSxLENGTH, CHANNELSxDEPTHxHEIGHTxWIDTH); by default the network's own "
                + "or that of the configuration's data.",
            valueName: "CxHxW"))
    var input: String?

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "The number of classes; by default the network's own or that of the configuration's data.", valueName: "n"))
    var classes: Int?

    @Option(
        help: ArgumentHelp(
            "How activations are kept for the passes backward: \(ActivationCheckpointing.expectation); the configuration's, or off.",
            valueName: "segments"))
    var checkpointActivations: ActivationCheckpointing?

    /// Values of an image; more would be no image.
    private static let largestImage = 1 << 30

    static let namesHelp = "Networks: \(ModelRegistry.names.joined(separator: ", "))."

    func validate() throws {
        guard layer.count <= 1 else {
            throw ValidationError("--layer stands \(layer.count) times; several layers stand in one Sequential(...)")
        }
        guard [model, config, layer.first].compactMap({ $0 }).count == 1 else {
            throw ValidationError("expected the name of a model, --config FILE or --layer LAYER, one of them")
        }
        guard layer.isEmpty || input != nil else {
            throw ValidationError("--layer needs --input, the shape of what it gets, such as 64x56x56")
        }
        if let model, !ModelRegistry.names.contains(model), weightsFile == nil {
            throw ValidationError(Self.unknown(model))
        }
        if let input {
            guard let shape = Self.shape(input) else {
                throw ValidationError("--input \(input): expected such as 3x224x224, each 1…65536")
            }
            guard shape.count <= Self.largestImage else {
                throw ValidationError("--input \(input): expected at most \(Self.largestImage) values")
            }
        }
        if let classes, classes < 1 || classes > 1_000_000 {
            throw ValidationError("--classes \(classes): expected 1…1000000")
        }
    }

    /// The argument, if it is a file of weights instead of a name.
    var weightsFile: String? {
        guard let model, !ModelRegistry.names.contains(model),
            [.pytorch, .pickle, .safetensors].contains(FileGlance(model))
        else { return nil }
        return model
    }

    private static func unknown(_ model: String) -> String {
        if [.yaml, .text].contains(FileGlance(model)) || model.hasSuffix(".yaml") || model.hasSuffix(".yml") {
            return "\(model) is no network; a configuration is named with --config \(model)"
        }
        let near = Suggestion.nearest(to: model, in: ModelRegistry.names).map { ", did you mean \($0)?" } ?? ";"
        return "\(model) is no network\(near) known: \(ModelRegistry.names.joined(separator: ", "))"
    }

    /// The configuration of what is a layer alone. Words of YAML stay as they are; PyTorch's calls become one.
    private var layerYAML: String? {
        layer.first.map { layer in
            let isCall = layer.firstMatch(of: /^[A-Za-z0-9_.]+\(/) != nil
            let item = isCall ? "'" + layer.replacing("'", with: "''") + "'" : "{\(layer)}"
            let isWord = layer.allSatisfy { $0.isLetter || $0.isNumber }
            return "model: {name: layer, layers: [\(isWord ? layer : item)]}"
        }
    }

    /// Whether fragments are looked at: configurations and layers may be some.
    var mayBeFragment: Bool { model == nil }

    /// The network, or a fragment of one where that will do, and what its plans compute besides; `text` is the configuration's.
    ///
    /// A named network is that of its article, or that of `trainedOn`, the images and classes that weights say. Throws: `Failure`.
    func network(
        configuration text: String?, isFragment: Bool = false, trainedOn: (input: Shape, classes: Int)? = nil
    ) throws -> (network: Network, options: PlanOptions, checkpointing: ActivationCheckpointing) {
        if let weightsFile { throw Failure(.usage, Self.unknown(weightsFile)) }
        var wanted = Configuration.Model(name: model ?? "")
        var usual = trainedOn ?? model.flatMap(ModelRegistry.usual)
        var classes = classes
        var options = PlanOptions()
        var checkpointing = checkpointActivations
        if let file = config ?? (layer.isEmpty ? nil : "--layer") {
            let text = config == nil ? layerYAML : text
            let configuration = try Configuration(
                yaml: text, file: file, assignments: [], models: ModelRegistry.names, defaults: Configuration(),
                needsData: input == nil || (classes == nil && !isFragment))
            wanted = configuration.model
            options = configuration.planOptions
            checkpointing = checkpointing ?? configuration.checkpointActivations
            // Layers that say nowhere `classes` are the same for any number of them.
            if isFragment, input != nil, wanted.layers.map({ !$0.usesClasses }) ?? false { classes = classes ?? 1 }
            usual = nil
            if input == nil || classes == nil {
                for file in configuration.data.files {
                    try GivenFile.requireDataset(
                        file, advice: "It is the configuration's data.file; or give --input and --classes")
                }
                let data = try Dataset(paths: configuration.data.files, roles: configuration.data.roles)
                usual = (data.networkShape, data.classes.count)
            }
        }
        guard let shape = input.flatMap(Self.shape) ?? usual?.input, let count = classes ?? usual?.classes else {
            throw Failure(.usage, "no image size and number of classes: give --input and --classes")
        }
        do {
            let description = try wanted.description(input: shape, classes: count, ModelRegistry.description)
            return (try Network(description, isFragment: isFragment), options, checkpointing ?? .off)
        } catch let error as ShapeMismatch {
            throw Failure(.configuration, "\(error); the images are \(shape)")
        }
    }

    private static func shape(_ text: String) -> Shape? {
        let extents = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard (2...4).contains(extents.count), extents.allSatisfy({ (1...1 << 16).contains($0) }) else { return nil }
        return Shape(extents)
    }
}

extension ActivationCheckpointing: ExpressibleByArgument {
    package init?(argument: String) { self.init(argument) }
}
