internal import ArgumentParser
internal import DataParallel
internal import Datasets
internal import Diagnostics
internal import Files
internal import Ingest
internal import Models
internal import Report
internal import Training

struct PredictCommand: Command {
    static let configuration = CommandConfiguration(
        commandName: "predict",
        abstract: "Classify images with a checkpoint, or weights of another program; any number of ranks.",
        discussion: """
            Images are pictures, folders of them, tars or dataset files. Pictures (JPEG, PNG) of any size are prepared as those were \
            that the run was trained on. What cannot be read is named, the rest is classified, and the exit code is 65.
            """)

    @OptionGroup var subject: NetworkSubject

    @Option(
        help: ArgumentHelp(
            "Write a table (.csv): file, class, probability, then the next classes and their probabilities.",
            valueName: "file"),
        completion: .file(extensions: ["csv"]), transform: HomePath.expanded)
    var output: String?

    @Option(
        parsing: .unconditional, help: ArgumentHelp("Classes of each image, the most probable first.", valueName: "n"))
    var top = 5

    @Option(
        help: ArgumentHelp("Of dataset files: one split instead of all.", valueName: "name"),
        completion: .list(["test", "train", "val"]))
    var split: String?

    @Option(
        help: ArgumentHelp(
            "Bring images to this size instead of the one trained on, where the network takes it.",
            valueName: "WIDTHxHEIGHT"))
    var size: String?

    @OptionGroup var parallel: ThreadOption

    @Flag(help: "Print one JSON object a line, one line an image.")
    var json = false

    func validate() throws {
        guard (1...1_000_000).contains(top) else { throw ValidationError("--top \(top): expected 1…1000000") }
        if let output, !output.lowercased().hasSuffix(".csv") {
            throw ValidationError("--output \(output): expected a name that ends in .csv, which is what is written")
        }
        guard !subject.images.isEmpty else {
            throw ValidationError("expected images\(subject.weights == nil ? " behind the checkpoint" : "")")
        }
    }

    mutating func execute(over communicator: any Communicator, environment: [String: String]) throws -> ExitCode {
        // What follows is done in step only if all ranks were told so.
        try RankAgreement.check(
            subject.facts + [
                .init("--output", output ?? "(none)"), .init("--top", "\(top)"), .init("--split", split ?? "(all)"),
                .init("--size", size ?? "(none)"),
            ], over: communicator)
        let choice = try RankAgreement.together(communicator) {
            let choice = try subject.choice()
            if communicator.rank == 0, let output {
                let outputs = [output, PredictionReport.leftOutPath(besides: output)]
                try subject.requireWritable(outputs, beside: choice)
            }
            return choice
        }
        let wanted = try RankAgreement.together(communicator) { try size.map { try ImagePreparation.Size($0) } }
        let session = try PredictionSession(threads: parallel.threads, communicator: communicator) {
            try subject.open(choice, size: wanted.map { ($0.height, $0.width) })
        }
        let recorded = ImagePreparation(recorded: session.preprocessing)
        let images = try RankAgreement.together(communicator) {
            try GivenImages(
                paths: subject.images, height: session.input[1], width: session.input[2], channels: session.input[0],
                preparation: recorded ?? ImagePreparation(), split: split)
        }
        let isFirst = communicator.rank == 0
        let report = try RankAgreement.together(communicator) {
            isFirst
                ? try PredictionReport(
                    output: output, json: json, top: min(top, session.classNames.count), classNames: session.classNames)
                : nil
        }
        if isFirst {
            choice.sayWhich(assuming: session.assumption)
            StandardError.line(
                "\(session.modelName) on \(NumberText.grouped(images.count)) image\(images.count == 1 ? "" : "s"), brought to "
                    + "\(session.input[2])×\(session.input[1]), \((recorded ?? ImagePreparation()).text)"
                    + (recorded == nil ? " (nothing says how its pictures came to that size)" : ""))
            for (name, reason) in images.leftOut { try report?.add(name, .none(reason)) }
        }
        try session.run(images, top: min(top, session.classNames.count)) { image, prediction in
            try report?.add(images.name(of: image), prediction)
        }
        let code = try RankAgreement.together(communicator) { try report?.finish() ?? .done }
        return try ExitCode(rawValue: communicator.broadcast([UInt8(code.rawValue)], from: 0).map(Int32.init)[0])
            ?? code
    }
}

