internal import ArgumentParser
internal import Diagnostics
internal import Files
internal import Models
internal import Report
internal import Training

/// `swift-train export`: the weights of a checkpoint for other programs.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract:
            "Write a checkpoint's weights as safetensors or its network as ONNX, or a run's metrics as CSV.",
        discussion: """
            The output's name says what is written:

            .safetensors: the weights under torchvision's keys. In Python: \
            model.load_state_dict(safetensors.torch.load_file('w.safetensors'))

            .onnx: network, weights and normalisation. It takes pixels in 0...1 as float32 [batch, channels, height, width] \
            and gives logits; classes and preprocessing are in the metadata.

            .csv: every number of the run's metrics.
            """)

    @Argument(
        help: ArgumentHelp(
            "The checkpoint, such as RUN/checkpoints/last, or a run folder, whose best one is taken; for .csv a run folder "
                + "or its metrics.jsonl.",
            valueName: "checkpoint"),
        completion: .file(), transform: HomePath.expanded)
    var subject: String?

    @Option(
        help: ArgumentHelp("The same, as an option.", valueName: "file"), completion: .file(),
        transform: HomePath.expanded)
    var checkpoint: String?

    @Option(
        help: ArgumentHelp("The file to write (.safetensors, .onnx, .csv).", valueName: "file"), completion: .file(),
        transform: HomePath.expanded)
    var output: String

    @Flag(help: "The last weights, even if the run kept their average.")
    var raw = false

    func validate() throws {
        guard (subject == nil) != (checkpoint == nil) else {
            throw ValidationError("expected one checkpoint or run folder, as an argument or with --checkpoint")
        }
        guard [".safetensors", ".onnx", ".csv"].contains(where: output.lowercased().hasSuffix) else {
            throw ValidationError(
                "--output \(output): expected a name that ends in .safetensors (weights), .onnx (the network) or .csv (metrics)"
            )
        }
        guard !raw || !isTable else { throw ValidationError("--raw is for weights, not for metrics") }
    }

    private var isTable: Bool { output.lowercased().hasSuffix(".csv") }

    func run() throws {
        guard !isTable else { return try writeMetrics() }
        let choice = try GivenFile.checkpoint(subject ?? checkpoint ?? "", choices: ["best.h5", "last"])
        let path = choice.path
        try GivenFile.requireCheckpoint(path)
        try DurableFile.requireWritable(output, unlike: [path])
        let export = try WeightsExport(checkpoint: path, raw: raw)
        if output.lowercased().hasSuffix(".onnx") {
            try export.writeONNX(to: output, models: ModelRegistry.names, makeModel: ModelRegistry.description)
        } else {
            try export.write(to: output, models: ModelRegistry.names)
        }
        choice.sayWhich()
        try StandardOutput.line(
            "wrote \(output): \(export.model), \(NumberText.grouped(export.count)) values"
                + (export.isAverage ? ", the average that the run kept" : ""))
    }

    private func writeMetrics() throws {
        let given = subject ?? checkpoint ?? ""
        let path = FileKind(of: given) == .folder ? given + "/metrics.jsonl" : given
        try DurableFile.requireWritable(output, unlike: [path])
        let table = try MetricsTable(path: path)
        try DurableFile.write(table.csv, to: output)
        try StandardOutput.line("wrote \(output): \(NumberText.counted(table.rowCount, "row"))")
    }
}
