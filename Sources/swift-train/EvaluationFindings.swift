internal import Diagnostics
internal import Files
internal import Foundation
internal import Pictures
internal import Report
internal import Training

/// What an evaluation found: as text, as JSON and as pictures.
struct EvaluationFindings {
    /// The file of the weights.
    let subject: String
    let session: EvaluationSession
    let result: EvaluationSession.Result
    let displaced: [DisplacedScore]
    private let matrix: ConfusionMatrix

    /// A whole matrix of more classes is neither printed nor written.
    static let largestMatrix = ConfusionSheet.mostClasses

    init(
        subject: String, session: EvaluationSession, result: EvaluationSession.Result, displaced: [DisplacedScore]
    ) {
        (self.subject, self.session, self.result, self.displaced) = (subject, session, result, displaced)
        matrix = result.each.matrix(classNames: session.classNames)
    }

    // MARK: Words

    var text: String {
        let score = result.score
        var facts = [("loss", score.meanLoss), ("acc1", score.accuracy1)]
        // Of so few classes the true one is always among the first five.
        if session.classNames.count > 5 { facts.append(("acc5", score.accuracy5)) }
        return """
            \(subject) on \(session.splitName) of \(session.dataFile): \
            \(NumberText.grouped(Int(score.samples))) samples
            \(TextTable(facts: facts.map { ($0, NumberText.decimal($1, 4)) }).text)

            \(ConfusionText.terminal(matrix))
            """ + (displaced.isEmpty ? "" : "\n\n" + displacedTable)
    }

    /// What moving the images costs; the mean over all directions, and the worst of them.
    private var displacedTable: String {
        func decimal(_ value: Double) -> String { NumberText.decimal(value, 4) }
        let plain = result.score.accuracy1
        let rows =
            [["images", "acc1", "change", "lowest"], ["as they are", decimal(plain)]]
            + displaced.map { displaced in
                let (mean, lowest) = (displaced.mean.accuracy1, displaced.lowest)
                return [
                    displaced.displacement.words, decimal(mean), (mean > plain ? "+" : "") + decimal(mean - plain),
                    "\(decimal(lowest.score.accuracy1)) \(lowest.name)",
                ]
            }
        let directions = displaced.map { "\($0.directions.count) directions of \($0.displacement)" }
        return TextTable(rows, [.left, .right, .right, .left]).text
            + "\nmeans over \(directions.joined(separator: ", "))"
    }

    var json: JSON {
        let score = result.score
        let classes = matrix.classScores.map { score -> JSON in
            [
                "name": .string(score.name), "precision": .number(score.precision), "recall": .number(score.recall),
                "f1": .number(score.f1), "support": .integer(score.support),
            ]
        }
        let pairs = matrix.mostConfused(ConfusionText.shownPairs).map { pair -> JSON in
            [
                "true": .string(matrix.classNames[pair.truth]),
                "predicted": .string(matrix.classNames[pair.predicted]), "count": .integer(pair.count),
                "of": .integer(matrix.support(of: pair.truth)),
            ]
        }
        return [
            "weights": .string(subject), "samples": .integer(Int(score.samples)), "loss": .number(score.meanLoss),
            "acc1": .number(score.accuracy1), "acc5": .number(score.accuracy5), "classes": .array(classes),
            "confusion": matrix.classes <= Self.largestMatrix ? .array(matrix.rows.map { .integers($0) }) : .null,
            "most_confused": .array(pairs), "under": .array(displaced.map(json(of:))),
        ]
    }

    private func json(of displaced: DisplacedScore) -> JSON {
        let mean = displaced.mean
        return [
            "images": .string("\(displaced.displacement)"), "loss": .number(mean.meanLoss),
            "acc1": .number(mean.accuracy1), "acc5": .number(mean.accuracy5),
            "directions": .array(
                displaced.directions.map { name, score in
                    [
                        "direction": .string(name), "loss": .number(score.meanLoss),
                        "acc1": .number(score.accuracy1), "acc5": .number(score.accuracy5),
                    ]
                }),
        ]
    }

    // MARK: Files

    /// What a confusion matrix is written as, told by the name of the file.
    enum ConfusionFormat: String {
        case csv, svg, png

        init?(_ path: String) { self.init(rawValue: (path as NSString).pathExtension.lowercased()) }
    }

    func writeConfusion(_ path: String) throws {
        switch ConfusionFormat(path) {
        case .csv: try DurableFile.write(ConfusionText.csv(matrix), to: path)
        case .svg: try DurableFile.write(ConfusionPicture(matrix, title: title).svg, to: path)
        case .png: try DurableFile.write(ConfusionSheet(matrix, title: title).canvas.png(), to: path)
        case nil: preconditionFailure("\(path) has been checked")
        }
    }

    /// The images whose true class is least probable: true class, predicted class, and the probabilities of both.
    func writeWorst(_ count: Int, to path: String) throws {
        let cells = try session.pictures.worst(count, of: result.each, classNames: session.classNames)
        try DurableFile.write(
            ContactSheet(cells: cells, captionCharacters: ContactSheet.outcomeCharacters).canvas.png(), to: path)
    }

    private var title: String {
        let dataName = (session.dataFile as NSString).lastPathComponent
        return "\(session.modelName) on \(session.splitName) of \(dataName): acc1 "
            + NumberText.decimal(result.score.accuracy1, 4)
    }
}
