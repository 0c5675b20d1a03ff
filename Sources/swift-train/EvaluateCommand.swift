internal import ArgumentParser
internal import DataParallel
internal import Diagnostics
internal import Files
internal import Foundation
internal import Models
internal import Report
internal import Training

struct EvaluateCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "evaluate",
        abstract: "Score a checkpoint, or weights of another program, on a split of a dataset; any number of ranks.",
        discussion: NetworkChoice.namesHelp)

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
        help: ArgumentHelp(
            "Instead of a checkpoint: weights under PyTorch's keys, as safetensors, .pth or HDF5.", valueName: "file"),
        completion: .file(), transform: HomePath.expanded)
    var weights: String?

    @Option(
        help: ArgumentHelp("With --weights: the network, where the file does not tell it.", valueName: "name"),
        completion: .list(ModelRegistry.names))
    var model: String?

    @Option(
        help: ArgumentHelp("With --weights: a configuration, for its model and data.", valueName: "file"),
        completion: .file(extensions: ["yaml", "yml"]), transform: HomePath.expanded)
    var config: String?

    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Set a key of the configuration, such as data.normalize or evaluate.batch_size.", valueName: "key=value"),
        completion: .list(ConfigurationKeys.paths.map { $0 + "=" }))
    var assignments: [String] = []

    @Option(
        help: ArgumentHelp("The dataset file, instead of the one the run was trained on.", valueName: "file"),
        completion: .file(), transform: HomePath.expanded)
    var data: String?

    @Option(
        help: ArgumentHelp("The split, instead of the one the run evaluated.", valueName: "name"),
        completion: .list(["test", "train", "val"]))
    var split: String?

    @Option(
        help: ArgumentHelp(
            "Write the confusion matrix: a table as .csv, a picture as .svg or .png; may be given for each.",
            valueName: "file"),
        completion: .file(), transform: HomePath.expanded)
    var confusion: [String] = []

    @Option(
        help: ArgumentHelp("Write every sample's logits and label to an HDF5 file (.h5).", valueName: "file"),
        completion: .file(), transform: HomePath.expanded)
    var logits: String?

    @Option(
        help: ArgumentHelp(
            "Write what every sample is and is taken for (.csv): file, true class, class, probability, then the next classes.",
            valueName: "file"),
        completion: .file(extensions: ["csv"]), transform: HomePath.expanded)
    var predictions: String?

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp(
            "Draw the images whose true class is least probable, the worst first, with true and predicted class: their number "
                + "(25 without one) and a .png file.",
            valueName: "n> <file"),
        completion: .file(extensions: ["png"]), transform: HomePath.expanded)
    var worst: [String] = []

    @Option(
        help: ArgumentHelp(
            "Score the images moved, too: shift:2 by 2 pixels in each of 8 directions, rotate:10 by 10 degrees both ways; what "
                + "comes in is black.",
            valueName: "shift:n,rotate:n"))
    var under: String?

    @OptionGroup var parallel: ThreadOption

    @Flag(help: "Print one JSON object; loss and accuracies carry all their digits.")
    var json = false

    mutating func validate() throws {
        if let behind = try WorstImages(worst)?.behind {
            guard subject == nil else {
                throw ValidationError("--worst: \(behind) stands behind the file, expected one file")
            }
            subject = behind
        }
        _ = try displacements()
        if let subject {
            guard checkpoint == nil else {
                throw ValidationError("\(subject) and --checkpoint \(checkpoint ?? ""): expected one checkpoint")
            }
            checkpoint = subject
        }
        guard (checkpoint == nil) != (weights == nil) else {
            throw ValidationError(
                "expected either --checkpoint FILE (or a run folder) or --weights FILE --data FILE")
        }
        if weights != nil {
            guard data != nil || config != nil else { throw ValidationError("--weights needs --data FILE") }
        } else {
            guard model == nil, config == nil else {
                throw ValidationError("--model and --config belong to --weights; a checkpoint knows its own")
            }
            if let other = assignments.first(where: { !$0.hasPrefix("evaluate.") }) {
                throw ValidationError("--set \(other): with --checkpoint only keys of evaluate can be set")
            }
        }
        for path in confusion where EvaluationFindings.ConfusionFormat(path) == nil {
            throw ValidationError("--confusion \(path): expected a name that ends in .csv, .svg or .png")
        }
        if let logits {
            do { try LogitsFile.requireName(logits) } catch let failure as Failure {
                throw ValidationError(failure.message)
            }
        }
        if let predictions, !predictions.lowercased().hasSuffix(".csv") {
            throw ValidationError(
                "--predictions \(predictions): expected a name that ends in .csv, which is what is written")
        }
        guard Set(outputs).count == outputs.count else {
            throw ValidationError("two results are to be written to one file")
        }
    }

    private func displacements() throws -> [Displacement] {
        guard let under else { return [] }
        return try under.split(separator: ",", omittingEmptySubsequences: false).map { text in
            guard let displacement = Displacement(text) else {
                throw ValidationError("--under \(under): \(text.isEmpty ? "nothing" : text), \(Displacement.expected)")
            }
            return displacement
        }
    }

    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode {
        // What follows is done in step only if all ranks were told so.
        try RankAgreement.check(
            [
                .init("--checkpoint", checkpoint ?? "(none)"), .init("--weights", weights ?? "(none)"),
                .init("--config", config ?? "(none)"), .init("--logits", logits ?? "(none)"),
                .init("--predictions", predictions ?? "(none)"), .init("--under", under ?? "(none)"),
            ], over: communicator)
        try RankAgreement.together(communicator) {
            checkpoint = try checkpoint.map { try GivenFile.checkpoint($0, choices: ["best.h5", "last"]).path }
        }
        let (source, assumption) = try source(over: communicator)
        try requireWritable(unlike: [checkpoint, weights, config, data].compactMap { $0 }, over: communicator)
        try RankAgreement.together(communicator) {
            if let checkpoint { try GivenFile.requireCheckpoint(checkpoint) }
            if let data { try GivenFile.requireDataset(data) }
        }
        let session = try EvaluationSession(
            source: source, data: data, split: split, threads: parallel.threads, models: ModelRegistry.names,
            communicator: communicator, makeModel: ModelRegistry.description)
        try requireWritable(unlike: session.dataPaths, over: communicator)
        if communicator.rank == 0 {
            for note in session.notes + [assumption].compactMap({ $0 }) { StandardError.line("note: \(note)") }
        }
        let classes = session.classNames.count
        guard confusion.isEmpty || classes <= EvaluationFindings.largestMatrix else {
            throw Failure(
                .usage,
                "--confusion: \(session.dataFile) has \(classes) classes, expected at most \(EvaluationFindings.largestMatrix)"
            )
        }
        for displacement in try displacements() { try session.check(displacement) }
        let table = try RankAgreement.together(communicator) { try predictionTable(of: session, over: communicator) }
        let result = try session.run(logitsPath: logits, each: table.map { .init(top: $0.top, use: $0.add) })
        let displaced = try displacements().map(session.run(under:))
        try RankAgreement.together(communicator) { try table?.file?.commit() }
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return }
            let findings = EvaluationFindings(
                subject: checkpoint ?? weights ?? "", session: session, result: result, displaced: displaced)
            for path in confusion { try findings.writeConfusion(path) }
            if let worst = try WorstImages(worst) { try findings.writeWorst(worst.count, to: worst.file) }
            let written = outputs.map { "\nwrote \($0)" }.joined()
            let weightsTable = session.weightsTable.map { $0 + "\n" } ?? ""
            try StandardOutput.line(json ? findings.json.text() : weightsTable + findings.text + written)
        }
        return .done
    }

    /// Throws: `Failure(.cannotCreate)` for an output that cannot be written, or that would replace what is read.
    private func requireWritable(unlike inputs: [String], over communicator: any Communicator) throws {
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return }
            for path in outputs { try DurableFile.requireWritable(path, unlike: inputs) }
        }
    }

    /// Everything that is written.
    private var outputs: [String] {
        confusion + [(try? WorstImages(worst))?.file, logits, predictions].compactMap { $0 }
    }

    /// Classes of a row of predictions.
    private static let predictedClasses = 5

    /// Where the predictions go, if they are wanted; a file on rank 0 alone.
    private func predictionTable(
        of session: EvaluationSession, over communicator: any Communicator
    ) throws -> PredictionTable? {
        guard let predictions else { return nil }
        let isFirst = communicator.rank == 0
        return try PredictionTable(
            path: isFirst ? predictions : nil, top: min(Self.predictedClasses, session.classNames.count),
            classNames: session.classNames, names: isFirst ? session.sampleNames() : [], truths: session.truths)
    }

    /// What is scored, and what is taken for granted of the images of weights that do not say it.
    private mutating func source(
        over communicator: any Communicator
    ) throws -> (EvaluationSession.Source, assumption: String?) {
        guard let weights else { return (.checkpoint(path: checkpoint ?? "", assignments: assignments), nil) }
        let text = try ConfigurationFile.text(ofFile: config, over: communicator)
        func configuration(_ defaults: Configuration) throws -> Configuration {
            try Configuration(
                yaml: text, file: config ?? "built-in configuration",
                assignments: (model.map { ["model=\($0)"] } ?? []) + assignments, models: ModelRegistry.names,
                defaults: defaults)
        }
        let (path, chosen, assumption) = try RankAgreement.together(communicator) {
            // Mistakes in it are told before the weights are looked at.
            _ = try configuration(Configuration())
            let path = try GivenFile.weights(weights).path
            let (defaults, assumption) = try defaults(for: path)
            return (path, try configuration(defaults), assumption)
        }
        try RankAgreement.check(chosen.entries.map { .init($0.key, $0.value) }, over: communicator)
        self.weights = path
        return (.weights(path: path, chosen), assumption)
    }

    /// What weights say of their network and images holds unless the command line or a configuration says otherwise.
    private func defaults(for path: String) throws -> (Configuration, assumption: String?) {
        let file = try WeightsFile(path)
        var defaults = Configuration()
        defaults.data.normalize = file.normalize ?? defaults.data.normalize
        let choosesNormalization = config != nil || assignments.contains { $0.hasPrefix("data.normalize") }
        guard config == nil, model == nil || model == file.modelName else {
            let isAssumed = file.normalize == nil && !choosesNormalization
            return (
                defaults,
                isAssumed
                    ? "\(path) says nothing of its images: they are normalised by the mean and std of the data; "
                        + "--set data.normalize=… says otherwise" : nil
            )
        }
        let origin = try WeightsOrigin(
            path, model: nil, known: ModelRegistry.known, makeModel: ModelRegistry.description)
        defaults = origin.configuration
        defaults.data.normalize = origin.normalize
        let assumption = origin.assumption(path: path, dataNormalizes: true)
        return (defaults, choosesNormalization ? nil : assumption)
    }
}

