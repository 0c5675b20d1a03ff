/// What a terminal shows of what a program writes: enough of one to judge lines that are drawn over.
///
/// Rows wrap behind the last column, and are wrapped anew when the terminal is resized, as most terminals do. Every
/// character takes one column.
package struct TerminalScreen {
    private struct Row {
        var cells: [Character] = []
        /// Whether the next row is the rest of this one.
        var isWrapped = false
    }

    private var columns: Int
    private var rows = [Row()]
    private var row = 0
    /// Behind the last column where a character has just been written there.
    private var column = 0
    /// How often a character had no room in its row.
    package private(set) var wraps = 0

    package init(columns: Int) {
        self.columns = columns
    }

    /// All rows that were ever written, without blanks at their ends; and without empty ones at the end.
    package var lines: [String] {
        var lines = rows.map { row in
            String(String(row.cells).reversed().drop { $0 == " " }.reversed())
        }
        while lines.last?.isEmpty == true { lines.removeLast() }
        return lines
    }

    package mutating func write(_ text: String) {
        var scalars = Array(text.unicodeScalars)[...]
        while let scalar = scalars.popFirst() {
            switch scalar {
            case "\r": column = 0
            case "\n": feed()
            case "\u{1B}": escape(&scalars)
            default: put(Character(scalar))
            }
        }
    }

    package mutating func resize(columns: Int) {
        var all: [[Character]] = [[]]
        var (cursorLine, cursorOffset) = (0, 0)
        for (index, row) in rows.enumerated() {
            if index == self.row { (cursorLine, cursorOffset) = (all.count - 1, all[all.count - 1].count + column) }
            all[all.count - 1] += row.cells
            if !row.isWrapped { all.append([]) }
        }
        if all.count > 1, all.last?.isEmpty == true { all.removeLast() }
        self.columns = columns
        rows = []
        for (index, cells) in all.enumerated() {
            if index == cursorLine {
                let isBehind = cursorOffset > 0 && cursorOffset % columns == 0
                row = rows.count + cursorOffset / columns - (isBehind ? 1 : 0)
                column = isBehind ? columns : cursorOffset % columns
            }
            let parts = max(1, (cells.count + columns - 1) / columns)
            for part in 0..<parts {
                rows.append(
                    Row(
                        cells: Array(cells[min(cells.count, part * columns)..<min(cells.count, (part + 1) * columns)]),
                        isWrapped: part < parts - 1))
            }
        }
        while rows.count <= row { rows.append(Row()) }
    }

    private mutating func feed() {
        rows[row].isWrapped = false
        row += 1
        if row == rows.count { rows.append(Row()) }
    }

    private mutating func put(_ character: Character) {
        if column == columns {
            wraps += 1
            feed()
            rows[row - 1].isWrapped = true
            column = 0
        }
        while rows[row].cells.count <= column { rows[row].cells.append(" ") }
        rows[row].cells[column] = character
        column += 1
    }

    /// Upwards, and what erases to the end of the row or of the screen.
    private mutating func escape(_ scalars: inout ArraySlice<Unicode.Scalar>) {
        guard scalars.popFirst() == "[" else { return }
        var number = ""
        while let scalar = scalars.popFirst() {
            if ("0"..."9").contains(scalar) {
                number.unicodeScalars.append(scalar)
                continue
            }
            switch scalar {
            case "A":
                row = max(0, row - (Int(number) ?? 1))
                column = min(column, columns - 1)
            case "K", "J":
                rows[row].cells = Array(rows[row].cells.prefix(column))
                rows[row].isWrapped = false
                if scalar == "J" { rows.removeSubrange((row + 1)...) }
            default: break
            }
            return
        }
    }
}
