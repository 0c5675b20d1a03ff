internal import Files
internal import Foundation

/// train.log: a run's lines with time and level in front.
final class RunLog: RunEventSink {
    private var lines: RunLines
    private let file: AppendFile

    /// Throws: `Failure(.cannotCreate)`.
    init(path: String, lines: RunLines) throws {
        file = try AppendFile(path: path)
        self.lines = lines
    }

    func receive(_ event: RunEvent, at time: RunTime) -> String? {
        let texts = lines.lines(of: event, elapsed: time.elapsed)
        guard !texts.isEmpty else { return nil }
        let stamp = Date(timeIntervalSince1970: time.unix).formatted(.iso8601)
        let rows = texts.flatMap { line in
            line.text.split(separator: "\n").map { "\(stamp) \(line.isWarning ? "warning" : "info") \($0)\n" }
        }
        do {
            try file.append(rows.joined())
            return nil
        } catch {
            return "\(error)"
        }
    }
}
