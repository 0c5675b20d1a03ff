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
        abstract: "Train a network; without a configuration the Fashion classifier on built-in synthetic data.",
        discussion: """
            --print-config lists every setting with its value; --set changes one, such as --set epochs=3, --set \
            optimizer.learning_rate=0.01, --set model=resnet18.

            \(NetworkChoice.namesHelp)
            """)

    static let stopsAtStepBoundary = true

    @Option(
        help: ArgumentHelp("The configuration, a YAML file; - reads standard input.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]), transform: HomePath.expanded)
    var config: String?

    @Option(
        help: ArgumentHelp("The dataset file, instead of the configuration's data.file.", valueName: "file"),
        completion: .file(), transform: HomePath.expanded)
    var data: String?

    @Option(
        help: ArgumentHelp(
            "Start from these weights instead of random ones (the configuration's weights): safetensors, .pth, HDF5 or a "
                + "checkpoint. The head is new where the classes are others.",
            valueName: "file"),
        completion: .file(), transform: HomePath.expanded)
    var weights: String?

    @Option(
        help: ArgumentHelp(
            "auto: go on from the run folder's newest good checkpoint (the default with --run-dir); never; or a checkpoint, or "
                + "a run folder, whose newest good one is taken.",
            valueName: "auto|never|path"),
        completion: .list(["auto", "never"]), transform: HomePath.expanded)
    var resume: String?

    @OptionGroup var run: RunOptions

    @Flag(help: "Print the effective configuration and stop.")
    var printConfig = false

    @Flag(help: "Check and plan everything, run one step, show shapes, memory and its time; write nothing.")
    var dryRun = false

    @Option(
        parsing: .unconditional,
        help: ArgumentHelp(
            "Check that the network learns the first N samples by heart: train on them alone until the loss is below 0.01.",
            valueName: "n"))
    var overfit: Int?

    func validate() throws {
        if let overfit {
            guard (1...65_536).contains(overfit) else {
                throw ValidationError("--overfit \(overfit): expected 1…65536")
            }
            guard resume == nil || resume == "never" else {
                throw ValidationError("--overfit starts anew: --resume \(resume ?? "") does not go with it")
            }
        }
    }

    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode {
        // What follows is done in step only if all ranks were told so.
        try RankAgreement.check(
            [
                .init("--config", config ?? "(none)"), .init("--print-config", "\(printConfig)"),
                .init("--run-dir", run.runDir ?? "(none)"), .init("--resume", resume ?? "(default)"),
                .init("--dry-run", "\(dryRun)"), .init("--overfit", overfit.map(String.init) ?? "(none)"),
            ], over: communicator)
        try RankAgreement.together(communicator) {
            if communicator.rank == 0, let resume { try Self.check(resume: resume) }
        }
        let mode = resume.map(ResumePoint.Mode.init) ?? (run.runDir == nil || overfit != nil ? .never : .auto)
        let resumePoint = try ResumePoint.find(mode, runDirectory: run.runDir, over: communicator)
        let file = try config ?? (resumePoint == nil && mode == .auto ? keptConfiguration(over: communicator) : nil)
        let text = try ConfigurationFile.text(ofFile: file, over: communicator)
        var configuration = try RankAgreement.together(communicator) {
            // Without a configuration a run goes on with its own.
            let stored = try text == nil ? resumePoint?.storedConfiguration(models: ModelRegistry.names) : nil
            var configuration = try Configuration(
                yaml: text, file: file ?? "built-in configuration", assignments: run.assignments,
                models: ModelRegistry.names, defaults: stored ?? (text == nil ? .builtIn : Configuration()),
                needsData: data == nil)
            if let data { configuration.data.files = [data] }
            if let weights { configuration.weights = weights }
            return configuration
        }
        try RankAgreement.check(configuration.entries.map { .init($0.key, $0.value) }, over: communicator)
        if printConfig {
            try RankAgreement.together(communicator) {
                if communicator.rank == 0 { try StandardOutput.write(configuration.yaml()) }
            }
            return .done
        }
        _ = try ShardLayout(shards: configuration.shards, ranks: communicator.size, rank: communicator.rank)
        let isWeightsNamed = weights != nil || config != nil || run.assignments.contains { $0.hasPrefix("weights=") }
        if resumePoint == nil || isWeightsNamed, let path = configuration.weights {
            configuration.weights = try self.file(ofWeights: path, mayBeMissing: resumePoint != nil, over: communicator)
        }
        var scratch: ScratchFolder?
        // A run that goes on has its data somewhere, most likely below another folder.
        if configuration.data.files == Configuration.builtIn.data.files, resumePoint == nil {
            if dryRun, !FileManager.default.fileExists(atPath: configuration.data.files[0]) {
                scratch = try ScratchFolder(over: communicator)
                if let scratch { configuration.data.files = [scratch.file("synthetic.h5")] }
            }
            try makeSyntheticData(configuration.data.files[0], over: communicator)
        }
        try RankAgreement.together(communicator) {
            for file in configuration.data.files {
                let isStored = resumePoint != nil && data == nil && !file.hasPrefix("/")
                try GivenFile.requireDataset(file, advice: isStored ? Self.missingData(file) : nil)
            }
        }
        defer { withExtendedLifetime(scratch) {} }
        var options = TrainingSession.Options()
        options.runDirectory = run.runDir
        options.resume = resumePoint
        options.mayContinue = mode == .auto || resumePoint?.isSameRun == true
        options.namedWeights = resumePoint != nil && isWeightsNamed ? configuration.weights : nil
        options.threads = run.parallel.threads
        options.overfit = overfit.map(Overfit.init)
        options.isQuiet = run.quiet
        options.command = CommandLine.arguments
        options.models = ModelRegistry.names
        let session = try TrainingSession(
            configuration: configuration, options: options, communicator: communicator,
            makeModel: ModelRegistry.description)
        if dryRun {
            let report = try session.dryRun()
            try RankAgreement.together(communicator) {
                if communicator.rank == 0 { try StandardOutput.line(DryRunText(report).text) }
            }
            return .done
        }
        return try session.run(environment: environment)
    }

    /// The configuration that the run folder keeps, of a run that has not saved anything yet; nil without one. Collective.
    private func keptConfiguration(over communicator: any Communicator) throws -> String? {
        guard let path = run.runDir.map({ $0 + "/config.yaml" }) else { return nil }
        let isKept = communicator.rank == 0 && access(path, F_OK) == 0
        return try communicator.broadcast([isKept ? 1 : 0], from: 0) == [1] ? path : nil
    }

    /// The file that a path to weights names on rank 0, whose disk counts: itself, or the best checkpoint of a run. Collective.
    private func file(
        ofWeights path: String, mayBeMissing: Bool, over communicator: any Communicator
    ) throws -> String {
        let found = try RankAgreement.together(communicator) {
            guard communicator.rank == 0, !mayBeMissing || FileGlance(path) != .missing else { return path }
            return try GivenFile.weights(path).path
        }
        return String(decoding: try communicator.broadcast(Array(found.utf8), from: 0), as: UTF8.self)
    }

    /// Throws: `Failure` for words that are neither a mode nor a checkpoint nor a run folder.
    private static func check(resume: String) throws {
        guard case .checkpoint(let path) = ResumePoint.Mode(resume) else { return }
        if FileGlance(path) == .missing, access(path, F_OK) != 0, errno == ENOENT {
            throw Failure(
                .inputMissing,
                "--resume \(path): no such file; expected auto, never, a checkpoint such as RUN/checkpoints/last, or a run folder"
            )
        }
        try GivenFile.requireCheckpoint(GivenFile.checkpoint(path, choices: ["last", "best.h5"]).path)
    }

    /// What to do where the data of a run that goes on is missing.
    private static func missingData(_ path: String) -> String {
        "The path counts from the folder in which the run was started: start this there, or name the data with --data"
            + ([path] == Configuration.builtIn.data.files
                ? "; the drawn data is made anew by swift-train convert synthetic --output \(path)" : "")
    }

    /// Rank 0 draws the built-in data where it is missing; the file appears whole or not at all.
    private func makeSyntheticData(_ path: String, over communicator: any Communicator) throws {
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0, !FileManager.default.fileExists(atPath: path) else { return }
            // Unbuffered, and lost without harm, like the lines of the run that follow it.
            if !run.quiet { StandardOutput.note("drawing the synthetic dataset \(path)") }
            let folder = (path as NSString).deletingLastPathComponent
            if !folder.isEmpty { try Folder.make(folder) }
            // Another run that starts here at the same time draws the same bytes.
            try SyntheticDataset.write(to: path, options: ConversionOptions(replaceExisting: true))
        }
    }
}
