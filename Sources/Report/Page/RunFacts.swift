/// Everything that a page tells of a run.
package struct RunFacts: Sendable {
    package enum State: String, Sendable {
        case running, finished, stopped, failed
    }

    /// A key of the configuration as it was, and what it is where nobody says otherwise.
    package struct Setting: Sendable, Equatable {
        package let key, value: String
        /// Nil for a key that has none.
        package let usual: String?

        package init(key: String, value: String, usual: String?) {
            (self.key, self.value, self.usual) = (key, value, usual)
        }

        var differs: Bool { value != usual }
    }

    package struct Command: Sendable {
        package let purpose, words: String

        package init(_ purpose: String, _ words: String) { (self.purpose, self.words) = (purpose, words) }
    }

    /// The run folder's name.
    package var name: String
    package var model: String
    package var state: State
    package var history: RunHistory
    /// What best.h5 is the best by: acc1, acc5 or loss.
    package var bestMetric: String
    package var settings: [Setting]
    package var environment: [(key: String, value: String)]
    /// The commands that worked on the run.
    package var commands: [String]
    /// What to type next.
    package var next: [Command]
    package var snapshot: RunSnapshot?

    package init(
        name: String, model: String, state: State, history: RunHistory, bestMetric: String, settings: [Setting],
        environment: [(key: String, value: String)], commands: [String], next: [Command], snapshot: RunSnapshot?
    ) {
        (self.name, self.model, self.state, self.history) = (name, model, state, history)
        (self.bestMetric, self.settings, self.environment) = (bestMetric, settings, environment)
        (self.commands, self.next, self.snapshot) = (commands, next, snapshot)
    }

    /// The best evaluation by the run's metric, the first one of equals.
    package var best: RunHistory.Evaluation? {
        switch bestMetric {
        case "loss": history.best(by: .loss)
        case "acc5": history.best(by: .accuracy5)
        default: history.best(by: .accuracy1)
        }
    }

    /// "epoch 3", or the step of an evaluation elsewhere.
    func place(_ evaluation: RunHistory.Evaluation) -> String {
        evaluation.epoch > 0
            && history.stepsPerEpoch.map { Double($0) * Double(evaluation.epoch) == Double(evaluation.step) } ?? true
            ? "epoch \(evaluation.epoch)" : "step \(NumberText.grouped(evaluation.step))"
    }

    /// What the axis of a run's curves counts, and how many steps one of it is.
    var axis: (label: String, steps: Double) {
        history.stepsPerEpoch.map { ("epoch", Double($0)) } ?? ("step", 1)
    }

    /// Epochs, or steps where the run counts none, with the fraction of an epoch that has begun.
    package var length: String {
        let (label, steps) = axis
        let done = Double(history.lastStep) / steps
        return NumberText.counted(Int(done), label) + (done == done.rounded() ? "" : " and a part")
    }
}
