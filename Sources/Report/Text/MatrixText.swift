/// Numbers in rows and columns, as short as they can be told apart.
package enum MatrixText {
    /// `values` [rows, columns]; four significant digits.
    package static func lines(_ values: some Collection<Float>, columns: Int, indent: Int = 2) -> [String] {
        let words = values.map { NumberText.significant(Double($0)) }
        let rows = stride(from: 0, to: words.count, by: columns).map {
            Array(words[$0..<min($0 + columns, words.count)])
        }
        return TextTable(rows, [.right], indent: indent).lines
    }
}
