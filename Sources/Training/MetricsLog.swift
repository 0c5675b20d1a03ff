internal import Diagnostics
internal import Foundation

/// metrics.jsonl: one JSON object a line, appended whole; numbers that are not finite become null.
package final class MetricsLog {
    package enum Event: String {
        case start, step, epoch, eval, checkpoint, warning, end
    }

    private let path: String
    private let file: Int32
    package private(set) var byteCount = 0

    /// Throws: `Failure(.cannotCreate)`.
    package init(path: String) throws {
        self.path = path
        file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Failure(.cannotCreate, "\(path): \(String(cString: strerror(errno)))") }
        byteCount = Int(lseek(file, 0, SEEK_END))
    }

    deinit {
        close(file)
    }

    /// Appends one line. Values are numbers, texts, booleans, lists and dictionaries.
    package func append(_ event: Event, _ values: [String: Any]) throws {
        var object = values.mapValues(Self.finite)
        object["event"] = event.rawValue
        var line = try JSONSerialization.data(withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        line.append(0x0A)
        let written = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        guard written == line.count else {
            throw Failure(.inputOutput, "\(path): write: \(String(cString: strerror(errno)))")
        }
        byteCount += line.count
    }

    /// Makes what has been appended durable.
    package func synchronize() throws {
        guard fsync(file) == 0 else {
            throw Failure(.inputOutput, "\(path): fsync: \(String(cString: strerror(errno)))")
        }
    }

    private static func finite(_ value: Any) -> Any {
        if let number = value as? Double, !number.isFinite { return NSNull() }
        return value
    }
}
