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
        help: ArgumentHelp("With --weights: the network.", valueName: "name"), completion: .list(ModelRegistry.names))
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
            "Write the confusion matrix: a table as .csv, a picture as .svg; may be given for both.", valueName: "file"),
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

    @OptionGroup var parallel: ThreadOption

    @Flag(help: "Print one JSON object; loss and accuracies carry all their digits.")
    var json = false

    /// A whole matrix of more classes is neither printed nor written.
    private static let largestMatrix = 2048

    mutating func validate() throws {
        if let subject {
            guard checkpoint == nil else {
                throw ValidationError("\(subject) and --checkpoint \(checkpoint ?? ""): expected one checkpoint")
            }
            checkpoint = subject
        }
        guard (checkpoint == nil) != (weights == nil) else {
            throw ValidationError(
                "expected either --checkpoint FILE (or a run folder) or --model NAME --weights FILE --data FILE")
        }
        if weights != nil {
            guard model != nil || config != nil else {
                throw ValidationError("--weights needs --model NAME or --config FILE")
            }
            guard data != nil || config != nil else { throw ValidationError("--weights needs --data FILE") }
        } else {
            guard model == nil, config == nil else {
                throw ValidationError("--model and --config belong to --weights; a checkpoint knows its own")
            }
            if let other = assignments.first(where: { !$0.hasPrefix("evaluate.") }) {
                throw ValidationError("--set \(other): with --checkpoint only keys of evaluate can be set")
            }
        }
        for path in confusion where ConfusionFormat(path) == nil {
            throw ValidationError("--confusion \(path): expected a name that ends in .csv or .svg")
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

    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode {
        // What follows is done in step only if all ranks were told so.
        try RankAgreement.check(
            [
                .init("--checkpoint", checkpoint ?? "(none)"), .init("--weights", weights ?? "(none)"),
                .init("--config", config ?? "(none)"), .init("--logits", logits ?? "(none)"),
                .init("--predictions", predictions ?? "(none)"),
            ], over: communicator)
        try RankAgreement.together(communicator) {
            checkpoint = try checkpoint.map { try GivenFile.checkpoint($0, choices: ["best.h5", "last"]).path }
        }
        let source = try source(over: communicator)
        let inputs = [checkpoint, weights, config, data].compactMap { $0 }
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return }
            for path in outputs { try DurableFile.requireWritable(path, unlike: inputs) }
        }
        try RankAgreement.together(communicator) {
            if let checkpoint { try GivenFile.requireCheckpoint(checkpoint) }
            if let data { try GivenFile.requireDataset(data) }
        }
        let session = try EvaluationSession(
            source: source, data: data, split: split, threads: parallel.threads, models: ModelRegistry.names,
            communicator: communicator, makeModel: ModelRegistry.description)
        if communicator.rank == 0 {
            for note in session.notes { StandardError.line("note: \(note)") }
        }
        let classes = session.classNames.count
        guard confusion.isEmpty || classes <= Self.largestMatrix else {
            throw Failure(
                .usage,
                "--confusion: \(session.dataFile) has \(classes) classes, expected at most \(Self.largestMatrix)")
        }
        let table = try RankAgreement.together(communicator) { try predictionTable(of: session, over: communicator) }
        let result = try session.run(logitsPath: logits, each: table.map { .init(top: $0.top, use: $0.add) })
        try RankAgreement.together(communicator) { try table?.file?.commit() }
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return }
            let matrix = ConfusionMatrix(
                classNames: session.classNames, truths: result.truths, predictions: result.predictions)
            for path in confusion {
                try DurableFile.write(
                    ConfusionFormat(path)?.text(of: matrix, title: title(session, result)) ?? "", to: path)
            }
            let written = outputs.map { "\nwrote \($0)" }.joined()
            let weightsTable = session.weightsTable.map { $0 + "\n" } ?? ""
            try StandardOutput.line(
                json ? self.json(result, matrix).text() : weightsTable + text(session, result, matrix) + written)
        }
        return .done
    }

    /// Everything that is written.
    private var outputs: [String] { confusion + [logits, predictions].compactMap { $0 } }

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

    private mutating func source(over communicator: any Communicator) throws -> EvaluationSession.Source {
        guard let weights else { return .checkpoint(path: checkpoint ?? "", assignments: assignments) }
        let text = try ConfigurationFile.text(ofFile: config, over: communicator)
        let configuration = try RankAgreement.together(communicator) {
            try Configuration(
                yaml: text, file: config ?? "built-in configuration",
                assignments: (model.map { ["model=\($0)"] } ?? []) + assignments, models: ModelRegistry.names,
                defaults: Configuration())
        }
        try RankAgreement.check(configuration.entries.map { .init($0.key, $0.value) }, over: communicator)
        let path = try RankAgreement.together(communicator) { try GivenFile.weights(weights).path }
        self.weights = path
        return .weights(path: path, configuration)
    }

    private func json(_ result: EvaluationSession.Result, _ matrix: ConfusionMatrix) -> JSON {
        let score = result.score
        let classes = matrix.classScores.map { score -> JSON in
            [
                "name": .string(score.name), "precision": .number(score.precision), "recall": .number(score.recall),
                "f1": .number(score.f1), "support": .integer(score.support),
            ]
        }
        return [
            "weights": .string(checkpoint ?? weights ?? ""), "samples": .integer(Int(score.samples)),
            "loss": .number(score.meanLoss),
            "acc1": .number(score.accuracy1), "acc5": .number(score.accuracy5), "classes": .array(classes),
            "confusion": matrix.classes <= Self.largestMatrix ? .array(matrix.rows.map { .integers($0) }) : .null,
        ]
    }

    private func text(
        _ session: EvaluationSession, _ result: EvaluationSession.Result, _ matrix: ConfusionMatrix
    ) -> String {
        let score = result.score
        var facts = [("loss", score.meanLoss), ("acc1", score.accuracy1)]
        // Of so few classes the true one is always among the first five.
        if session.classNames.count > 5 { facts.append(("acc5", score.accuracy5)) }
        return """
            \(checkpoint ?? weights ?? "") on \(session.splitName) of \(session.dataFile): \
            \(NumberText.grouped(Int(score.samples))) samples
            \(TextTable(facts: facts.map { ($0, NumberText.decimal($1, 4)) }).text)

            \(ConfusionText.terminal(matrix))
            """
    }

    private func title(_ session: EvaluationSession, _ result: EvaluationSession.Result) -> String {
        let dataName = (session.dataFile as NSString).lastPathComponent
        return "\(session.modelName) on \(session.splitName) of \(dataName): acc1 "
            + NumberText.decimal(result.score.accuracy1, 4)
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

/// What a confusion matrix is written as, told by the name of the file.
private enum ConfusionFormat {
    case csv, svg

    init?(_ path: String) {
        switch (path as NSString).pathExtension.lowercased() {
        case "csv": self = .csv
        case "svg": self = .svg
        default: return nil
        }
    }

    func text(of matrix: ConfusionMatrix, title: String) -> String {
        switch self {
        case .csv: ConfusionText.csv(matrix)
        case .svg: ConfusionPicture(matrix, title: title).svg
        }
    }
}
