internal import Diagnostics

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

    static let earlyStoppingKeys = [
        ConfigurationKey(
            "early_stopping", "the end of a run whose evaluations no longer improve",
            expected: "none, or {patience: N}", resuming: .free,
            read: { configuration, top, _ in try configuration.readEarlyStopping(top) },
            text: { $0.earlyStopping == nil ? "none" : nil }),
        ConfigurationKey(
            "early_stopping.metric", "what has to improve; best_metric unless set", .choice, in: \.earlyStopping,
            \.metric, resuming: .free),
        ConfigurationKey(
            "early_stopping.patience", "evaluations in a row without an improvement that end the run",
            .integer(in: 1...1_000_000), in: \.earlyStopping, \.patience, resuming: .free),
        ConfigurationKey(
            "early_stopping.min_delta", "by how much a better value has to be better",
            .number("a number from 0") { $0 >= 0 }, in: \.earlyStopping, \.minDelta, resuming: .free),
    ]

    /// Turns it off, or on for the keys behind it to fill; its metric is `best_metric` unless it names another.
    private mutating func readEarlyStopping(_ top: ConfigurationSection) throws {
        let key = "early_stopping"
        if top.isNone(key) { earlyStopping = nil }
        guard !top.isNone(key), let section = try top.section(key), earlyStopping == nil else { return }
        guard let patience = try section.integer("patience", in: 1...1_000_000) else {
            throw section.failure("patience", "is missing, expected a number of evaluations, or early_stopping: none")
        }
        earlyStopping = EarlyStopping(
            metric: try top.choice("best_metric", BestMetric.self) ?? bestMetric, patience: patience)
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
            + "\(patience) evaluation\(patience == 1 ? "" : "s"); raise early_stopping.patience to go on"
    }
}
