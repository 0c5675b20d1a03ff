internal import Diagnostics
internal import Interchange
internal import Pictures

/// A run's scalars for TensorBoard: under `train/` what the steps gave, under `train_epoch/` their sums over an epoch, under the
/// split's name what evaluations did; those of the training split itself under `train_evaluated/`. Pictures: training images as
/// they are stored and as augmentation makes them, and of evaluations the confusion matrix and the worst images: of as many as the
/// run's allowance of time has room for, and of the last one.
final class TensorBoardSink: RunEventSink {
    private let file: EventFile
    private let pictures: RunPictures?
    private let firstStep: Int?
    private let allowance: TimeAllowance
    /// The last evaluation, as long as its pictures are not drawn.
    private var undrawn: (evaluation: Evaluation, group: String, outcomes: SampleOutcomes)?
    private var hasSamples = false
    /// Seconds that the last pictures took.
    private var last = 0.1

    /// `firstStep`: the first one to come of a run that goes on. Throws: `Failure(.cannotCreate)`, `SystemError`.
    init(
        folder: String, host: String, time: Double, firstStep: Int?, pictures: RunPictures? = nil,
        allowance: TimeAllowance = TimeAllowance()
    ) throws {
        (self.pictures, self.firstStep, self.allowance) = (pictures, firstStep, allowance)
        file = try EventFile(folder: folder, host: host, time: time, firstStep: firstStep)
    }

    func receive(_ event: RunEvent, at time: RunTime) -> String? {
        do {
            if let (step, scalars) = Self.scalars(of: event) {
                try file.append(scalars, step: step, time: time.unix)
            }
            if let pictures, isDue(event, at: time.elapsed) {
                var problem: (any Error)?
                last = allowance.spend {
                    do { try draw(pictures, time: time.unix) } catch { problem = error }
                }
                if let problem { throw problem }
            }
            return nil
        } catch {
            return (error as? Failure)?.message ?? "\(error)"
        }
    }

    /// Whether it is time to draw what has not been drawn.
    private func isDue(_ event: RunEvent, at elapsed: Double) -> Bool {
        switch event {
        case .evaluated(let evaluation, let facts):
            if let outcomes = facts.outcomes { undrawn = (evaluation, Self.group(facts.split), outcomes) }
            return allowance.permits(seconds: last, at: elapsed)
        case .ended, .failed: return true
        case .started, .note, .warning, .step, .progress, .expected, .epochEnded, .saved: return false
        }
    }

    private func draw(_ pictures: RunPictures, time: Double) throws {
        if !hasSamples {
            hasSamples = true
            let (samples, augmented) = (try pictures.samples(), try pictures.augmented())
            let sheets =
                [("train/samples", ContactSheet(cells: samples))]
                + (augmented.isEmpty ? [] : [("train/augmented", ContactSheet(rows: augmented))])
            try file.append(sheets.map { Self.image($0, $1.canvas) }, step: firstStep ?? 0, time: time)
        }
        guard let (evaluation, group, outcomes) = undrawn else { return }
        undrawn = nil
        let worst = ContactSheet(
            cells: try pictures.worst(of: outcomes), captionCharacters: ContactSheet.outcomeCharacters)
        var images = [Self.image("\(group)/worst", worst.canvas)]
        if pictures.classes.count <= ConfusionSheet.mostClasses {
            let sheet = ConfusionSheet(outcomes.matrix(classNames: pictures.classes), title: "step \(evaluation.step)")
            images.append(Self.image("\(group)/confusion", sheet.canvas))
        }
        try file.append(images, step: evaluation.step, time: time)
    }

    private static func image(_ tag: String, _ canvas: Canvas) -> EventFile.Image {
        EventFile.Image(tag: tag, width: canvas.width, height: canvas.height, png: canvas.png())
    }

    private static func group(_ split: String) -> String { split == "train" ? "train_evaluated" : split }

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
        case .epochEnded(let progress, _):
            let score = progress.epochScore
            return (
                progress.stepsDone,
                [("train_epoch/loss", score.meanLoss), ("train_epoch/acc1", score.accuracy1)]
            )
        case .evaluated(let evaluation, let facts):
            let group = group(facts.split)
            return (
                evaluation.step,
                [
                    ("\(group)/loss", evaluation.loss), ("\(group)/acc1", evaluation.accuracy1),
                    ("\(group)/acc5", evaluation.accuracy5),
                ]
            )
        case .started, .note, .warning, .step, .expected, .saved, .ended, .failed: return nil
        }
    }
}
