internal import ArgumentParser
internal import Training

/// The command line: words in, calls out.
struct SwiftTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swift-train",
        abstract:
            "Trains convolutional networks on CPUs, alone or under mpirun, to the same bits on any number of ranks.",
        version: Machine.version,
        subcommands: [
            TrainCommand.self, EvaluateCommand.self, ConvertCommand.self, InspectCommand.self, SummaryCommand.self,
            BenchCommand.self,
        ],
        defaultSubcommand: TrainCommand.self)
}
