package import Tensors

/// Where a run stands: what decides what happens next, equal on every rank.
package struct TrainingProgress: Sendable {
    package let stepsPerEpoch: Int
    package let totalSteps: Int
    package var stepsDone = 0
    package var samplesSeen = 0
    package var evaluations: [Evaluation] = []
    package var best: Evaluation?
    /// Sum over the steps of the running epoch.
    package var epochScore = Score()
    package var skippedSteps = 0
    package var hasPendingEvaluation = false
    /// A run is over when the mean loss of a step is below this.
    package let targetLoss: Double?
    package private(set) var hasReachedTarget = false
    private let evaluateEvery: Interval
    package let earlyStopping: Configuration.EarlyStopping?
    /// Whether early stopping has ended the run.
    package private(set) var hasStalled = false

    package init(
        stepsPerEpoch: Int, totalSteps: Int, evaluateEvery: Interval = Interval(1, .step),
        earlyStopping: Configuration.EarlyStopping? = nil,
        targetLoss: Double? = nil
    ) {
        self.targetLoss = targetLoss
        self.stepsPerEpoch = stepsPerEpoch
        self.totalSteps = totalSteps
        self.evaluateEvery = evaluateEvery
        self.earlyStopping = earlyStopping
    }

    /// Finished epochs.
    package var epochsDone: Int { stepsDone / stepsPerEpoch }
    /// The running epoch, counted from 1; at a boundary the one that has just ended.
    package var currentEpoch: Int { stepsDone == 0 ? 1 : (stepsDone - 1) / stepsPerEpoch + 1 }
    package var stepInEpoch: Int { stepsDone == 0 ? 0 : (stepsDone - 1) % stepsPerEpoch + 1 }
    package var isFinished: Bool { stepsDone >= totalSteps || hasStalled || hasReachedTarget }
    package var isAtEpochEnd: Bool { stepsDone > 0 && stepsDone % stepsPerEpoch == 0 }

    /// What learning rate and early stopping follow: the evaluations that are due whatever the length of the run, so that a
    /// shorter run that goes on comes to the same weights.
    package var followedEvaluations: [Evaluation] {
        evaluateEvery.due(evaluations, stepsPerEpoch: stepsPerEpoch)
    }

    /// Evaluations that are still to come: those on the grid, and the last one where it stands elsewhere.
    package var evaluationsLeft: Int {
        guard !isFinished else { return hasPendingEvaluation ? 1 : 0 }
        let every = evaluateEvery.steps(perEpoch: stepsPerEpoch)
        let onGrid = totalSteps / every - stepsDone / every
        return onGrid + (totalSteps % every == 0 ? 0 : 1) + (hasPendingEvaluation ? 1 : 0)
    }

    package mutating func addStep(_ score: Score) {
        if stepsDone % stepsPerEpoch == 0 { epochScore = Score() }
        stepsDone += 1
        samplesSeen += Int(score.samples)
        epochScore = epochScore + score
        if let targetLoss, score.meanLoss < targetLoss { hasReachedTarget = true }
    }

    /// Counts a step whose update was left out; `samples` are those of all ranks.
    package mutating func skipStep(samples: Int) {
        if stepsDone % stepsPerEpoch == 0 { epochScore = Score() }
        stepsDone += 1
        samplesSeen += samples
        skippedSteps += 1
    }

    /// Takes over where a checkpoint left off.
    package mutating func restore(_ header: Checkpoint.Header) {
        stepsDone = header.step
        samplesSeen = header.samplesSeen
        evaluations = header.evaluations
        hasStalled = earlyStopping?.ends(followedEvaluations) ?? false
        best = header.best
        epochScore = header.epochScore
        skippedSteps = header.skippedSteps
        hasPendingEvaluation = header.hasPendingEvaluation
    }

    package func write(to header: inout Checkpoint.Header) {
        header.epoch = epochsDone
        header.step = stepsDone
        header.samplesSeen = samplesSeen
        header.evaluations = evaluations
        header.best = best
        header.epochScore = epochScore
        header.skippedSteps = skippedSteps
        header.hasPendingEvaluation = hasPendingEvaluation
    }

    /// Adds an evaluation; returns whether it is the best so far. Ties keep the earlier one.
    package mutating func addEvaluation(_ score: Score, metric: Configuration.BestMetric) -> Bool {
        let evaluation = Evaluation(
            epoch: epochsDone, step: stepsDone, loss: score.meanLoss, accuracy1: score.accuracy1,
            accuracy5: score.accuracy5)
        evaluations.append(evaluation)
        hasStalled = earlyStopping?.ends(followedEvaluations) ?? false
        hasPendingEvaluation = false
        guard let best, !Self.isBetter(evaluation, than: best, metric) else {
            self.best = evaluation
            return true
        }
        return false
    }

    private static func isBetter(
        _ a: Evaluation, than b: Evaluation, _ metric: Configuration.BestMetric
    ) -> Bool {
        let (value, best) = (metric.value(of: a), metric.value(of: b))
        // Any number is better than none.
        if best.isNaN { return !value.isNaN }
        return metric.isBetterWhenLower ? value < best : value > best
    }
}
