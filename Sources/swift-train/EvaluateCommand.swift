internal import ArgumentParser
internal import DataParallel
internal import Diagnostics
internal import Foundation
internal import Models
internal import Report
internal import Training

struct EvaluateCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "evaluate", abstract: "Score a checkpoint on a split of a dataset; any number of ranks.")

    @Option(help: ArgumentHelp("The checkpoint, such as RUN/checkpoints/last.", valueName: "file"))
    var checkpoint: String

    @Option(help: ArgumentHelp("The dataset file, instead of the one the run was trained on.", valueName: "file"))
    var data: String?

    @Option(help: "The split, instead of the one the run evaluated.")
    var split: String?

    @Option(
        help: ArgumentHelp(
            "Write the confusion matrix: a table as .csv, a picture as .svg; may be given for both.", valueName: "file")
    )
    var confusion: [String] = []

    @Option(help: "Threads of each rank; default: its share of the cores.")
    var threads: Int?

    @Flag(help: "Print one JSON object; loss and accuracies carry all their digits.")
    var json = false

    /// A whole matrix of more classes is neither printed nor written.
    private static let largestMatrix = 2048

    func validate() throws {
        if let threads, threads < 1 || threads > 1024 {
            throw ValidationError("--threads \(threads): expected 1…1024")
        }
        for path in confusion where ConfusionFormat(path) == nil {
            throw ValidationError("--confusion \(path): expected a name that ends in .csv or .svg")
        }
        guard Set(confusion).count == confusion.count else {
            throw ValidationError("--confusion names a file twice")
        }
    }

    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode {
        let inputs = [checkpoint, data].compactMap { $0 }
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return }
            for path in confusion { try DurableFile.requireWritable(path, unlike: inputs) }
        }
        let session = try EvaluationSession(
            checkpointPath: checkpoint, data: data, split: split, threads: threads, models: ModelRegistry.names,
            communicator: communicator, makeModel: ModelRegistry.description)
        let classes = session.classNames.count
        guard confusion.isEmpty || classes <= Self.largestMatrix else {
            throw Failure(
                .usage,
                "--confusion: \(session.dataFile) has \(classes) classes, expected at most \(Self.largestMatrix)")
        }
        let result = try session.run()
        try RankAgreement.together(communicator) {
            guard communicator.rank == 0 else { return }
            let matrix = ConfusionMatrix(
                classNames: session.classNames, truths: result.truths, predictions: result.predictions)
            for path in confusion {
                try DurableFile.write(
                    ConfusionFormat(path)?.text(of: matrix, title: title(session, result)) ?? "", to: path)
            }
            print(json ? try object(result, matrix) : text(session, result, matrix))
        }
        return .done
    }

    private func object(_ result: EvaluationSession.Result, _ matrix: ConfusionMatrix) throws -> String {
        let score = result.score
        let classes: [[String: Any]] = matrix.classScores.map {
            [
                "name": $0.name, "precision": $0.precision, "recall": $0.recall, "f1": $0.f1, "support": $0.support,
            ]
        }
        let confusion: Any = matrix.classes <= Self.largestMatrix ? matrix.rows : NSNull()
        return try JSONLine.text([
            "samples": Int(score.samples), "loss": score.meanLoss, "acc1": score.accuracy1, "acc5": score.accuracy5,
            "classes": classes, "confusion": confusion,
        ])
    }

    private func text(
        _ session: EvaluationSession, _ result: EvaluationSession.Result, _ matrix: ConfusionMatrix
    ) -> String {
        let score = result.score
        return """
            \(session.splitName) of \(session.dataFile): \(Int(score.samples)) samples
            loss  \(score.meanLoss)
            acc1  \(score.accuracy1)
            acc5  \(score.accuracy5)

            \(ConfusionText.terminal(matrix))
            """
    }

    private func title(_ session: EvaluationSession, _ result: EvaluationSession.Result) -> String {
        let dataName = (session.dataFile as NSString).lastPathComponent
        return "\(session.checkpoint.header.model) on \(session.splitName) of \(dataName): acc1 "
            + String(format: "%.4f", result.score.accuracy1)
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
