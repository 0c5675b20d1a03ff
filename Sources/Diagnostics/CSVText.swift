/// Comma-separated values.
package enum CSVText {
    /// A field by RFC 4180: in quotes where it holds a comma, a quote or a line's end.
    package static func field(_ text: String) -> String {
        guard text.utf8.contains(where: { [UInt8(ascii: ","), UInt8(ascii: "\""), 10, 13].contains($0) }) else {
            return text
        }
        return "\"" + text.split(separator: "\"", omittingEmptySubsequences: false).joined(separator: "\"\"") + "\""
    }
}
