internal import Foundation

/// A bar on standard error for a process alone on a terminal; launchers' pseudo-terminals and files get lines instead.
package struct ProgressBar {
    /// nil unless standard error is a terminal that can move its cursor and no launcher is in between.
    package init?(isSingleProcess: Bool, environment: [String: String]) {
        guard isSingleProcess, isatty(STDERR_FILENO) == 1, environment["TERM"] != "dumb", environment["CI"] == nil
        else { return nil }
    }

    /// Draws over the last line.
    package func draw(epoch: Int, done: Int, of total: Int, note: String) {
        put("\r\u{1B}[K" + Self.line(epoch: epoch, done: done, of: total, note: note))
    }

    /// Removes the bar, so that a line can be printed.
    package func clear() { put("\r\u{1B}[K") }

    /// "epoch 3 [#####.....] 937/1875 note".
    static func line(epoch: Int, done: Int, of total: Int, note: String) -> String {
        let width = 24
        let filled = total > 0 ? done * width / total : 0
        let bar = String(repeating: "#", count: filled) + String(repeating: ".", count: width - filled)
        return "epoch \(epoch) [\(bar)] \(done)/\(total) \(note)"
    }

    private func put(_ text: String) {
        Array(text.utf8).withUnsafeBytes { _ = Glibc.write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
