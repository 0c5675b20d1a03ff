internal import ArgumentParser
internal import DataParallel
internal import Datasets
internal import Diagnostics
internal import Files
internal import Ingest
internal import Models
internal import Report
internal import Training

/// `swift-train finetune`: from a folder of photos and published weights to a network for their classes.
struct FinetuneCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "finetune",
        abstract: "Fine-tune weights to the classes of a folder of images or of a dataset.",
        discussion: """
            A folder with a folder of images for each class is converted first, to the size that the weights' network takes. \
            Every choice is a setting: --print-config shows them, --set changes one.

            \(NetworkChoice.namesHelp)
            """)

    @Argument(
        help: ArgumentHelp(
            "A folder with a folder of images for each class (in train, val and test, or without), or a dataset file.",
            valueName: "folder|dataset"),
        completion: .file(), transform: HomePath.expanded)
    var images: String

    @Option(
        help: ArgumentHelp(
            "The weights: safetensors, .pth, HDF5, a checkpoint or a run folder, whose best one is taken.",
            valueName: "file"),
        completion: .file(), transform: HomePath.expanded)
    var weights: String

    @Option(
        help: ArgumentHelp("The network of the weights; by default the one whose keys they have.", valueName: "name"),
        completion: .list(ModelRegistry.names))
    var model: String?

    @Option(
        help: ArgumentHelp(
            "With a folder: the dataset file to write, or to use if it is there; by default FOLDER-SIZE.h5 here.",
            valueName: "file"),
        completion: .file(), transform: HomePath.expanded)
    var data: String?

    @Option(
        help: ArgumentHelp(
            "With a folder without test images: the part of each class to test on (20%).", valueName: "part"))
    var test: String?

    @OptionGroup var run: RunOptions

    @Flag(help: "Print the effective configuration and stop; nothing is converted.")
    var printConfig = false

    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode {
        try RankAgreement.check(
            [
                .init("images", images), .init("--weights", weights), .init("--run-dir", run.runDir ?? "(none)"),
                .init("--print-config", "\(printConfig)"), .init("--set", run.assignments.joined(separator: "\n")),
            ], over: communicator)
        // Rank 0 looks at weights and memory, and all are told what it chose.
        let localRanks = communicator.localSize
        let chosen = try RankAgreement.together(communicator) {
            communicator.rank == 0 ? try choose(localRanks: localRanks) : nil
        }
        let yaml = try RankAgreement.together(communicator) { Array(try chosen?.configuration.yaml().utf8 ?? "".utf8) }
        let text = String(decoding: try communicator.broadcast(yaml, from: 0), as: UTF8.self)
        let configuration = try RankAgreement.together(communicator) {
            try Configuration(
                yaml: text, file: "the chosen configuration", assignments: [], models: ModelRegistry.names,
                defaults: Configuration())
        }
        if printConfig {
            try RankAgreement.together(communicator) {
                if communicator.rank == 0 { try StandardOutput.write(text) }
            }
            return .done
        }
        // Before the images are converted, which may take long.
        _ = try ShardLayout(shards: configuration.shards, ranks: communicator.size, rank: communicator.rank)
        try RankAgreement.together(communicator) {
            guard let chosen else { return }
            try RunFolder.requirePossible(
                run.runDir ?? configuration.runsDirectory, mayHoldRun: run.runDir == nil, isParent: run.runDir == nil)
            try convert(to: configuration.data.files, for: chosen.origin)
        }
        // Up to here a signal ends the command, which leaves nothing; from here on there is something to save.
        StopSignals.install()
        try RankAgreement.together(communicator) {
            for file in configuration.data.files { try GivenFile.requireDataset(file) }
        }
        var options = TrainingSession.Options()
        options.runDirectory = run.runDir
        options.threads = run.parallel.threads
        options.isQuiet = run.quiet
        options.command = CommandLine.arguments
        options.models = ModelRegistry.names
        let session = try TrainingSession(
            configuration: configuration, options: options, communicator: communicator,
            makeModel: ModelRegistry.description)
        let plan = try session.dryRun()
        if communicator.rank == 0 {
            say(
                "plan: \(NumberText.grouped(plan.steps)) steps of \(configuration.batchSize) images, about "
                    + "\(NumberText.duration(seconds: plan.runSeconds)) and evaluations")
        }
        let code = try session.run(environment: environment)
        if communicator.rank == 0, code == .done, let folder = session.runFolderPath {
            let run = ShellWords.quoted([folder])
            say("next  \(RunCommand.program) predict \(run) PHOTOS --output p.csv")
            say("next  \(RunCommand.program) export \(run) --output w.safetensors")
        }
        return code
    }

    /// Words beside the result, which are lost without harm.
    private func say(_ text: String) {
        if !run.quiet { StandardOutput.note(text) }
    }

    private static let usualTest = "20%"

    private var isFolder: Bool { FileGlance(images) == .folder }

    /// What the weights and the images ask for, changed as the user wants.
    private func choose(localRanks: Int) throws -> (configuration: Configuration, origin: WeightsOrigin) {
        let choice = try GivenFile.weights(weights)
        let origin = try WeightsOrigin(
            choice.path, model: model, known: ModelRegistry.known, makeModel: ModelRegistry.description)
        let file: String
        let split: String
        if isFolder {
            let name = images.split(separator: "/").last.map(String.init) ?? "images"
            file = data ?? "\(name)-\(origin.input[1]).h5"
            let names = try FolderImages.splitNames(of: images)
            split = names.contains("val") && !names.contains("test") ? "val" : "test"
        } else {
            try GivenFile.requireDataset(images)
            if let option = data.map({ "--data \($0)" }) ?? test.map({ "--test \($0)" }) {
                throw Failure(.usage, "\(option) belongs to a folder, which is converted; \(images) is a dataset file")
            }
            file = images
            let names = try DatasetFile(path: images).splitNames
            split = names.contains("test") ? "test" : names.contains("val") ? "val" : "test"
        }
        let defaults = try Configuration(
            fineTuning: origin, from: choice.path, data: file, split: split, localRanks: localRanks,
            makeModel: ModelRegistry.description)
        let configuration = try Configuration(
            yaml: nil, file: "--set", assignments: run.assignments, models: ModelRegistry.names, defaults: defaults)
        if !run.quiet {
            StandardError.line(
                "note: "
                    + (origin.assumption(path: choice.path, dataNormalizes: true)
                        ?? "\(choice.path) holds weights of \(origin.model.name) for images of \(origin.input)"))
        }
        return (configuration, origin)
    }

    /// Converts a folder to the size of the weights' network, unless that has been done.
    ///
    /// Throws: `Failure`: 64 where the settings name several files, 73 for a place that cannot be written to.
    private func convert(to files: [String], for origin: WeightsOrigin) throws {
        guard isFolder else { return }
        guard files.count == 1 else {
            throw Failure(
                .usage, "data.file names \(files.count) files, expected the one that \(images) is converted to")
        }
        let file = files[0]
        guard FileGlance(file) == .missing else {
            guard !run.quiet else { return }
            return StandardError.line(
                "note: \(file) is there and is used as it is; remove it to convert \(images) again")
        }
        try DurableFile.requireWritable(file, unlike: [images])
        var options = ConversionOptions()
        options.showsProgress = !run.quiet
        options.invocation = ["swift-train"] + CommandLine.arguments.dropFirst()
        options.preparation = ImagePreparation(recorded: origin.preprocessing) ?? ImagePreparation()
        options.preparation.size = ImagePreparation.Size(width: origin.input[2], height: origin.input[1])
        options.preparation.channels = origin.input[0]
        if let threads = run.parallel.threads { options.threads = threads }
        let isDivided = try FolderImages.splitNames(of: images).count > 1
        let part = test ?? Self.usualTest
        let fractions = SplitFractions(test: isDivided ? nil : try SplitFraction(part, option: "--test"))
        let report = try FolderImages.convert(folder: images, to: file, fractions: fractions, options: options)
        say(report.text)
    }
}
