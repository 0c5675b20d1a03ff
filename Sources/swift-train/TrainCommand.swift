internal import ArgumentParser
internal import DataParallel
internal import Diagnostics
internal import Files
internal import Foundation
internal import Ingest
internal import Models
internal import Training

struct TrainCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "train",
        abstract: "Train a network; without a configuration the Fashion classifier on built-in synthetic data.")

    static let stopsAtStepBoundary = true

    @Option(help: ArgumentHelp("The configuration.", valueName: "file"))
    var config: String?

    @Option(help: ArgumentHelp("The dataset file, instead of the configuration's data.file.", valueName: "file"))
    var data: String?

    @Option(name: .customLong("set"), help: ArgumentHelp("Set any key of the configuration.", valueName: "key=value"))
    var assignments: [String] = []

    @Option(help: ArgumentHelp("The run folder itself, instead of a new one below runs_dir.", valueName: "dir"))
    var runDir: String?

    @Option(
        help: ArgumentHelp(
            "auto: go on from the run folder's newest good checkpoint (the default with --run-dir); never; or a checkpoint.",
            valueName: "auto|never|path"))
    var resume: String?

    @Option(help: "Threads of each rank; default: its share of the cores.")
    var threads: Int?

    @Flag(help: "Print the effective configuration and stop.")
    var printConfig = false

    @Flag(help: "Check and plan everything, run one step, show shapes, memory and its time; write nothing.")
    var dryRun = false

    @Option(
        help: ArgumentHelp(
            "Check that the network learns the first N samples by heart: train on them alone until the loss is below 0.01.",
            valueName: "n"))
    var overfit: Int?

    func validate() throws {
        if let threads, threads < 1 || threads > 1024 {
            throw ValidationError("--threads \(threads): expected 1…1024")
        }
        if let overfit {
            guard (1...65_536).contains(overfit) else {
                throw ValidationError("--overfit \(overfit): expected 1…65536")
            }
            guard resume == nil || resume == "never" else {
                throw ValidationError("--overfit starts anew: --resume \(resume ?? "") does not go with it")
            }
        }
        // An empty name would put the run folder's files below the root of the file system.
        if runDir == "" { throw ValidationError("--run-dir is empty, expected the name of a folder") }
    }

    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode {
        // What follows is done in step only if all ranks were told so.
        try RankAgreement.check(
            [
                .init("--config", config ?? "(none)"), .init("--print-config", "\(printConfig)"),
                .init("--run-dir", runDir ?? "(none)"), .init("--resume", resume ?? "(default)"),
                .init("--dry-run", "\(dryRun)"), .init("--overfit", overfit.map(String.init) ?? "(none)"),
            ], over: communicator)
        let text = try ConfigurationFile.text(ofFile: config, over: communicator)
        let mode = resume.map(ResumePoint.Mode.init) ?? (runDir == nil || overfit != nil ? .never : .auto)
        let resumePoint = try ResumePoint.find(mode, runDirectory: runDir, over: communicator)
        var configuration = try RankAgreement.together(communicator) {
            // Without a configuration a run goes on with its own.
            let defaults =
                try text == nil
                ? resumePoint?.storedConfiguration(models: ModelRegistry.names) ?? .builtIn : Configuration()
            var configuration = try Configuration(
                yaml: text, file: config ?? "built-in configuration", assignments: assignments,
                models: ModelRegistry.names, defaults: defaults)
            if let data { configuration.data.file = data }
            return configuration
        }
        try RankAgreement.check(configuration.entries.map { .init($0.key, $0.value) }, over: communicator)
        if printConfig {
            if communicator.rank == 0 { print(try configuration.yaml(), terminator: "") }
            return .done
        }
        _ = try ShardLayout(shards: configuration.shards, ranks: communicator.size, rank: communicator.rank)
        var scratch: ScratchFolder?
        if configuration.data.file == Configuration.builtIn.data.file {
            if dryRun, !FileManager.default.fileExists(atPath: configuration.data.file) {
                scratch = try ScratchFolder(over: communicator)
                configuration.data.file = scratch?.file("synthetic.h5") ?? configuration.data.file
            }
            try makeSyntheticData(configuration.data.file, over: communicator)
        }
        defer { withExtendedLifetime(scratch) {} }
        var options = TrainingSession.Options()
        options.runDirectory = runDir
        options.resume = resumePoint
        options.mayContinue = mode == .auto || resumePoint?.isSameRun == true
        options.threads = threads
        options.overfit = overfit.map(Overfit.init)
        options.command = CommandLine.arguments
        options.models = ModelRegistry.names
        let session = try TrainingSession(
            configuration: configuration, options: options, communicator: communicator,
            makeModel: ModelRegistry.description)
        if dryRun {
            let report = try session.dryRun()
            if communicator.rank == 0 { print(DryRunText(report).text) }
            return .done
        }
        return try session.run(environment: environment)
    }

    /// Rank 0 draws the built-in data where it is missing; the file appears whole or not at all.
    private func makeSyntheticData(_ path: String, over communicator: any Communicator) throws {
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0, !FileManager.default.fileExists(atPath: path) else { return }
            // Unbuffered, like the lines of the run that follow it.
            FileHandle.standardOutput.write(Data("drawing the synthetic dataset \(path)\n".utf8))
            let folder = (path as NSString).deletingLastPathComponent
            if !folder.isEmpty { try Folder.make(folder) }
            try SyntheticDataset.write(to: path)
        }
    }
}
