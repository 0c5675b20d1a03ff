internal import ArgumentParser
internal import DataParallel
internal import Diagnostics
internal import Files
internal import Foundation
internal import Training

/// Parses, connects the ranks, runs a command and ends the process with the contract's exit code.
@main
enum Program {
    static func main() {
        StandardStream.prepare()
        let variables = ProcessInfo.processInfo.environment
        let launch = LaunchEnvironment(variables)
        StopSignals.keepFileSizeLimitFromKilling()
        do {
            try CommandWords.requireUTF8()
            var command = try SwiftTrain.parseAsRoot()
            try Machine.checkKernelSet()
            if let collective = command as? any Command {
                run(collective, launch, variables)
            }
            StopSignals.release()
            do {
                try command.run()
            } catch {
                leave(afterSingle: error, prints: error is Failure || launch.printsUsage)
            }
        } catch {
            leave(afterSingle: error, prints: launch.printsUsage)
        }
        exit(ExitCode.done.rawValue)
    }

    private static func run(_ command: any Command, _ launch: LaunchEnvironment, _ variables: [String: String]) -> Never
    {
        var command = command
        if type(of: command).stopsAtStepBoundary { StopSignals.install() }
        StopSignals.release()
        do {
            let communicator = try launch.connect()
            let code: ExitCode
            do {
                code = try command.execute(over: communicator, environment: variables)
            } catch {
                leave(after: error, communicator)
            }
            try communicator.finalize()
            exit(code.rawValue)
        } catch {
            let isLocal = (error as? Failure)?.isLocal ?? false
            if launch.rank == 0 || isLocal { complain(error) }
            exit(code(of: error).rawValue)
        }
    }

    /// Help and version go to standard output; a usage error is one line.
    private static func leave(afterSingle error: any Error, prints: Bool) -> Never {
        if SwiftTrain.exitCode(for: error) == .success {
            do {
                if prints { try StandardOutput.line(SwiftTrain.fullMessage(for: error)) }
            } catch {
                complain(error)
                exit(code(of: error).rawValue)
            }
            exit(ExitCode.done.rawValue)
        }
        // What is no usage error of the parser's is a command's own.
        guard SwiftTrain.exitCode(for: error) == .validationFailure else {
            if prints { complain(error) }
            exit(code(of: error).rawValue)
        }
        if prints {
            let advice = CommandAdvice(arguments: Array(CommandLine.arguments.dropFirst()))
            var words =
                advice.words
                ?? SwiftTrain.message(for: error).split(whereSeparator: \.isNewline)
                .map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
            // Where a word of several is expected, the parser lists them.
            if advice.words == nil, words.contains("is invalid for"), !words.contains("Please provide") {
                words +=
                    words.contains("<seconds>") ? ", expected a number" : ", expected a whole number that 64 bits hold"
            }
            StandardError.line("\(ExitCode.usage.label): \(words) (see \(advice.command) --help)")
        }
        exit(ExitCode.usage.rawValue)
    }

    /// A failure that all ranks share ends them one by one, with one message; any other ends the job at once.
    private static func leave(after error: any Error, _ communicator: any Communicator) -> Never {
        let code = code(of: error)
        let isShared = (error as? Failure).map { !$0.isLocal } ?? false
        if isShared || communicator.size == 1 {
            if communicator.rank == 0 { complain(error) }
            try? communicator.finalize()
            exit(code.rawValue)
        }
        complain(error, by: "[rank \(communicator.rank)@\(RankAgreement.hostName())] ")
        communicator.abort(exitCode: code.rawValue)
    }

    private static func code(of error: any Error) -> ExitCode {
        (error as? Failure)?.code ?? .internalError
    }

    /// A failure without words has nothing to say that the user does not know.
    private static func complain(_ error: any Error, by rank: String = "") {
        if let failure = error as? Failure, failure.message.isEmpty { return }
        StandardError.line("\(rank)\(error)".printableLines)
    }
}
