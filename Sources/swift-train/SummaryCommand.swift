internal import ArgumentParser
internal import Diagnostics
internal import Layers
internal import Training

/// `swift-train summary`: a network's layers, parameters, multiply-adds, receptive fields and memory.
struct SummaryCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "summary", abstract: "Show the layers of a network and what they cost.",
        discussion: NetworkChoice.namesHelp)

    @OptionGroup var choice: NetworkChoice

    @Option(help: ArgumentHelp("Images of a step, for shapes and memory.", valueName: "n"))
    var batch = 1

    @Flag(help: "Print one JSON object.")
    var json = false

    func validate() throws {
        guard (1...1 << 20).contains(batch) else { throw ValidationError("--batch \(batch): expected 1…1048576") }
    }

    func run() throws {
        let network = try choice.network(configuration: choice.config.map(ConfigurationFile.read))
        let summary = try NetworkSummary(network)
        let memory = try NetworkSummary.memory(of: network, images: batch)
        let report = SummaryReport(summary: summary, memory: memory, batch: batch)
        try StandardOutput.line(json ? JSONLine.text(report.values) : report.text)
    }
}
