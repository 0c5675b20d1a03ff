internal import Glibc

/// How far a conversion is, on standard error: one line that is drawn over on a terminal, a line now and then elsewhere.
struct ConversionProgress {
    private let isBar: Bool
    private let isShown: Bool
    private var phase = ""
    private var total = 0
    private var start = 0.0
    private var lastShown = 0.0
    private static let barSeconds = 0.1
    private static let lineSeconds = 10.0

    init(isShown: Bool) {
        self.isShown = isShown
        let terminal = getenv("TERM").map { String(cString: $0) }
        isBar = isShown && isatty(STDERR_FILENO) == 1 && terminal != "dumb" && getenv("CI") == nil
    }

    mutating func begin(_ phase: String, total: Int) {
        self.phase = phase
        self.total = total
        start = Self.now()
        lastShown = isBar ? 0 : start
    }

    mutating func update(_ done: Int) {
        guard isShown else { return }
        let now = Self.now()
        guard now - lastShown >= (isBar ? Self.barSeconds : Self.lineSeconds) else { return }
        lastShown = now
        let text = Self.line(phase, done: done, total: total, seconds: now - start, withBar: isBar)
        Self.put(isBar ? "\r\u{1B}[K" + text : text + "\n")
    }

    /// Removes the bar.
    func end() { if isBar { Self.put("\r\u{1B}[K") } }

    /// `train 12000/60000 (20 %), 15000 images/s, 3 s left`
    static func line(_ phase: String, done: Int, total: Int, seconds: Double, withBar: Bool) -> String {
        let width = 20
        let filled = total > 0 ? done * width / total : 0
        let bar =
            withBar ? " " + String(repeating: "█", count: filled) + String(repeating: "░", count: width - filled) : ""
        let percent = total > 0 ? done * 100 / total : 100
        let rate = seconds > 0 ? Double(done) / seconds : 0
        let left = rate > 0 ? ", \(duration(Double(total - done) / rate)) left" : ""
        return "\(phase)\(bar) \(done)/\(total) (\(percent) %), \(Int(rate)) images/s\(left)"
    }

    private static func duration(_ seconds: Double) -> String {
        let whole = Int(seconds.rounded(.up))
        if whole < 90 { return "\(whole) s" }
        return whole < 5400 ? "\((whole + 30) / 60) min" : "\(whole / 3600) h \(whole % 3600 / 60) min"
    }

    private static func now() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return Double(time.tv_sec) + Double(time.tv_nsec) * 1e-9
    }

    private static func put(_ text: String) {
        Array(text.utf8).withUnsafeBytes { _ = write(STDERR_FILENO, $0.baseAddress, $0.count) }
    }
}
