internal import Foundation

/// Text as HTML and SVG take it.
enum Markup {
    /// Text in which no character is markup, also between quotes; what XML 1.0 cannot hold is replaced.
    static func escaped(_ text: String) -> String {
        var result = ""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "&": result += "&amp;"
            case "<": result += "&lt;"
            case ">": result += "&gt;"
            case "\"": result += "&quot;"
            case "\u{0}"..<"\u{20}", "\u{7f}"..<"\u{a0}", "\u{fffe}", "\u{ffff}": result += "\u{fffd}"
            // Marks that turn the direction of the text around them.
            case "\u{202a}"..."\u{202e}", "\u{2066}"..."\u{2069}": result += "\u{fffd}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result
    }

    /// An element around text that is escaped.
    static func text(_ tag: String, _ words: String, _ attributes: String = "") -> String {
        element(tag, escaped(words), attributes)
    }

    /// An element around markup.
    static func element(_ tag: String, _ content: String, _ attributes: String = "") -> String {
        "<\(tag)\(attributes.isEmpty ? "" : " " + attributes)>\(content)</\(tag)>"
    }

    /// A table with a row of headings; cells are words. The first column names its row; others in which all cells are numbers are
    /// set flush right.
    static func table(_ header: [String], _ rows: [[String]], caption: String) -> String {
        func style(_ column: Int) -> String {
            let cells = rows.compactMap { column < $0.count ? $0[column] : nil }.filter { !$0.isEmpty && $0 != "–" }
            return column > 0 && !cells.isEmpty && cells.allSatisfy(isNumber) ? "class=\"num\"" : ""
        }
        let styles = header.indices.map(style)
        let head = zip(header, styles).map {
            text("th", $0, ["scope=\"col\"", $1].filter { !$0.isEmpty }.joined(separator: " "))
        }
        let body = rows.map { row in
            let cells = zip(row, styles).enumerated().map { column, cell in
                column == 0 ? text("th", cell.0, "scope=\"row\"") : text("td", cell.0, cell.1)
            }
            return element("tr", cells.joined())
        }
        return element(
            "div",
            element(
                "table",
                text("caption", caption) + element("thead", element("tr", head.joined())) + "\n"
                    + element("tbody", body.joined(separator: "\n"))), "class=\"wide\"") + "\n"
    }

    /// Digits with what stands between them and a short unit: "1,234", "70.00 %", "20.3k", "1:05", "0.12 s".
    private static func isNumber(_ cell: String) -> Bool {
        let rest = cell.drop { $0 == "-" || $0 == "+" }
        let unit = rest.drop { $0.isASCII && ($0.isNumber || ",.:e-+".contains($0)) }
        return rest.first.map { $0.isASCII && $0.isNumber } ?? false
            && ["", "k", "M", "G", "T", " %", " s", " MB", " GB"].contains(unit)
    }

    /// Names with what they stand for.
    static func facts(_ facts: [(key: String, value: String)], caption: String) -> String {
        let rows = facts.map { element("tr", text("th", $0.key, "scope=\"row\"") + text("td", $0.value)) }
        return element(
            "div",
            element("table", text("caption", caption) + element("tbody", rows.joined(separator: "\n"))),
            "class=\"wide facts\"") + "\n"
    }

    /// A whole document that loads nothing from anywhere.
    static func page(title: String, body: String) -> String {
        """
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <title>\(escaped(title))</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
        <style>
        \(PageStyle.sheet)
        </style>
        </head>
        <body>
        \(body)
        </body>
        </html>

        """
    }
}
