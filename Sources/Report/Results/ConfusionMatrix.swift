/// How often the samples of each class were taken for each class, and what follows for every class.
///
/// Counts are whole numbers: they do not depend on the order in which samples were scored.
package struct ConfusionMatrix: Equatable, Sendable {
    package let classNames: [String]
    /// Samples that were not predicted, because their logits are not finite; by true class.
    package let unpredicted: [Int]
    /// Only pairs that occur, at true · classes + predicted: with many classes the whole matrix would not fit.
    private let counts: [Int: Int]
    /// Samples of each class, and how often each was predicted.
    private let supports, predictedCounts: [Int]

    /// The scores of one class. Numerators and denominators are counts; 0/0 is 0.
    package struct ClassScore: Equatable, Sendable {
        package let name: String
        /// The fraction of what was predicted as this class that is of it.
        package let precision: Double
        /// The fraction of the samples of this class that were predicted as it.
        package let recall: Double
        /// The harmonic mean of the two.
        package let f1: Double
        /// Samples of this class.
        package let support: Int
    }

    /// Samples of one class taken for another.
    package struct Confusion: Equatable, Sendable {
        package let truth: Int
        package let predicted: Int
        package let count: Int
    }

    /// `predictions` outside the classes stand for samples without one.
    package init(classNames: [String], truths: [Int32], predictions: [Int32]) {
        precondition(truths.count == predictions.count, "\(predictions.count) predictions of \(truths.count) samples")
        let classes = classNames.count
        var counts: [Int: Int] = [:]
        var unpredicted = [Int](repeating: 0, count: classes)
        var supports = unpredicted
        var predictedCounts = unpredicted
        for (truth, predicted) in zip(truths, predictions) {
            let (truth, predicted) = (Int(truth), Int(predicted))
            supports[truth] += 1
            if (0..<classes).contains(predicted) {
                counts[truth * classes + predicted, default: 0] += 1
                predictedCounts[predicted] += 1
            } else {
                unpredicted[truth] += 1
            }
        }
        self.classNames = classNames
        self.counts = counts
        self.unpredicted = unpredicted
        self.supports = supports
        self.predictedCounts = predictedCounts
    }

    /// Of pairs that occur, each once, and of the samples without a prediction by true class.
    init(classNames: [String], pairs: [Confusion], unpredicted: [Int]) {
        let classes = classNames.count
        precondition(unpredicted.count == classes, "\(unpredicted.count) counts of \(classes) classes")
        var supports = unpredicted
        var predictedCounts = [Int](repeating: 0, count: classes)
        for pair in pairs {
            supports[pair.truth] += pair.count
            predictedCounts[pair.predicted] += pair.count
        }
        self.classNames = classNames
        counts = Dictionary(uniqueKeysWithValues: pairs.map { ($0.truth * classes + $0.predicted, $0.count) })
        self.unpredicted = unpredicted
        self.supports = supports
        self.predictedCounts = predictedCounts
    }

    package var classes: Int { classNames.count }
    package var samples: Int { supports.reduce(0, +) }
    package var unpredictedSamples: Int { unpredicted.reduce(0, +) }

    package subscript(truth truth: Int, predicted predicted: Int) -> Int { counts[truth * classes + predicted] ?? 0 }

    package func support(of truth: Int) -> Int { supports[truth] }

    /// Rows true, columns predicted. Memory: classes².
    package var rows: [[Int]] {
        (0..<classes).map { truth in (0..<classes).map { self[truth: truth, predicted: $0] } }
    }

    /// The pairs that occur, those on the diagonal too, by row and column.
    package var occurring: [Confusion] {
        counts.sorted { $0.key < $1.key }.map {
            Confusion(truth: $0.key / classes, predicted: $0.key % classes, count: $0.value)
        }
    }

    /// The pairs of different classes that occur most; of equals the first by row and column.
    package func mostConfused(_ limit: Int) -> [Confusion] {
        let wrong = occurring.filter { $0.truth != $0.predicted }
        return Array(
            wrong.enumerated().sorted { ($1.element.count, $0.offset) < ($0.element.count, $1.offset) }
                .prefix(limit).map(\.element))
    }

    /// One for each class, in their order.
    package var classScores: [ClassScore] {
        (0..<classes).map { index in
            let right = self[truth: index, predicted: index]
            return ClassScore(
                name: classNames[index], precision: Self.fraction(right, predictedCounts[index]),
                recall: Self.fraction(right, supports[index]),
                f1: Self.fraction(2 * right, predictedCounts[index] + supports[index]), support: supports[index])
        }
    }

    /// Whether a class has no samples or was never predicted, so that one of its scores is 0/0.
    package var hasUndefinedScores: Bool { supports.contains(0) || predictedCounts.contains(0) }

    /// The plain means over the classes, added in class order.
    package var macroAverage: (precision: Double, recall: Double, f1: Double) {
        let scores = classScores
        let count = Double(scores.count)
        return (
            scores.reduce(0) { $0 + $1.precision } / count, scores.reduce(0) { $0 + $1.recall } / count,
            scores.reduce(0) { $0 + $1.f1 } / count
        )
    }

    private static func fraction(_ part: Int, _ whole: Int) -> Double {
        whole == 0 ? 0 : Double(part) / Double(whole)
    }
}