/// Predictions on their way to a table, the terminal and standard error; on rank 0.
private final class PredictionReport {
    private let output: String?
    private let file: TemporaryFile?
    private let text: PredictionText
    private let json: Bool
    private let classNames: [String]
    private let started = ContinuousClock.now
    private var counts: [Int]
    private var unreadable: [(file: String, reason: String)] = []
    private var others = 0
    /// Rows that have not been written yet.
    private var rows: [(file: String, classes: PredictionText.Classes)] = []

    /// Unreadable images named on standard error; the list beside the output has all.
    private static let namedFailures = 20
    private static let rowsAtOnce = 32
    private static let shownClasses = 20

    /// Where the images stand that cannot be read.
    static func leftOutPath(besides output: String) -> String { "\(output).left-out.csv" }

    init(output: String?, json: Bool, top: Int, classNames: [String]) throws {
        self.output = output
        self.json = json
        self.classNames = classNames
        text = PredictionText(top: top, hasTruth: false)
        counts = [Int](repeating: 0, count: classNames.count)
        file = try output.map(TemporaryFile.init(for:))
        try file?.write(text.header)
    }

    func add(_ name: String, _ prediction: Prediction) throws {
        switch prediction {
        case .none(let why):
            guard why.isBad else { return others += 1 }
            unreadable.append((name, why.reason))
            if unreadable.count <= Self.namedFailures { StandardError.line("\(name.printable): \(why.reason)") }
            if json {
                try StandardOutput.line(
                    JSON.object([.init("file", .string(name)), .init("error", .string(why.reason))]).text())
            }
        case .classes(let classes):
            counts[classes[0].index] += 1
            let named = classes.map { (name: classNames[$0.index], probability: $0.probability) }
            try file?.write(text.row(file: name, named))
            if json {
                let object: JSON = [
                    "file": .string(name), "class": .string(named[0].name),
                    "probability": .number(named[0].probability),
                    "top": .array(
                        named.map { ["class": .string($0.name), "probability": .number($0.probability)] }),
                ]
                try StandardOutput.line(object.text())
            } else if output == nil {
                rows.append((name, named))
                if rows.count == Self.rowsAtOnce { try showRows() }
            }
        }
    }

    /// Gives the table its name and says what came of the images: 65 when some could not be read.
    func finish() throws -> ExitCode {
        try showRows()
        let predicted = counts.reduce(0, +)
        guard predicted > 0 || !unreadable.isEmpty else {
            throw Failure(
                .badData, "\(NumberText.counted(others, "file")), and no image among them; expected JPEG or PNG files")
        }
        try file?.commit()
        let seconds = Double((ContinuousClock.now - started) / .milliseconds(1)) / 1e3
        var lines: [String] = []
        if let output {
            if !json { lines += table }
            lines.append("wrote \(output)")
            if !unreadable.isEmpty { lines.append(try writeUnreadable(besides: output)) }
        }
        if others > 0 { lines.append("\(others) file\(others == 1 ? " is" : "s are") no image and left out") }
        lines.append(
            "\(NumberText.counted(predicted, "image")) in \(NumberText.decimal(seconds, 1)) s, "
                + "\(NumberText.compact(Double(predicted) / max(seconds, 1e-3))) images/s")
        for line in lines { json ? StandardError.line(line) : try StandardOutput.line(line) }
        guard !unreadable.isEmpty else { return .done }
        if unreadable.count > Self.namedFailures {
            StandardError.line("and \(unreadable.count - Self.namedFailures) more that cannot be read")
        }
        StandardError.line(
            "\(ExitCode.badData.label): \(unreadable.count) of \(unreadable.count + predicted) images could not be read; the others "
                + "are classified")
        return .badData
    }

    /// How many images have been given each class.
    private var table: [String] {
        let named = zip(classNames, counts).filter { $1 > 0 }.sorted { $0.1 > $1.1 }
        let shown = named.prefix(Self.shownClasses).map { ($0.printable, "\($1)") }
        return TextTable(facts: shown).lines
            + (named.count > Self.shownClasses ? ["and \(named.count - Self.shownClasses) more classes"] : [])
    }

    private func showRows() throws {
        for line in text.lines(rows) { try StandardOutput.line(line) }
        rows = []
    }

    private func writeUnreadable(besides output: String) throws -> String {
        let path = Self.leftOutPath(besides: output)
        let rows = unreadable.map { CSV.row([$0.file, $0.reason]) + "\n" }
        try DurableFile.write("file,reason\n" + rows.joined(), to: path)
        return "wrote \(path): \(unreadable.count) that could not be read"
    }
}
