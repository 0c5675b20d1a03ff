/// The curves of a run.
struct RunCharts {
    private let facts: RunFacts
    private let label: String
    private let unit: Double

    init(_ facts: RunFacts) {
        self.facts = facts
        (label, unit) = facts.axis
    }

    var all: [LineChart] {
        let history = facts.history
        // Of a single epoch its steps are the curve.
        let isByEpoch = history.epochs.count > 1
        let training = isByEpoch ? history.epochs : history.steps.isEmpty ? history.epochs : history.steps
        let noisy = isByEpoch ? history.steps : []
        let splits = history.evaluations.reduce(into: [String]()) { if !$0.contains($1.split) { $0.append($1.split) } }
        func scores(
            _ id: String, _ title: String, _ limits: ClosedRange<Double>?,
            _ steps: KeyPath<RunHistory.Training, Double?>, _ evaluations: KeyPath<RunHistory.Evaluation, Double?>
        ) -> LineChart {
            var series = [
                LineChart.Series(name: "train, steps", points: points(noisy, steps), style: 0, isFaint: true),
                LineChart.Series(name: "train", points: points(training, steps), style: 0),
            ]
            for (place, split) in splits.enumerated() {
                let own = history.evaluations.filter { $0.split == split }
                series.append(
                    LineChart.Series(
                        name: split == "train" ? "train, evaluated" : split,
                        points: own.map { (Double($0.step) / unit, $0[keyPath: evaluations] ?? .nan) },
                        style: place + 1, isMarked: true))
            }
            return LineChart(
                id: id, title: title, xLabel: label, series: series, mayBeLogarithmic: limits == nil, limits: limits)
        }
        let fine = history.steps.count > 1 ? history.steps : history.epochs
        return [
            scores("loss", "Loss", nil, \.loss, \.loss),
            scores("accuracy", "Accuracy", 0...1, \.accuracy, \.accuracy1),
            LineChart(
                id: "rate", title: "Learning rate", xLabel: label,
                series: [.init(name: "learning rate", points: points(fine, \.rate), style: 2)]),
            LineChart(
                id: "speed", title: "Training images a second", xLabel: label,
                series: [.init(name: "images/s", points: points(fine, \.imagesPerSecond), style: 3)], includesZero: true
            ),
        ]
    }

    private func points(
        _ training: [RunHistory.Training], _ value: KeyPath<RunHistory.Training, Double?>
    ) -> [(x: Double, y: Double)] {
        training.map { ($0.step / unit, $0[keyPath: value] ?? .nan) }
    }
}
