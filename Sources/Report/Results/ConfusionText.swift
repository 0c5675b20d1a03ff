internal import Diagnostics

/// A confusion matrix and its classes' scores as text: for the terminal, and as comma-separated values.
package enum ConfusionText {
    /// Up to this many classes the terminal shows all of them, beyond it the worst.
    private static let shownClasses = 20
    private static let shownWorst = 10
    package static let shownPairs = 5
    private static let nameWidth = 24

    /// Scores of the classes, macro averages, the matrix and the most confused pairs in words; for many classes the worst and
    /// more of the pairs.
    package static func terminal(_ matrix: ConfusionMatrix) -> String {
        var parts = [scores(matrix)]
        let isWhole = matrix.classes <= shownClasses
        if isWhole { parts.append(table(matrix)) }
        let words = mostConfused(matrix, isWhole ? shownPairs : shownWorst)
        parts.append(
            (words.isEmpty ? ["no class was taken for another"] : ["most confused"] + words).joined(separator: "\n"))
        if matrix.unpredictedSamples > 0 {
            parts.append(
                "samples with logits that are not finite: \(matrix.unpredictedSamples); they count as not predicted, a miss "
                    + "of their class and of no other")
        }
        return parts.joined(separator: "\n\n")
    }

    /// The matrix with a header of class names, and rows that begin with theirs. A last column counts the samples that
    /// were not predicted, if there are any. Lines end as RFC 4180 wants it.
    package static func csv(_ matrix: ConfusionMatrix) -> String {
        let hasUnpredicted = matrix.unpredictedSamples > 0
        var lines = [["true \\ predicted"] + matrix.classNames + (hasUnpredicted ? ["(not predicted)"] : [])]
        for (truth, counts) in matrix.rows.enumerated() {
            lines.append(
                [matrix.classNames[truth]] + counts.map(String.init)
                    + (hasUnpredicted ? ["\(matrix.unpredicted[truth])"] : []))
        }
        return lines.map { CSV.row($0) + "\r\n" }.joined()
    }

    private static func scores(_ matrix: ConfusionMatrix) -> String {
        let all = matrix.classScores
        let isShort = all.count > shownClasses
        let shown =
            isShort
            ? all.enumerated().sorted { ($0.element.f1, $0.offset) < ($1.element.f1, $1.offset) }
                .prefix(shownWorst).map(\.element) : all
        let macro = matrix.macroAverage
        var rows = [["class", "precision", "recall", "f1", "support"]]
        rows += shown.map {
            [label($0.name), decimal($0.precision), decimal($0.recall), decimal($0.f1), "\($0.support)"]
        }
        rows.append(
            ["macro average", decimal(macro.precision), decimal(macro.recall), decimal(macro.f1), "\(matrix.samples)"])
        var lines = TextTable(rows, [.left, .right]).lines
        if isShort { lines.insert("the \(shownWorst) of \(all.count) classes with the lowest f1", at: 0) }
        if matrix.hasUndefinedScores {
            lines.append("a class without samples, or that was never predicted, scores 0 where it would be 0/0")
        }
        return lines.joined(separator: "\n")
    }

    private static func table(_ matrix: ConfusionMatrix) -> String {
        let rows =
            [["true \\ predicted"] + (0..<matrix.classes).map(String.init)]
            + matrix.rows.enumerated().map { truth, counts in
                ["\(truth) \(label(matrix.classNames[truth]))"] + counts.map { $0 == 0 ? "." : "\($0)" }
            }
        return TextTable(rows, [.left, .right]).text
    }

    /// The pairs of classes that are mixed up most, a line each: "Shirt taken for Coat: 96 of 1,000, 9.6 %".
    package static func mostConfused(_ matrix: ConfusionMatrix, _ limit: Int = shownPairs) -> [String] {
        matrix.mostConfused(limit).map { pair in
            let support = matrix.support(of: pair.truth)
            return "\(label(matrix.classNames[pair.truth])) taken for \(label(matrix.classNames[pair.predicted])): "
                + "\(NumberText.grouped(pair.count)) of \(NumberText.grouped(support)), "
                + NumberText.percent(Double(pair.count) / Double(support), 1)
        }
    }

    /// A class name that fits a column and moves no cursor.
    private static func label(_ name: String) -> String { name.printable.shortened(to: nameWidth) }

    private static func decimal(_ value: Double) -> String { NumberText.decimal(value, 4) }
}
