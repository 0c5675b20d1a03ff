internal import ArgumentParser
internal import Diagnostics
internal import Models
internal import Report
internal import Training

/// `swift-train runs`: the run folders of a folder.
struct RunsCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "runs", abstract: "List run folders: how far they are, how good, how large.")

    @Argument(
        help: ArgumentHelp("The folder that holds them.", valueName: "dir"), completion: .directory,
        transform: HomePath.expanded)
    var folder = Configuration().runsDirectory

    @Flag(help: "Print one JSON array.")
    var json = false

    func run() throws {
        let list = try RunList(folder, models: ModelRegistry.names)
        for note in list.notes { StandardError.line("note: \(note)") }
        guard !json else {
            return try StandardOutput.line(JSON.array(list.entries.map(Self.json)).text())
        }
        guard !list.entries.isEmpty else { return try StandardOutput.line("no runs in \(folder)") }
        let header = ["run", "state", "model", "length", "best", "images/s", "size", "weights"]
        let rows = list.entries.map { entry in
            [
                entry.path.printable, entry.state.rawValue, entry.model.printable, entry.length,
                entry.best?.accuracy1.map { NumberText.decimal($0, 4) } ?? "–",
                entry.imagesPerSecond.map(NumberText.compact) ?? "–", NumberText.megabytes(entry.byteCount),
                entry.weightsDigest.map { String($0.prefix(12)) } ?? "–",
            ]
        }
        try StandardOutput.line(
            TextTable([header] + rows, [.left, .left, .left, .right, .right, .right, .right, .left]).text)
    }

    private static func json(_ entry: RunList.Entry) -> JSON {
        [
            "path": .string(entry.path), "state": .string(entry.state.rawValue), "model": .string(entry.model),
            "step": .integer(entry.lastStep),
            "best": .optional(entry.best) { best in
                [
                    "epoch": .integer(best.epoch), "step": .integer(best.step), "split": .string(best.split),
                    "loss": .optional(best.loss, JSON.number), "acc1": .optional(best.accuracy1, JSON.number),
                    "acc5": .optional(best.accuracy5, JSON.number),
                ]
            },
            "images_per_second": .optional(entry.imagesPerSecond, JSON.number), "bytes": .integer(entry.byteCount),
            "weights_sha256": .optional(entry.weightsDigest, JSON.string),
        ]
    }
}
