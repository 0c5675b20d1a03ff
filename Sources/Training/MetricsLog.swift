internal import Diagnostics
internal import Foundation

/// metrics.jsonl: one JSON object a line, appended whole; numbers that are not finite become null.
///
/// `@unchecked Sendable`: lines are appended by the training thread alone; the saving thread only calls `synchronize`,
/// which touches nothing but the descriptor.
package final class MetricsLog: @unchecked Sendable {
    package enum Event: String {
        case start, step, epoch, eval, checkpoint, warning, end
    }

    private let path: String
    private let file: Int32
    package private(set) var byteCount = 0

    /// Opens the file and cuts it to the first `keeping` bytes: what a checkpoint knew of it.
    ///
    /// Throws: `Failure(.cannotCreate)`.
    package init(path: String, keeping: Int) throws {
        self.path = path
        file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw Failure(.cannotCreate, "\(path): \(String(cString: strerror(errno)))") }
        let found = Int(lseek(file, 0, SEEK_END))
        byteCount = min(found, keeping)
        if found > byteCount { ftruncate(file, off_t(byteCount)) }
    }

    deinit {
        close(file)
    }

    /// Appends one line; values are numbers, texts, booleans, lists and dictionaries. A line that cannot be written is
    /// lost and never stops a run: the call says why, nil when all is well.
    @discardableResult
    package func append(_ event: Event, _ values: [String: Any]) -> String? {
        var object = values.mapValues(Self.finite)
        object["event"] = event.rawValue
        guard
            var line = try? JSONSerialization.data(
                withJSONObject: object, options: [.sortedKeys, .withoutEscapingSlashes])
        else { return "\(path): a value of event \(event.rawValue) has no JSON form" }
        line.append(0x0A)
        let written = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
        guard written == line.count else {
            let reason = String(cString: strerror(errno))
            // Half a line would spoil the ones behind it.
            if written > 0 { ftruncate(file, off_t(byteCount)) }
            return "\(path): write: \(reason)"
        }
        byteCount += line.count
        return nil
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
