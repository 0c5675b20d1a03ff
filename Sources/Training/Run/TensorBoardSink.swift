internal import Interchange

/// A run's scalars for TensorBoard: under `train/` what the steps gave, under `train_epoch/` their sums over an epoch, under the
/// split's name what evaluations did; those of the training split itself under `train_evaluated/`.
final class TensorBoardSink: RunEventSink {
    private let file: EventFile

    /// `firstStep`: the first one to come of a run that goes on. Throws: `Failure(.cannotCreate)`, `SystemError`.
    init(folder: String, host: String, time: Double, firstStep: Int?) throws {
        file = try EventFile(folder: folder, host: host, time: time, firstStep: firstStep)
    }

    func receive(_ event: RunEvent, at time: RunTime) -> String? {
        guard let (step, scalars) = Self.scalars(of: event) else { return nil }
        do {
            try file.append(scalars, step: step, time: time.unix)
            return nil
        } catch {
            return "\(error)"
        }
    }

    private static func scalars(of event: RunEvent) -> (step: Int, scalars: [(tag: String, value: Double)])? {
        switch event {
        case .progress(let window, let progress, _):
            return (
                progress.stepsDone,
                [
                    ("train/loss", window.meanLoss), ("train/acc1", window.accuracy1),
                    ("train/learning_rate", window.learningRate),
                    ("train/images_per_second", window.imagesPerSecond),
                ]
            )
        case .epochEnded(let progress):
            let score = progress.epochScore
            return (
                progress.stepsDone,
                [("train_epoch/loss", score.meanLoss), ("train_epoch/acc1", score.accuracy1)]
            )
        case .evaluated(let evaluation, let facts):
            let group = facts.split == "train" ? "train_evaluated" : facts.split
            return (
                evaluation.step,
                [
                    ("\(group)/loss", evaluation.loss), ("\(group)/acc1", evaluation.accuracy1),
                    ("\(group)/acc5", evaluation.accuracy5),
                ]
            )
        case .started, .note, .warning, .step, .expected, .saved, .ended: return nil
        }
    }
}
