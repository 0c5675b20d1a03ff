internal import ArgumentParser
internal import Diagnostics
internal import Files
internal import Report
internal import Training

/// `swift-train export`: the weights of a checkpoint for other programs.
struct ExportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "export",
        abstract: "Write the weights of a checkpoint as safetensors, under torchvision's keys.",
        discussion: "In Python: model.load_state_dict(safetensors.torch.load_file('w.safetensors'))")

    @Argument(
        help: ArgumentHelp(
            "The checkpoint, such as RUN/checkpoints/last, or a run folder, whose best one is taken.",
            valueName: "checkpoint"),
        completion: .file(), transform: HomePath.expanded)
    var subject: String?

    @Option(
        help: ArgumentHelp("The same, as an option.", valueName: "file"), completion: .file(),
        transform: HomePath.expanded)
    var checkpoint: String?

    @Option(
        help: ArgumentHelp("The file to write (.safetensors).", valueName: "file"), completion: .file(),
        transform: HomePath.expanded)
    var output: String

    @Flag(help: "The last weights, even if the run kept their average.")
    var raw = false

    func validate() throws {
        guard (subject == nil) != (checkpoint == nil) else {
            throw ValidationError("expected one checkpoint or run folder, as an argument or with --checkpoint")
        }
        guard output.lowercased().hasSuffix(".safetensors") else {
            throw ValidationError(
                "--output \(output): expected a name that ends in .safetensors, which is what is written")
        }
    }

    func run() throws {
        let choice = try GivenFile.checkpoint(subject ?? checkpoint ?? "", choices: ["best.h5", "last"])
        let path = choice.path
        try GivenFile.requireCheckpoint(path)
        try DurableFile.requireWritable(output, unlike: [path])
        let export = try WeightsExport(checkpoint: path, raw: raw)
        try export.write(to: output)
        choice.sayWhich()
        try StandardOutput.line(
            "wrote \(output): \(export.model), \(NumberText.grouped(export.count)) values"
                + (export.isAverage ? ", the average that the run kept" : ""))
    }
}
