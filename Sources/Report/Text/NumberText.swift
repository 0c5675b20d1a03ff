internal import Foundation

/// Numbers as they are shown to people; JSON keeps all their digits.
package enum NumberText {
    /// 1234567 as "1,234,567".
    package static func grouped(_ number: Int) -> String {
        let digits = Array("\(number.magnitude)")
        let groups = digits.indices.map { index in
            let left = digits.count - index
            return (index > 0 && left % 3 == 0 ? "," : "") + String(digits[index])
        }
        return (number < 0 ? "-" : "") + groups.joined()
    }

    /// "1 rank", "1,875 steps".
    package static func counted(_ number: Int, _ noun: String) -> String {
        "\(grouped(number)) \(noun)\(number == 1 ? "" : "s")"
    }

    /// Bytes as millions of them: "1,234.5 MB".
    package static func megabytes(_ bytes: Int) -> String { tenths(bytes, of: 1_000_000) + " MB" }

    /// Bytes as thousands of millions of them: "3.2 GB".
    package static func gigabytes(_ bytes: Int) -> String { tenths(bytes, of: 1_000_000_000) + " GB" }

    private static func tenths(_ number: Int, of unit: Int) -> String {
        let tenths = number / (unit / 10) + (number % (unit / 10) >= unit / 20 ? 1 : 0)
        return "\(grouped(tenths / 10)).\(tenths % 10)"
    }

    /// So many digits behind the point. What is not a number has no sign.
    package static func decimal(_ value: Double, _ digits: Int) -> String {
        value.isFinite ? String(format: "%.\(digits)f", value) : plain(value)
    }

    /// So many significant digits, without zeros behind them; numbers below 10⁹ have all digits in front of the point: 65535, not
    /// 6.554e+04.
    package static func significant(_ value: Double, _ digits: Int = 4) -> String {
        guard value.isFinite else { return plain(value) }
        let isLarge = value.magnitude < 1e9 && value.rounded().magnitude >= pow(10, Double(digits))
        return String(format: isLarge ? "%.0f" : "%.\(digits)g", value)
    }

    /// The smallest and the largest: "-1.5 … 3", "0 … 1, 2 not finite".
    package static func extremes(_ values: [Float]) -> String {
        let finite = values.filter(\.isFinite)
        guard let low = finite.min(), let high = finite.max() else {
            return values.isEmpty ? "none" : "none that is finite"
        }
        let others = values.count - finite.count
        return "\(significant(Double(low))) … \(significant(Double(high)))"
            + (others > 0 ? ", \(grouped(others)) not finite" : "")
    }

    /// Three digits where there is little room: "0.723", "9.87", "853", "20.3k", "1.25M".
    package static func compact(_ value: Double) -> String {
        guard value.isFinite else { return plain(value) }
        var (scaled, suffix) = (value, "")
        for next in ["k", "M", "G", "T"] where scaled.magnitude >= 999.5 {
            (scaled, suffix) = (scaled / 1000, next)
        }
        let digits = [99.95, 9.995, 0.9995].firstIndex { scaled.magnitude >= $0 } ?? 3
        return decimal(scaled, digits) + suffix
    }

    /// A fraction of 1 as "12 %", or "1.2 %" with a digit behind the point.
    package static func percent(_ fraction: Double, _ digits: Int = 0) -> String {
        decimal(100 * fraction, digits) + " %"
    }

    /// All digits; what is not a number has no sign.
    package static func plain(_ value: Double) -> String { value.isNaN ? "nan" : "\(value)" }

    /// What took a while: "0.04 s", "7.3 s", "42 s", and from a minute on as `duration`.
    package static func time(seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 59.5 else { return duration(seconds: seconds) }
        if seconds == 0 { return "0 s" }
        if seconds < 0.005 { return "< 0.01 s" }
        return "\(decimal(seconds, seconds < 0.995 ? 2 : seconds < 9.95 ? 1 : 0)) s"
    }

    /// "0:42", "12:05", "3:02:11" or "4 d 03 h".
    package static func duration(seconds: Double) -> String {
        guard seconds.isFinite, seconds >= 0, seconds < 1e9 else { return "?" }
        let all = Int(seconds.rounded())
        let (days, hours, minutes) = (all / 86_400, all / 3_600 % 24, all / 60 % 60)
        if days > 0 { return String(format: "%d d %02d h", days, hours) }
        if hours > 0 { return String(format: "%d:%02d:%02d", hours, minutes, all % 60) }
        return String(format: "%d:%02d", minutes, all % 60)
    }
}
