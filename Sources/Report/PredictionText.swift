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
        return (["file"] + (hasTruth ? ["true_class"] : []) + columns).joined(separator: ",") + "\n"
    }

    /// A row by RFC 4180, but with a newline alone. Without classes they stay empty.
    package func row(file: String, truth: String? = nil, _ classes: Classes) -> String {
        let columns = (0..<top).flatMap { place in
            place < classes.count ? [CSVText.field(classes[place].name), "\(classes[place].probability)"] : ["", ""]
        }
        return ([CSVText.field(file)] + (hasTruth ? [CSVText.field(truth ?? "")] : []) + columns)
            .joined(separator: ",") + "\n"
    }

    /// A line of the terminal: `photos/1.jpg  rose 0.9731  tulip 0.0202`.
    package func line(file: String, fileWidth: Int, _ classes: Classes) -> String {
        let words = classes.map { "\($0.name.printable) \(NumberText.decimal(Double($0.probability), 4))" }
        let name = file.printable
        return ([name + String(repeating: " ", count: max(0, fileWidth - name.count))] + words)
            .joined(separator: "  ")
    }
}
