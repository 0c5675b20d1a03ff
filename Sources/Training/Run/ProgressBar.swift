internal import Diagnostics
internal import Foundation

/// A bar on standard error for a process alone on a terminal; launchers' pseudo-terminals and files get lines instead.
package struct ProgressBar {
    /// What a bar shows besides itself.
    struct State {
        var epoch = 1
        /// nil where the run is counted in steps.
        var epochs: Int?
        var done = 0
        var total = 0
        /// Until the end of the run; nil while nobody knows.
        var secondsLeft: Double?
        /// Short facts, the most important first.
        var notes: [String] = []
    }

    private static let usualColumns = 80
    private static let widestBar = 24
    private static let narrowestBar = 8

    /// nil unless standard error is a terminal that can move its cursor and no launcher is in between.
    package init?(isSingleProcess: Bool, environment: [String: String]) {
        guard isSingleProcess, isatty(STDERR_FILENO) == 1, environment["TERM"] != "dumb", environment["CI"] == nil
        else { return nil }
    }

    /// Draws over the last line.
    func draw(_ state: State) { put("\r\u{1B}[K" + Self.line(state, columns: Self.columns)) }

    /// Removes the bar, so that a line can be printed.
    package func clear() { put("\r\u{1B}[K") }

    /// "epoch 3/10 [#####.....] 937/1875  0:42 left  loss 0.2143", never wider than the terminal.
    ///
    /// The last column stays free, because a cursor behind it would be on the next line. Where space is short the least
    /// important notes go first, then the bar.
    static func line(_ state: State, columns: Int) -> String {
        let space = max(0, columns - 1)
        let head = "epoch \(state.epoch)" + (state.epochs.map { "/\($0)" } ?? "")
        let count = " \(state.done)/\(state.total)"
        let left = state.secondsLeft.map { [NumberText.duration(seconds: $0) + " left"] } ?? []
        // Loss, then how long it takes, then the rest.
        let notes = state.notes.prefix(1) + left + state.notes.dropFirst()
        var tail = count
        for note in notes {
            guard head.count + 3 + narrowestBar + tail.count + 2 + note.count <= space else { break }
            tail += "  " + note
        }
        let bar = min(widestBar, space - head.count - 3 - tail.count)
        guard bar >= narrowestBar else { return String((head + tail).prefix(space)) }
        let filled = state.total > 0 ? min(bar, state.done * bar / state.total) : 0
        return "\(head) [" + String(repeating: "#", count: filled) + String(repeating: ".", count: bar - filled) + "]"
            + tail
    }

    /// Of the terminal as it is now.
    private static var columns: Int {
        var size = winsize()
        guard ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 else { return usualColumns }
        return Int(size.ws_col)
    }

    private func put(_ text: String) {
        Array(text.utf8).withUnsafeBytes { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
