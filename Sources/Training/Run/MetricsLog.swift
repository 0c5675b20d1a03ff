internal import Files
internal import Foundation

/// metrics.jsonl: one JSON object a line, appended whole; numbers that are not finite become null.
///
/// `@unchecked Sendable`: lines are appended by the training thread alone; the saving thread only calls `synchronize`,
/// which touches nothing but the descriptor.
package final class MetricsLog: @unchecked Sendable {
    package enum Event: String {
        case start, step, epoch, eval, checkpoint, warning, end
    }

    private let file: AppendFile
    package var byteCount: Int { file.byteCount }

    /// Opens the file and cuts it to the first `keeping` bytes: what a checkpoint knew of it.
    ///
    /// Throws: `Failure(.cannotCreate)`.
    package init(path: String, keeping: Int) throws {
        file = try AppendFile(path: path, keeping: keeping)
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
        else { return "\(file.path): a value of event \(event.rawValue) has no JSON form" }
        line.append(0x0A)
        do {
            try line.withUnsafeBytes { try file.append($0) }
            return nil
        } catch {
            return "\(error)"
        }
    }

    /// Makes what has been appended durable.
    package func synchronize() throws { try file.synchronize() }

    private static func finite(_ value: Any) -> Any {
        if let number = value as? Double, !number.isFinite { return NSNull() }
        return value
    }
}
