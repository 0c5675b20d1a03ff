internal import ArgumentParser
internal import Diagnostics
internal import Files
internal import Models
internal import Report
internal import Training

/// `swift-train report`: the page of a run made again, or several runs side by side.
struct ReportCommand: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Make the report.html of a run again from its folder alone, or one page of several runs side by side."
    )

    @Argument(
        help: ArgumentHelp("Run folders.", valueName: "run"), completion: .directory, transform: HomePath.expanded)
    var runs: [String]

    @Option(
        help: ArgumentHelp(
            "The page to write (.html); by default report.html in the run folder, of several runs comparison.html here.",
            valueName: "file"),
        completion: .file(extensions: ["html"]), transform: HomePath.expanded)
    var output: String?

    private static let most = 24

    func validate() throws {
        guard !runs.isEmpty else { throw ValidationError("expected a run folder") }
        guard runs.count <= Self.most else {
            throw ValidationError("\(runs.count) runs, expected at most \(Self.most) side by side")
        }
        if let output, ![".html", ".htm"].contains(where: output.lowercased().hasSuffix) {
            throw ValidationError("--output \(output): expected a name that ends in .html, which is what is written")
        }
    }

    func run() throws {
        let records = try runs.map {
            try RunRecord(Self.folder($0), models: ModelRegistry.names, showsPictures: runs.count == 1)
        }
        let isOne = records.count == 1
        let path = output ?? (isOne ? "\(records[0].path)/\(RunRecord.pageName)" : "comparison.html")
        try DurableFile.requireWritable(path)
        let html = isOne ? RunPage(records[0].facts).html : ComparisonPage(Self.named(records)).html
        try DurableFile.write(html, to: path)
        // A page of several runs shows no pictures anyway.
        for note in records.flatMap(\.notes) where isOne { StandardError.line("note: \(note)") }
        try StandardOutput.line("wrote \(path)")
    }

    private static func folder(_ path: String) -> String {
        path.count > 1 && path.hasSuffix("/") ? String(path.dropLast()) : path
    }

    /// Runs whose folders have the same name go by their paths.
    private static func named(_ records: [RunRecord]) -> [RunFacts] {
        let names = records.map(\.facts.name)
        return records.map { record in
            var facts = record.facts
            if names.count(where: { $0 == facts.name }) > 1 { facts.name = record.path }
            return facts
        }
    }
}
