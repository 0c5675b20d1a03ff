internal import ArgumentParser
internal import DataParallel
internal import Diagnostics

/// A subcommand that may run on several ranks.
protocol Command: ParsableCommand {
    /// Runs on every rank. Throws: `Failure`, the same on every rank unless it is local; or the communicator's errors.
    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws
}

extension Command {
    /// ArgumentParser's entry; `SwiftTrain.main` calls `execute` instead.
    mutating func run() throws {
        try execute(over: SingleCommunicator(), environment: [:])
    }
}
