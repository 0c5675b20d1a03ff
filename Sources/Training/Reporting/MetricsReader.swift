internal import Files
package import Report

/// Reads a metrics.jsonl that may grow, each line once.
package struct MetricsReader {
    package let path: String
    package private(set) var history = RunHistory()
    /// Lines that are no events.
    package private(set) var badLines = 0
    private var offset = 0
    /// The beginning of a line whose end is not there yet.
    private var rest: [UInt8] = []

    private static let pieceBytes = 1 << 20
    private static let longestLine = 1 << 24
    private static let expected = "expected a run's metrics.jsonl, or its run folder"

    package init(path: String) { self.path = path }

    /// Reads what has been added. Throws: `Failure(.inputMissing)`, `.inputOutput`.
    package mutating func readOn() throws {
        let file = try InputFile(path, expected: Self.expected)
        while true {
            let piece = try file.bytes(offset..<offset + Self.pieceBytes)
            guard !piece.isEmpty else { return }
            offset += piece.count
            rest += piece
            guard let end = rest.lastIndex(of: UInt8(ascii: "\n")) else {
                // What has no end is no line of ours, and must not fill the memory.
                if rest.count > Self.longestLine { rest = [] }
                continue
            }
            badLines += history.add(lines: rest[..<end].split(separator: UInt8(ascii: "\n")))
            rest.removeSubrange(...end)
        }
    }
}
