internal import ArgumentParser
internal import Diagnostics
internal import Layers
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

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (1...1 << 20).contains(batch) else { throw ValidationError("--batch \(batch): expected 1…1048576") }
    }

    func run() throws {
        if let file = choice.weightsFile, let report = try TensorFileReport(path: file) {
            return try StandardOutput.line(json ? report.json.text() : report.text)
        }
        let (network, options) = try choice.network(
            configuration: choice.config.map(ConfigurationFile.read), isFragment: choice.config != nil)
        let summary = try NetworkSummary(network)
        let memory = try NetworkSummary.memory(of: network, images: batch, options: options)
        let report = SummaryReport(summary: summary, memory: memory, batch: batch)
        let match = try weights.map { path in
            try WeightsFile(GivenFile.weights(path).path).match(network.parameterList, head: .auto)
        }
        guard !json else {
            return try StandardOutput.line(report.json(weights: match?.json).text())
        }
        try StandardOutput.line(report.text + (match.map { "\n\n" + $0.table } ?? ""))
    }
}
