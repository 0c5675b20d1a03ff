internal import ArgumentParser
internal import Diagnostics
internal import Files
internal import Layers
internal import Pictures
internal import Report
internal import Training

/// `swift-train summary`: a network's layers, parameters, multiply-adds, receptive fields and memory.
struct SummaryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "summary",
        abstract: "Show the layers of a network and what they cost, or what a file of weights holds.",
        discussion: NetworkChoice.namesHelp)

    @OptionGroup var choice: NetworkChoice

    @Option(
        help: ArgumentHelp("Compare this file of weights with the network.", valueName: "file"), completion: .file(),
        transform: HomePath.expanded)
    var weights: String?

    @Option(parsing: .unconditional, help: ArgumentHelp("Images of a step, for shapes and memory.", valueName: "n"))
    var batch = 1

    @Option(
        help: ArgumentHelp("Draw the network into this file (.svg or .png).", valueName: "file"),
        completion: .file(extensions: ["svg", "png"]), transform: HomePath.expanded)
    var figure: String?

    @Flag(help: "List every parameter: key, shape and what its first values are drawn from.")
    var parameters = false

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (1...1 << 20).contains(batch) else { throw ValidationError("--batch \(batch): expected 1…1048576") }
        if let figure, ![".svg", ".png"].contains(where: figure.lowercased().hasSuffix) {
            throw ValidationError("--figure \(figure): expected a name that ends in .svg or .png")
        }
        guard !parameters || !json else { throw ValidationError("--parameters: is text, not for --json") }
        guard let file = choice.weightsFile else { return }
        let given = [
            ("--figure", figure != nil), ("--parameters", parameters), ("--weights", weights != nil),
            ("--input", choice.input != nil), ("--classes", choice.classes != nil),
        ]
        if let option = given.first(where: \.1)?.0 {
            throw ValidationError(
                "\(option): belongs to a network, and \(file) is a file of weights; swift-train summary NAME --weights \(file) "
                    + "compares the two")
        }
    }

    func run() throws {
        if let file = choice.weightsFile, let report = try TensorFileReport(path: file) {
            return try StandardOutput.line(json ? report.json.text() : report.text)
        }
        let text = try choice.config.map(ConfigurationFile.read)
        let weightsPath = try weights.map { try GivenFile.weights($0).path }
        if let figure {
            try DurableFile.requireWritable(figure, unlike: [choice.config, weightsPath].compactMap { $0 })
        }
        let file = try weightsPath.map(WeightsFile.init)
        var (network, options, checkpointing) = try choice.network(
            configuration: text, isFragment: choice.mayBeFragment,
            trainedOn: file.flatMap { $0.modelName == choice.model ? $0.trainedOn : nil })
        let summary = try NetworkSummary(network)
        options.segments = try checkpointing.segments(localRanks: 1) {
            options.segments = $0
            return try NetworkSummary.memory(of: network, images: batch, options: options).ofStep
        }
        let memory = try NetworkSummary.memory(of: network, images: batch, options: options)
        let report = SummaryReport(summary: summary, memory: memory, batch: batch)
        let match = file?.match(network.parameterList, head: .auto)
        if let figure { try draw(network, to: figure) }
        guard !json else {
            return try StandardOutput.line(report.json(weights: match?.json).text())
        }
        let sections = [report.text, parameters ? Self.table(network) : nil, match?.table].compactMap { $0 }
        try StandardOutput.line(sections.joined(separator: "\n\n"))
        if let figure { try StandardOutput.line("wrote \(figure)") }
    }

    private func draw(_ network: Network, to path: String) throws {
        let drawing = NetworkFigure(network).drawing
        guard path.lowercased().hasSuffix(".png") else { return try DurableFile.write(drawing.svg, to: path) }
        try DurableFile.write(Canvas(drawing).png(), to: path)
    }

    /// Keys and shapes, and the first values of each.
    private static func table(_ network: Network) -> String {
        let rows = network.parameterList.parameters.map { parameter in
            [parameter.key, "\(parameter.shape)", words(parameter.initializer)]
        }
        return TextTable([["parameter", "shape", "first values"]] + rows, [.left]).text
    }

    private static func words(_ initializer: Initializer) -> String {
        switch initializer {
        case .uniform(let bound): "uniform within ±\(NumberText.significant(Double(bound)))"
        case .normal(let deviation): "normal, deviation \(NumberText.significant(Double(deviation)))"
        case .constant(let value): NumberText.significant(Double(value))
        }
    }
}
