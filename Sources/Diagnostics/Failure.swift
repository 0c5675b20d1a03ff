/// What went wrong, for the user, with the exit code that it ends the process with.
///
/// The message is one line: file, place, found, expected, what to do. Rank 0 prints it; a failure that only one rank
/// can know (its own disk, its own memory) carries `isLocal`, and that rank prints it with its name in front.
package struct Failure: Error, Equatable, CustomStringConvertible {
    package let code: ExitCode
    package let message: String
    package let isLocal: Bool

    package init(_ code: ExitCode, _ message: String, isLocal: Bool = false) {
        self.code = code
        self.message = message
        self.isLocal = isLocal
    }

    package var description: String { "\(code.label): \(message)" }
}
