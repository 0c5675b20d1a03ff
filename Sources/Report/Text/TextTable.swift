/// Rows of text in columns: the one way in which commands draw tables.
package struct TextTable {
    package enum Alignment: Sendable {
        case left, right
    }

    /// Of each column; the last stands for all further ones.
    private let alignments: [Alignment]
    private let rows: [[String]]
    private let indent: String

    private static let gap = "  "

    /// A row may be shorter than others.
    package init(_ rows: [[String]], _ alignments: [Alignment], indent: Int = 0) {
        precondition(!alignments.isEmpty, "a table needs an alignment")
        self.rows = rows
        self.alignments = alignments
        self.indent = String(repeating: " ", count: indent)
    }

    /// Names with what they stand for behind them.
    package init(facts: [(key: String, value: String)], indent: Int = 0) {
        self.init(facts.map { [$0.key, $0.value] }, [.left], indent: indent)
    }

    /// One for each row, without spaces at its end.
    package var lines: [String] {
        let widths = widths
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.terminalColumns)
                return alignment(column) == .left ? cell + space : space + cell
            }
            let line = indent + cells.joined(separator: Self.gap)
            return String(line[..<(line.lastIndex { $0 != " " }.map(line.index(after:)) ?? line.startIndex)])
        }
    }

    package var text: String { lines.joined(separator: "\n") }

    /// A line as wide as the table.
    package var rule: String {
        indent + String(repeating: "─", count: widths.reduce(0, +) + Self.gap.count * max(0, widths.count - 1))
    }

    private var widths: [Int] {
        (0..<(rows.map(\.count).max() ?? 0)).map { column in
            rows.map { column < $0.count ? $0[column].terminalColumns : 0 }.max() ?? 0
        }
    }

    private func alignment(_ column: Int) -> Alignment { alignments[min(column, alignments.count - 1)] }
}

extension String {
    /// Columns that a terminal gives the text: wide scripts and emoji take two, marks over other characters none.
    package var terminalColumns: Int {
        if utf8.count == count { return count }
        return reduce(0) { columns, character in
            guard let scalar = character.unicodeScalars.first else { return columns }
            switch scalar.value {
            case 0x0300...0x036F, 0x200B...0x200D, 0xFE00...0xFE0F: return columns
            case 0x1100...0x115F, 0x2E80...0x303E, 0x3041...0xA4CF, 0xA960...0xA97C, 0xAC00...0xD7A3, 0xF900...0xFAFF,
                0xFE30...0xFE6F, 0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x1F300...0x1F64F, 0x1F680...0x1F6FF,
                0x1F900...0x1F9FF, 0x20000...0x3FFFD:
                return columns + 2
            default: return columns + 1
            }
        }
    }

    /// Its beginning with a mark of what is missing, if it is longer.
    package func shortened(to length: Int) -> String { count <= length ? self : prefix(length - 1) + "…" }
}
