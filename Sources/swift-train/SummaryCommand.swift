internal import ArgumentParser
internal import Datasets
internal import Diagnostics
internal import Layers
internal import Models
internal import Tensors
internal import Training

/// `swift-train summary`: a network's layers, parameters, multiply-adds, receptive fields and memory.
struct SummaryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "summary", abstract: "Show the layers of a network and what they cost.")

    @Argument(help: "A network by name.", completion: .list(ModelRegistry.names))
    var model: String?

    @Option(help: "A configuration whose model to show.")
    var config: String?

    @Option(
        help: "The image, as CHANNELSxHEIGHTxWIDTH; by default the network's own or that of the configuration's data.")
    var input: String?

    @Option(help: "The number of classes; by default the network's own or that of the configuration's data.")
    var classes: Int?

    @Option(help: "Images of a step, for shapes and memory.")
    var batch = 1

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (model == nil) != (config == nil) else {
            throw ValidationError("name a network or give --config, one of them")
        }
        if let model, !ModelRegistry.names.contains(model) {
            throw ValidationError("\(model) is no network; known: \(ModelRegistry.names.joined(separator: ", "))")
        }
        if let input, Self.shape(input) == nil { throw ValidationError("--input \(input): expected such as 3x224x224") }
        if let classes, classes < 1 || classes > 1_000_000 {
            throw ValidationError("--classes \(classes): expected 1…1000000")
        }
        guard (1...1 << 20).contains(batch) else { throw ValidationError("--batch \(batch): expected 1…1048576") }
    }

    func run() throws {
        let network = try network()
        let summary = try NetworkSummary(network)
        let memory = try NetworkSummary.memory(of: network, images: batch)
        let report = SummaryReport(summary: summary, memory: memory, batch: batch)
        print(json ? try JSONLine.text(report.values) : report.text)
    }

    private func network() throws -> Network {
        var wanted = Configuration.Model(name: model ?? "")
        var usual = model.flatMap(ModelRegistry.usual)
        if let config {
            let configuration = try Configuration(
                yaml: ConfigurationFile.read(config), file: config, assignments: [], models: ModelRegistry.names,
                defaults: Configuration())
            wanted = configuration.model
            usual = ModelRegistry.usual(wanted.name)
            if input == nil || classes == nil {
                let data = try DatasetFile(path: configuration.data.file)
                usual = ([data.channels, data.height, data.width], data.classes.count)
            }
        }
        guard let shape = input.flatMap(Self.shape) ?? usual?.input, let count = classes ?? usual?.classes else {
            throw Failure(.usage, "no image size and number of classes: give --input and --classes")
        }
        do {
            return try Network(wanted.description(input: shape, classes: count, ModelRegistry.description))
        } catch let error as ShapeMismatch {
            throw Failure(.configuration, "\(error); the images are \(shape)")
        }
    }

    private static func shape(_ text: String) -> Shape? {
        let extents = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) ?? 0 }
        guard extents.count == 3, extents.allSatisfy({ (1...1 << 16).contains($0) }) else { return nil }
        return Shape(extents)
    }
}
