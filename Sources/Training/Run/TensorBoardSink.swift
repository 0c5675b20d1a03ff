internal import Diagnostics
internal import Interchange
internal import Pictures

/// A run's scalars for TensorBoard: under `train/` what the steps gave, under `train_epoch/` their sums over an epoch, under the
/// split's name what evaluations did; those of the training split itself under `train_evaluated/`. Pictures: training images as
/// they are stored and as augmentation makes them, and of each evaluation the confusion matrix and the worst images.
final class TensorBoardSink: RunEventSink {
    private let file: EventFile
    private let pictures: RunPictures?
    private let firstStep: Int?

    /// `firstStep`: the first one to come of a run that goes on. Throws: `Failure(.cannotCreate)`, `SystemError`.
    init(folder: String, host: String, time: Double, firstStep: Int?, pictures: RunPictures? = nil) throws {
        (self.pictures, self.firstStep) = (pictures, firstStep)
        file = try EventFile(folder: folder, host: host, time: time, firstStep: firstStep)
    }

    func receive(_ event: RunEvent, at time: RunTime) -> String? {
        do {
            if let (step, scalars) = Self.scalars(of: event) {
                try file.append(scalars, step: step, time: time.unix)
            }
            if let (step, images) = try images(of: event) { try file.append(images, step: step, time: time.unix) }
            return nil
        } catch {
            return (error as? Failure)?.message ?? "\(error)"
        }
    }

    private func images(of event: RunEvent) throws -> (step: Int, images: [EventFile.Image])? {
        guard let pictures else { return nil }
        switch event {
        case .started:
            let (samples, augmented) = (try pictures.samples(), try pictures.augmented())
            let sheets =
                [("train/samples", ContactSheet(cells: samples))]
                + (augmented.isEmpty ? [] : [("train/augmented", ContactSheet(rows: augmented))])
            return (firstStep ?? 0, sheets.map { Self.image($0, $1.canvas) })
        case .evaluated(let evaluation, let facts):
            guard let outcomes = facts.outcomes else { return nil }
            let group = Self.group(facts.split)
            let worst = ContactSheet(
                cells: try pictures.worst(of: outcomes), captionCharacters: ContactSheet.outcomeCharacters)
            var images = [Self.image("\(group)/worst", worst.canvas)]
            if pictures.classes.count <= ConfusionSheet.mostClasses {
                let sheet = ConfusionSheet(
                    outcomes.matrix(classNames: pictures.classes), title: "step \(evaluation.step)")
                images.append(Self.image("\(group)/confusion", sheet.canvas))
            }
            return (evaluation.step, images)
        case .note, .warning, .step, .progress, .expected, .epochEnded, .saved, .ended: return nil
        }
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
        case .started, .note, .warning, .step, .expected, .saved, .ended: return nil
        }
    }
}
