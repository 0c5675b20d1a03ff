internal import Diagnostics
internal import Glibc

/// The last line of a terminal, drawn over again and again on standard error; for a terminal alone.
///
/// A launcher's pseudo-terminal and files get lines instead.
package struct StatusLine {
    /// Whether bars are drawn with the characters for it.
    private let isUnicode: Bool
    /// Columns of what stands there now.
    private var drawnColumns = 0

    private static let usualColumns = 80
    private static let gap = "  "
    private static let widestBar = 40
    private static let narrowestBar = 6
    /// Room for the cursor, and for the ^C that a terminal writes where it stands.
    private static let freeColumns = 3

    init(isUnicode: Bool) {
        self.isUnicode = isUnicode
    }

    /// nil unless standard error is a terminal that can move its cursor and show lines that change.
    package init?(environment: [String: String]) {
        guard isatty(STDERR_FILENO) == 1, environment["TERM"] != "dumb", environment["CI"] == nil else { return nil }
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].lazy.compactMap { environment[$0] }.first { !$0.isEmpty } ?? ""
        self.init(isUnicode: locale.uppercased().replacing("-", with: "").contains("UTF8"))
    }

    /// Draws over what stands there.
    package mutating func draw(_ content: Content) { put(drawing(content, columns: Self.columns)) }

    /// Removes it, so that a line can be printed.
    package mutating func clear() {
        guard drawnColumns > 0 else { return }
        put(clearing(columns: Self.columns))
    }

    /// What draws the content on a terminal of so many columns.
    mutating func drawing(_ content: Content, columns: Int) -> String {
        let line = content.line(columns: columns, isUnicode: isUnicode)
        defer { drawnColumns = line.terminalColumns }
        return erasing(columns) + line
    }

    mutating func clearing(columns: Int) -> String {
        defer { drawnColumns = 0 }
        return erasing(columns)
    }

    /// Goes to the start of what stands there and removes it. In a terminal that has become narrower it takes more rows.
    private func erasing(_ columns: Int) -> String {
        let rowsAbove = columns > 0 ? max(0, drawnColumns - 1) / columns : 0
        return rowsAbove == 0 ? "\r\u{1B}[K" : "\r\u{1B}[\(rowsAbove)A\u{1B}[J"
    }

    /// Of the terminal as it is now.
    private static var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return usualColumns }
        return Int(size.ws_col)
    }

    private func put(_ text: String) { _ = StandardStream.write(text, to: STDERR_FILENO) }

    /// A short fact beside the bar.
    package struct Note: Equatable, Sendable {
        package let text: String
        /// Where room is short the least important go first.
        package let importance: Int

        package init(_ text: String, importance: Int) {
            self.text = text
            self.importance = importance
        }
    }

    /// What is done, how far it is, and what else is to be said of it.
    package struct Content: Sendable {
        package var head: String
        /// Of the work, 0…1.
        package var fraction: Double
        package var notes: [Note]

        package init(head: String, fraction: Double, notes: [Note]) {
            self.head = head
            self.fraction = fraction.isFinite ? min(1, max(0, fraction)) : 0
            self.notes = notes
        }

        /// Never 100 % of something that goes on.
        private var percent: String { "\(Int(fraction * 100)) %" }

        /// Without a bar, for what is no terminal: "train  45 %  27,000 of 60,000 images".
        package var plainLine: String { ([head, percent] + notes.map(\.text)).joined(separator: "  ") }

        /// "epoch 2/10 ███░░░  45 %  loss 0.723  acc 0.731", narrower than the terminal.
        ///
        /// Where room is short the least important notes go first, then the bar.
        package func line(columns: Int, isUnicode: Bool) -> String {
            let space = max(0, columns - StatusLine.freeColumns)
            let percent = (fraction < 0.1 ? " " : "") + percent
            var used = head.terminalColumns + 2 + percent.terminalColumns
            var shown: Set<Int> = []
            for (place, note) in notes.enumerated().sorted(by: { $0.element.importance > $1.element.importance }) {
                let more = StatusLine.gap.count + note.text.terminalColumns
                guard used + more + StatusLine.narrowestBar <= space else { break }
                used += more
                shown.insert(place)
            }
            let bar = min(StatusLine.widestBar, space - used)
            guard bar >= StatusLine.narrowestBar else { return String("\(head) \(self.percent)".prefix(space)) }
            let filled = Int(fraction * Double(bar))
            let (full, empty) = isUnicode ? ("█", "░") : ("#", ".")
            let drawn = String(repeating: full, count: filled) + String(repeating: empty, count: bar - filled)
            return ([head + " " + drawn + " " + percent] + notes.indices.filter(shown.contains).map { notes[$0].text })
                .joined(separator: StatusLine.gap)
        }
    }
}
