internal import Files
internal import Report

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
        var texts = lines.lines(of: event, elapsed: time.elapsed).map { ($0.isWarning ? "warning" : "info", $0.text) }
        if case .failed(let failure, _) = event { texts = [("error", failure.description)] }
        guard !texts.isEmpty else { return nil }
        let stamp = LocalTime.text(time.unix, "%Y-%m-%dT%H:%M:%SZ", isUTC: true)
        let rows = texts.flatMap { level, text in
            text.split(separator: "\n").map { "\(stamp) \(level) \($0)\n" }
        }
        do {
            try file.append(rows.joined())
            return nil
        } catch {
            return "\(error)"
        }
    }
}
