internal import Diagnostics
internal import Report

extension Configuration {
    /// `early_stopping: {metric: acc1, patience: 5, min_delta: 0}`: the run ends when evaluations no longer improve.
    package struct EarlyStopping: Equatable, Sendable {
        package var metric: BestMetric
        /// Evaluations in a row without an improvement that end the run.
        package var patience: Int
        /// By how much more than nothing a better value has to be better.
        package var minDelta = 0.0

        package init(metric: BestMetric, patience: Int, minDelta: Double = 0) {
            self.metric = metric
            self.patience = patience
            self.minDelta = minDelta
        }
    }

    var earlyStoppingEntries: [(key: String, value: String)] {
        guard let earlyStopping else { return [("early_stopping", "none")] }
        return [
            ("early_stopping.metric", earlyStopping.metric.rawValue),
            ("early_stopping.patience", "\(earlyStopping.patience)"),
            ("early_stopping.min_delta", "\(earlyStopping.minDelta)"),
        ]
    }

    /// Reads `early_stopping`; its metric is `best_metric` unless it names another.
    mutating func readEarlyStopping(_ top: ConfigurationSection) throws {
        let key = "early_stopping"
        if top.isNone(key) { earlyStopping = nil }
        guard !top.isNone(key), let section = try top.section(key)
        else { return }
        guard let patience = try section.integer("patience", in: 1...1_000_000) ?? earlyStopping?.patience else {
            throw section.failure("patience", "is missing, expected a number of evaluations, or early_stopping: none")
        }
        earlyStopping = EarlyStopping(
            metric: try section.metric("metric") ?? earlyStopping?.metric ?? bestMetric, patience: patience,
            minDelta: try section.number("min_delta", expected: "a number from 0") { $0 >= 0 }
                ?? earlyStopping?.minDelta ?? 0)
    }
}

extension Configuration.EarlyStopping {
    /// Whether a history of evaluations, oldest first, ends a run: the last `patience` of them were no better, by more
    /// than `minDelta`, than the best before them. The first evaluation is the first best; a value that is not a number is
    /// never better.
    package func ends(_ evaluations: [Evaluation]) -> Bool {
        var best: Double?
        var waited = 0
        for evaluation in evaluations {
            let value = metric.value(of: evaluation)
            let gain = best.map { metric.isBetterWhenLower ? $0 - value : value - $0 }
            if gain.map({ $0 > minDelta }) ?? !value.isNaN {
                best = value
                waited = 0
            } else {
                waited += 1
            }
        }
        return waited >= patience
    }

    /// Why the run is over, for its log.
    package func reason(step: Int) -> String {
        "early stopping at step \(step): \(metric.rawValue) has not improved by more than \(minDelta) in "
            + "\(NumberText.counted(patience, "evaluation")); raise early_stopping.patience to go on"
    }
}
