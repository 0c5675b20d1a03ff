internal import Diagnostics
internal import Foundation
internal import Report

/// How far a conversion is, on standard error: one line that is drawn over on a terminal, a line now and then elsewhere.
struct ConversionProgress {
    private var statusLine: StatusLine?
    private let isShown: Bool
    private var phase = ""
    private var total = 0
    private var start = ContinuousClock.now
    private var lastShown: ContinuousClock.Instant?
    private static let barInterval = Duration.seconds(0.1)
    private static let lineInterval = Duration.seconds(10)

    init(isShown: Bool) {
        self.isShown = isShown
        statusLine = isShown ? StatusLine(environment: ProcessInfo.processInfo.environment) : nil
    }

    mutating func begin(_ phase: String, total: Int) {
        self.phase = phase
        self.total = total
        start = .now
        lastShown = statusLine == nil ? start : nil
    }

    mutating func update(_ done: Int) {
        guard isShown else { return }
        let now = ContinuousClock.now
        if let lastShown, now - lastShown < (statusLine == nil ? Self.lineInterval : Self.barInterval) { return }
        lastShown = now
        let content = Self.content(phase, done: done, total: total, seconds: (now - start) / .seconds(1))
        if statusLine == nil {
            StandardError.line(content.plainLine)
        } else {
            statusLine?.draw(content)
        }
    }

    /// Removes the bar.
    mutating func end() { statusLine?.clear() }

    /// `train ████░░░░  20 %  12,000 of 60,000 images  15.0k images/s  0:03 left`
    static func content(_ phase: String, done: Int, total: Int, seconds: Double) -> StatusLine.Content {
        let rate = seconds > 0 ? Double(done) / seconds : 0
        var notes = [
            StatusLine.Note("\(NumberText.grouped(done)) of \(NumberText.grouped(total)) images", importance: 2)
        ]
        if rate > 0 {
            notes += [
                .init("\(NumberText.compact(rate)) images/s", importance: 1),
                .init("\(NumberText.duration(seconds: Double(total - done) / rate)) left", importance: 3),
            ]
        }
        return StatusLine.Content(head: phase, fraction: total > 0 ? Double(done) / Double(total) : 1, notes: notes)
    }
}
