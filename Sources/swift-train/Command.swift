internal import ArgumentParser
internal import DataParallel
internal import Diagnostics

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
