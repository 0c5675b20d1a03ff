/// How long the rest of a run takes, told from what this process has done of it.
///
/// Steps take their mean so far, saves included, without the first one, which warms up. An evaluation takes what the last
/// one took; before the first, a third of a training on as many samples.
struct TimeEstimate {
    private let evaluationSamples: Int
    private var steps = 0
    private var samples = 0
    private var seconds = 0.0
    private var hasWarmedUp = false
    private var evaluationSeconds: Double?

    /// A mean of fewer steps, or of less time, says too little.
    private static let leastSteps = 5
    private static let leastSeconds = 1.0

    init(evaluationSamples: Int) {
        self.evaluationSamples = evaluationSamples
    }

    mutating func addStep(samples: Int, seconds: Double) {
        guard hasWarmedUp else {
            hasWarmedUp = true
            return
        }
        steps += 1
        self.samples += samples
        self.seconds += seconds
    }

    mutating func addEvaluation(seconds: Double) { evaluationSeconds = seconds }

    /// nil before a step has been measured.
    var secondsPerStep: Double? { steps > 0 ? seconds / Double(steps) : nil }

    /// Whether enough has been seen to say it aloud.
    var isSettled: Bool { steps >= Self.leastSteps && seconds >= Self.leastSeconds }

    /// nil while nobody knows.
    func secondsLeft(_ progress: TrainingProgress) -> Double? {
        guard progress.targetLoss == nil, let secondsPerStep else { return nil }
        let evaluation = evaluationSeconds ?? seconds / Double(max(1, samples)) * Double(evaluationSamples) / 3
        return secondsPerStep * Double(progress.totalSteps - progress.stepsDone)
            + evaluation * Double(progress.evaluationsLeft)
    }
}
