internal import ArgumentParser
internal import Tensors
internal import Training

/// The command line: words in, calls out.
///
/// Help texts are ASCII: the man page's generator drops other characters.
struct SwiftTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swift-train",
        abstract:
            "Trains convolutional networks on CPUs, alone or under mpirun, to the same bits on any number of ranks.",
        discussion: """
            Without a command: train.

            Examples:
              swift-train                               a first run on drawn data
              swift-train --config FILE --data FILE     a run of your own
              swift-train --run-dir RUN                 go on with a run as it was
              swift-train evaluate RUN                  score its best checkpoint
              swift-train predict RUN PHOTOS            say what photos show
              swift-train finetune PHOTOS --weights W   teach published weights your classes
              swift-train filter PHOTO --kernel box:5   what a kernel makes of a photo
              swift-train features RUN PHOTO -o M.png   what the network makes of it inside
              swift-train explain RUN PHOTO -o W.png    where in it the network finds the class
              mpirun -np 4 swift-train --config FILE    the same on four ranks

            Exit codes: 0 done, 64 usage, 65 bad data or checkpoint, 66 input missing, 70 internal error or \
            watchdog, 73 cannot create output, 74 input or output failed (a full disk, a lost standard output), 75 \
            stopped early with a checkpoint saved, 76 ranks disagree, 78 configuration, 80 not finite, 130 \
            interrupted twice.

            Environment: SWIFT_TRAIN_ISA names the kernels to use instead of the widest that the processor runs \
            (\(KernelSet.names.joined(separator: ", "))).

            Files: a run folder holds config.yaml, command.txt, environment.json, train.log, metrics.jsonl, report.html and \
            checkpoints/ with step-NUMBER.h5, best.h5 and last.
            """,
        version: Machine.version,
        subcommands: [
            TrainCommand.self, EvaluateCommand.self, PredictCommand.self, FinetuneCommand.self, ConvertCommand.self,
            InspectCommand.self, ReportCommand.self, RunsCommand.self, FilterCommand.self, FeaturesCommand.self,
            ExplainCommand.self, SummaryCommand.self, BenchCommand.self, ExportCommand.self, KeysCommand.self,
        ],
        defaultSubcommand: TrainCommand.self)
}
