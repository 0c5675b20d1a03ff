internal import Files
internal import Foundation
package import Logging

/// swift-log's messages on the terminal and in train.log, written by rank 0.
///
/// Information goes to standard output as it is, warnings and errors to standard error; the log file has time and level in
/// front. A log line that cannot be written never stops a run.
package struct RunLogHandler: LogHandler {
    package var logLevel: Logger.Level = .info
    package var metadata: Logger.Metadata = [:]
    private let sink: Sink

    /// Throws: `Failure(.cannotCreate)`.
    package init(logPath: String?) throws {
        sink = Sink(file: try logPath.map { try AppendFile(path: $0) })
    }

    package subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { metadata[key] }
        set { metadata[key] = newValue }
    }

    package func log(event: LogEvent) {
        sink.write(level: event.level, message: "\(event.message)")
    }

    /// The open log file. `@unchecked Sendable`: the training thread alone writes lines.
    private final class Sink: @unchecked Sendable {
        private let file: AppendFile?

        init(file: AppendFile?) {
            self.file = file
        }

        func write(level: Logger.Level, message: String) {
            let isProblem = level >= .warning
            Self.put(message + "\n", to: isProblem ? STDERR_FILENO : STDOUT_FILENO)
            guard let file else { return }
            let time = Date().formatted(.iso8601)
            for line in message.split(separator: "\n") { try? file.append("\(time) \(level.rawValue) \(line)\n") }
        }

        private static func put(_ text: String, to file: Int32) {
            Array(text.utf8).withUnsafeBytes { bytes in
                _ = Glibc.write(file, bytes.baseAddress, bytes.count)
            }
        }
    }
}
