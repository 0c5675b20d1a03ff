internal import ArgumentParser
internal import Diagnostics
internal import Glibc

@main
struct SwiftTrain: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "swift-train", subcommands: [ConvertCommand.self, InspectCommand.self])

    /// Runs the command; a failure prints its line and ends with its code.
    static func main() {
        do {
            var command = try parseAsRoot()
            try command.run()
        } catch let failure as Failure {
            let line = Array("\(failure)\n".utf8)
            _ = write(STDERR_FILENO, line, line.count)
            Glibc.exit(failure.code.rawValue)
        } catch {
            exit(withError: error)
        }
    }
}
