internal import Glibc

/// Moments as people read them; without Foundation's formatters, which take longer to load than a page takes to make.
package enum LocalTime {
    /// A moment in seconds since 1970 in the words of strftime: "%Y-%m-%d %H:%M". Empty where there is none to say.
    package static func text(_ unix: Double, _ format: String, isUTC: Bool = false) -> String {
        guard unix.isFinite, abs(unix) < 1e11 else { return "" }
        var (seconds, parts) = (time_t(unix.rounded(.down)), tm())
        guard (isUTC ? gmtime_r(&seconds, &parts) : localtime_r(&seconds, &parts)) != nil else { return "" }
        return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 128) { text in
            strftime(text.baseAddress!, text.count, format, &parts) > 0 ? String(cString: text.baseAddress!) : ""
        }
    }
}
