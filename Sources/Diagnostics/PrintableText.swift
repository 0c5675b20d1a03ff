extension String {
    /// The text on one line that no terminal takes for a command: what a file or another program may have put into a name.
    ///
    /// Escaped as `\n`, `\t`, `\u{1b}`: control characters (C0, DEL, C1), line and paragraph separators, and the marks that
    /// turn the direction of the text around them. Everything else is left as it is.
    package var printable: String { escaped(exceptLineFeeds: false) }

    /// The same for a text of several lines of ours.
    package var printableLines: String { escaped(exceptLineFeeds: true) }

    private func escaped(exceptLineFeeds: Bool) -> String {
        func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
            switch scalar.value {
            case 0x0A: exceptLineFeeds
            case 0..<0x20, 0x7F...0x9F, 0x061C, 0x200E, 0x200F, 0x2028...0x202E, 0x2066...0x2069: false
            default: true
            }
        }
        guard !unicodeScalars.allSatisfy(isHarmless) else { return self }
        var text = ""
        for scalar in unicodeScalars {
            switch scalar {
            case _ where isHarmless(scalar): text.unicodeScalars.append(scalar)
            case "\n": text += "\\n"
            case "\r": text += "\\r"
            case "\t": text += "\\t"
            default: text += "\\u{\(String(scalar.value, radix: 16))}"
            }
        }
        return text
    }
}
