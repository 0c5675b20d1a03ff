internal import Diagnostics

/// Predictions as rows of comma-separated values and of the terminal.
package struct PredictionText {
    /// Classes of a row, the most probable one first.
    package typealias Classes = [(name: String, probability: Float)]

    /// How many classes a row has.
    private let top: Int
    /// Whether rows say the true class too.
    private let hasTruth: Bool

    package init(top: Int, hasTruth: Bool) {
        (self.top, self.hasTruth) = (top, hasTruth)
    }

    /// `file,class,probability,class_2,probability_2,…`; with `true_class` behind the file where it is known.
    package var header: String {
        let columns = (1...top).flatMap { place in
            place == 1 ? ["class", "probability"] : ["class_\(place)", "probability_\(place)"]
        }
        return CSV.row(["file"] + (hasTruth ? ["true_class"] : []) + columns) + "\n"
    }

    /// A row by RFC 4180, but with a newline alone. Without classes they stay empty.
    package func row(file: String, truth: String? = nil, _ classes: Classes) -> String {
        let columns = (0..<top).flatMap { place in
            place < classes.count ? [classes[place].name, "\(classes[place].probability)"] : ["", ""]
        }
        return CSV.row([file] + (hasTruth ? [truth ?? ""] : []) + columns) + "\n"
    }

    /// A class name that leaves room for others on a line.
    private static let nameWidth = 24

    /// Lines of the terminal, files side by side: `photos/1.jpg  rose 0.9731  tulip 0.0202`. Long class names are cut.
    package func lines(_ rows: [(file: String, classes: Classes)]) -> [String] {
        let cells = rows.map { row in
            let words = row.classes.map {
                "\($0.name.printable.shortened(to: Self.nameWidth)) \(NumberText.decimal(Double($0.probability), 4))"
            }
            return [row.file.printable, words.joined(separator: "  ")]
        }
        return TextTable(cells, [.left]).lines
    }
}
