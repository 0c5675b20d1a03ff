internal import ArgumentParser
internal import DataParallel
internal import Diagnostics
internal import Foundation
internal import Models
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

    @Option(help: "Threads of each rank; default: its share of the cores.")
    var threads: Int?

    @Flag(help: "Print one JSON object; loss and accuracies carry all their digits.")
    var json = false

    func validate() throws {
        if let threads, threads < 1 || threads > 1024 {
            throw ValidationError("--threads \(threads): expected 1…1024")
        }
    }

    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode {
        let session = try EvaluationSession(
            checkpointPath: checkpoint, data: data, split: split, threads: threads, models: ModelRegistry.names,
            communicator: communicator, makeModel: ModelRegistry.description)
        let score = try session.score()
        guard communicator.rank == 0 else { return .done }
        if json {
            print(
                try JSONLine.text([
                    "samples": Int(score.samples), "loss": score.meanLoss, "acc1": score.accuracy1,
                    "acc5": score.accuracy5,
                ]))
        } else {
            print("\(session.splitName) of \(session.dataFile): \(Int(score.samples)) samples")
            print("loss  \(score.meanLoss)")
            print("acc1  \(score.accuracy1)")
            print("acc5  \(score.accuracy5)")
        }
        return .done
    }
}
