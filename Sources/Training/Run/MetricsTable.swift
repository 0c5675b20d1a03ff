internal import Diagnostics
internal import Files
internal import Report

/// The numbers of a run's metrics.jsonl as one table of comma-separated values: a row for each `step`, `epoch` and `eval`.
package struct MetricsTable {
    /// Lines end with line feeds alone; what an event does not have is empty.
    package let csv: String
    /// Without the header.
    package let rowCount: Int

    package static let columns = [
        "event", "epoch", "step", "split", "loss", "acc1", "acc5", "lr", "images_per_second", "seconds",
        "training_seconds", "data_wait_seconds", "communication_seconds", "time",
    ]
    private static let events = ["step", "epoch", "eval"]
    private static let largestBytes = 1 << 30
    private static let expected = "expected a run's metrics.jsonl, or its run folder"

    /// Throws: `Failure(.inputMissing)`, `.badData` with the line that is no object.
    package init(path: String) throws {
        let bytes = try InputFile(path, expected: Self.expected).bytes(atMost: Self.largestBytes)
        var rows = [CSV.row(Self.columns)]
        for (index, line) in bytes.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false).enumerated()
        where !line.isEmpty {
            guard let object = JSON(parsing: String(decoding: line, as: UTF8.self)),
                case .string(let event)? = object[key: "event"]
            else {
                throw Failure(
                    .badData, "\(path):\(index + 1): is no object with an event, \(Self.expected)")
            }
            guard Self.events.contains(event) else { continue }
            rows.append(
                CSV.row(
                    Self.columns.map { column in
                        guard let value = object[key: column], value != .null else { return "" }
                        return value.plain
                    }))
        }
        csv = rows.map { $0 + "\n" }.joined()
        rowCount = rows.count - 1
    }
}
