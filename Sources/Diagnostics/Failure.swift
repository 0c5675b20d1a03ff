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

/// The process exit codes of every command; values follow sysexits where it has one.
package enum ExitCode: Int32, Sendable {
    case done = 0
    case usage = 64
    /// Bad data or a bad checkpoint.
    case badData = 65
    case inputMissing = 66
    /// A bug in this program, or the watchdog.
    case internalError = 70
    case cannotCreate = 73
    /// Input/output failed, or the disk is full.
    case inputOutput = 74
    /// Stopped early with a checkpoint saved: run the same command again.
    case stoppedEarly = 75
    case ranksDisagree = 76
    case configuration = 78
    /// Loss or gradient is NaN or infinite.
    case notFinite = 80

    /// The words that open an error line.
    package var label: String {
        switch self {
        case .done: "done"
        case .usage: "usage error"
        case .badData: "data error"
        case .inputMissing: "input missing"
        case .internalError: "internal error"
        case .cannotCreate: "cannot create output"
        case .inputOutput: "input/output error"
        case .stoppedEarly: "stopped early"
        case .ranksDisagree: "ranks disagree"
        case .configuration: "configuration error"
        case .notFinite: "not finite"
        }
    }
}