/// What `--worst 25 worst.png` asks for, or the file alone.
private struct WorstImages {
    private(set) var count = 25
    let file: String
    /// A word that follows the file, which may be the checkpoint.
    let behind: String?

    private static let most = 1_000

    /// nil where nothing is asked for. Throws: `ValidationError`.
    init?(_ given: [String]) throws {
        guard let first = given.first else { return nil }
        var words = given[...]
        if let count = Int(first) {
            guard (1...Self.most).contains(count) else {
                throw ValidationError("--worst \(count): expected 1…\(Self.most) images")
            }
            self.count = count
            words.removeFirst()
        }
        guard let file = words.popFirst(), file.lowercased().hasSuffix(".png"), words.count <= 1 else {
            throw ValidationError(
                "--worst \(given.joined(separator: " ")): expected a number and a name that ends in .png, as in "
                    + "--worst 25 worst.png")
        }
        (self.file, behind) = (HomePath.expanded(file), words.first.map(HomePath.expanded))
    }
}

/// Predictions of a split on their way to a file.
private final class PredictionTable {
    let top: Int
    /// nil on the ranks that write nothing.
    let file: TemporaryFile?
    private let text: PredictionText
    private let classNames: [String]
    private let names: [String]
    private let truths: [Int32]

    init(path: String?, top: Int, classNames: [String], names: [String], truths: [Int32]) throws {
        (self.top, self.classNames, self.names, self.truths) = (top, classNames, names, truths)
        text = PredictionText(top: top, hasTruth: true)
        file = try path.map(TemporaryFile.init(for:))
        try file?.write(text.header)
    }

    /// A sample whose logits are not finite has a row without classes.
    func add(_ sample: Int, _ prediction: Prediction) throws {
        var classes: PredictionText.Classes = []
        if case .classes(let found) = prediction { classes = found.map { (classNames[$0.index], $0.probability) } }
        try file?.write(text.row(file: names[sample], truth: classNames[Int(truths[sample])], classes))
    }
}
