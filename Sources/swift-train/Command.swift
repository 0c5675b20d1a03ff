internal import ArgumentParser
internal import DataParallel
internal import Diagnostics
internal import Training

/// ArgumentParser has a type of this name too.
typealias ExitCode = Diagnostics.ExitCode

/// A subcommand that may run on several ranks.
protocol Command: ParsableCommand {
    /// Whether a signal is a request to stop soon, instead of the end of the process.
    static var stopsAtStepBoundary: Bool { get }

    /// Runs on every rank and returns what the process ends with.
    ///
    /// Throws: `Failure`, the same on every rank unless it is local; or the communicator's errors.
    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode
}

extension Command {
    static var stopsAtStepBoundary: Bool { false }
}

/// `--threads` of the commands that compute.
struct ThreadOption: ParsableArguments {
    @Option(
        parsing: .unconditional,
        help: ArgumentHelp("Threads of each rank; default: its share of the cores.", valueName: "n"))
    var threads: Int?

    func validate() throws {
        if let threads, let reason = Self.refusal(of: threads) { throw ValidationError(reason) }
    }

    /// What is wrong with that number of threads.
    static func refusal(of threads: Int) -> String? {
        (1...1024).contains(threads) ? nil : "--threads \(threads): expected 1…1024"
    }
}

/// Options of the commands that train.
struct RunOptions: ParsableArguments {
    @Option(
        name: .customLong("set"),
        help: ArgumentHelp(
            "Set any key of the configuration; --print-config lists them. The value is all text behind =.",
            valueName: "key=value"),
        completion: .list(ConfigurationKeys.paths.map { $0 + "=" }))
    var assignments: [String] = []

    @Option(
        help: ArgumentHelp("The run folder itself, instead of a new one below runs_dir.", valueName: "dir"),
        completion: .directory, transform: HomePath.expanded)
    var runDir: String?

    @OptionGroup var parallel: ThreadOption

    @Flag(help: "Print nothing but warnings and errors; the run folder's train.log has all lines.")
    var quiet = false

    func validate() throws {
        // An empty name would put the run folder's files below the root of the file system.
        if runDir == "" { throw ValidationError("--run-dir is empty, expected the name of a folder") }
    }
}
