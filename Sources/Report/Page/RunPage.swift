internal import Foundation

/// The report of one run as an HTML page that needs nothing but itself. A pure function of the facts.
package struct RunPage {
    private let facts: RunFacts
    private var history: RunHistory { facts.history }

    package init(_ facts: RunFacts) { self.facts = facts }

    package var html: String {
        let sections = [
            Section("curves", "Curves", curves), Section("results", "Results", results),
            Section("worst", "Worst images", worst), Section("data", "Data", data),
            Section("network", "Network", network), Section("time", "Time", time),
            Section("configuration", "Configuration", configuration),
            Section("environment", "Environment and hashes", environment), Section("warnings", "Warnings", warnings),
            Section("next", "Commands to go on", next),
        ].filter { $0.content != nil }
        let links = sections.map { "<a href=\"#\($0.id)\">\(Markup.escaped($0.title))</a>" }.joined(separator: "\n")
        let body = sections.map { section in
            "<section id=\"\(section.id)\">\n\(Markup.text("h2", section.title))\n\(section.content ?? "")\n</section>"
        }
        return Markup.page(
            title: "\(facts.name) – swift-train",
            body: """
                <header>
                \(Markup.text("h1", facts.name))
                \(Markup.text("span", facts.state.rawValue, "class=\"state \(facts.state.rawValue)\"")) \(stateDetail)
                \(Markup.text("p", lead, "class=\"lead\""))
                <nav aria-label="Sections">
                \(links)
                </nav>
                </header>
                <main>
                \(figures)
                \(body.joined(separator: "\n"))
                </main>
                <footer>Made by swift-train from the run folder alone. This page is one file and loads nothing.</footer>
                """)
    }

    private struct Section {
        let id, title: String
        let content: String?

        init(_ id: String, _ title: String, _ content: String?) {
            (self.id, self.title, self.content) = (id, title, content)
        }
    }

    // MARK: Head

    private var lead: String {
        let data = history.startFacts["data"].map { " on \($0)" } ?? ""
        return "\(facts.model)\(data)"
    }

    /// What the state alone does not say: how far the page of a run that goes on has seen it, and why one has failed.
    private var stateDetail: String {
        switch facts.state {
        case .running:
            let moment = history.latest.map(Self.date) ?? ""
            return moment.isEmpty ? "" : Markup.text("span", "as of \(moment)", "class=\"note\"")
        case .failed:
            guard let failure = history.failure else {
                return Markup.text("span", "it ended without a word", "class=\"note\"")
            }
            return Markup.text("span", "exit code \(failure.exitCode)", "class=\"note\"")
                + Markup.text("p", failure.message, "class=\"differs\"")
        case .finished, .stopped: return ""
        }
    }

    /// The numbers that a reader looks for first.
    private var figures: String {
        var figures: [(name: String, value: String, detail: String)] = []
        if let best = facts.best {
            figures.append(
                (
                    "best \(best.split) accuracy", Self.share(best.accuracy1),
                    "\(facts.place(best)), loss \(Self.decimal(best.loss))"
                ))
        }
        if let last = history.evaluations.last, last != facts.best {
            figures.append(
                ("last \(last.split) accuracy", Self.share(last.accuracy1), "loss \(Self.decimal(last.loss))"))
        }
        if let train = history.epochs.last ?? history.steps.last {
            figures.append(("train accuracy", Self.share(train.accuracy), "loss \(Self.decimal(train.loss))"))
        }
        figures.append(("trained", facts.length, NumberText.counted(history.lastStep, "step")))
        figures.append(
            (
                "time", NumberText.time(seconds: history.times.total),
                history.starts > 1 ? "\(history.starts) starts" : history.begin.map(Self.date) ?? ""
            ))
        if let speed = history.imagesPerSecond {
            figures.append(("speed", NumberText.compact(speed), "training images a second"))
        }
        if let network = facts.snapshot?.network {
            figures.append(
                (
                    "parameters", NumberText.compact(Double(network.parameters)),
                    "\(NumberText.compact(Double(network.multiplyAdds))) multiply-adds an image"
                ))
        }
        let items = figures.map { name, value, detail in
            "<div>\(Markup.text("dt", name))<dd>\(Markup.escaped(value))\(Markup.text("small", detail))</dd></div>"
        }
        return "<dl class=\"figures\">\n\(items.joined(separator: "\n"))\n</dl>"
    }

    // MARK: Curves

    private var curves: String? {
        let figures = RunCharts(facts).all.compactMap { chart in
            chart.svg.map { Markup.element("figure", Markup.text("h3", chart.title) + $0) }
        }
        return figures.isEmpty ? nil : "<div class=\"charts\">\n\(figures.joined(separator: "\n"))\n</div>"
    }

    // MARK: Results

    private static let drawnClasses = 32
    /// Whether a matrix of so many classes is too large to be drawn on the page.
    package static func needsMatrixPicture(classes: Int) -> Bool { classes > drawnClasses }
    private static let shownClasses = 50
    private static let shownPairs = 10

    private var results: String? {
        guard let snapshot = facts.snapshot, let scored = snapshot.best, let matrix = snapshot.matrix(of: scored) else {
            return nil
        }
        let title =
            "\(NumberText.grouped(matrix.samples)) \(scored.split) images, accuracy \(Self.share(scored.accuracy1))"
        var parts = [
            Markup.text(
                "p",
                "Of the best evaluation, step \(NumberText.grouped(scored.step)): the weights of checkpoints/best.h5.",
                "class=\"note\"")
        ]
        if matrix.classes <= Self.drawnClasses {
            parts.append(
                "<figure class=\"wide matrix\">\n\(ConfusionPicture(matrix, title: title).pageElement)</figure>")
        } else if let png = scored.matrixPNG {
            parts.append(
                "<figure class=\"wide\"><img src=\"\(Self.source(png))\" alt=\"Confusion matrix of \(matrix.classes) classes; "
                    + "the pairs that occur most are listed below\"></figure>")
        }
        let pairs = ConfusionText.mostConfused(matrix, Self.shownPairs)
        parts.append(
            Markup.text("h3", "Most confused")
                + (pairs.isEmpty
                    ? Markup.text("p", "No class was taken for another.")
                    : "<ol>\n\(pairs.map { Markup.text("li", $0) }.joined(separator: "\n"))\n</ol>"))
        parts.append(classes(matrix))
        return parts.joined(separator: "\n")
    }

    private func classes(_ matrix: ConfusionMatrix) -> String {
        let rows = matrix.classScores.map {
            [$0.name] + [$0.precision, $0.recall, $0.f1].map { NumberText.decimal($0, 4) }
                + [NumberText.grouped($0.support)]
        }
        let macro = matrix.macroAverage
        let average =
            ["macro average"] + [macro.precision, macro.recall, macro.f1].map { NumberText.decimal($0, 4) }
            + [NumberText.grouped(matrix.samples)]
        let table = Markup.table(
            ["class", "precision", "recall", "F1", "images"], rows + [average],
            caption:
                "Precision: of what was taken for the class, the share that is. Recall: of the class, the share that was found."
        )
        guard matrix.classes > Self.shownClasses else { return Markup.text("h3", "Classes") + table }
        return Markup.text("h3", "Classes")
            + "<details><summary>All \(matrix.classes) classes</summary>\n\(table)</details>"
    }

    // MARK: Pictures

    private var worst: String? {
        guard let scored = facts.snapshot?.best, !scored.worst.isEmpty else { return nil }
        return Markup.text(
            "p",
            "The \(scored.worst.count) \(scored.split) images whose true class is least probable to the network of "
                + "checkpoints/best.h5, the worst first.", "class=\"note\"") + "\n" + pictures(scored.worst)
    }

    private var data: String? {
        guard let snapshot = facts.snapshot, !snapshot.samples.isEmpty else { return nil }
        let shape = snapshot.imageShape.map(String.init).joined(separator: "×")
        let axes =
            snapshot.imageShape.count == 4
            ? "depth, height, width, channels; the middle slice" : "height, width, channels"
        var text =
            Markup.text(
                "p",
                "Training images as they are stored, \(shape) (\(axes)), one of each class"
                    + (snapshot.classes.count > snapshot.samples.count
                        ? " of the first \(snapshot.samples.count) of \(snapshot.classes.count)." : "."),
                "class=\"note\"")
            + "\n" + pictures(snapshot.samples)
        if !snapshot.augmented.isEmpty {
            text +=
                Markup.text("h3", "Augmentation") + "\n"
                + Markup.text(
                    "p", "Images as they are stored, and beside each what the network got of it in the first epochs.",
                    "class=\"note\"")
            for row in snapshot.augmented {
                text += "\n<div class=\"row\">\(row.map { image($0) }.joined())</div>"
            }
        }
        return text
    }

    private func pictures(_ pictures: [RunSnapshot.Picture]) -> String {
        let figures = pictures.map { picture in
            // A number and its sign stay together.
            let detail = picture.detail.replacing(" %", with: "\u{a0}%")
            return
                "<figure>\(image(picture))<figcaption>\(Markup.text("b", picture.title))\(Markup.escaped(detail))</figcaption></figure>"
        }
        return "<div class=\"pictures\">\n\(figures.joined(separator: "\n"))\n</div>"
    }

    /// Smaller ones show their pixels.
    private static let smallSide = 96

    private func image(_ picture: RunSnapshot.Picture) -> String {
        let words = [picture.title, picture.detail].filter { !$0.isEmpty }.joined(separator: ", ")
        return "<img src=\"\(Self.source(picture.png))\" alt=\"\(Markup.escaped(words))\""
            + (picture.side <= Self.smallSide ? " class=\"small\"" : "") + ">"
    }

    private static func source(_ png: Data) -> String { "data:image/png;base64,\(png.base64EncodedString())" }

    // MARK: Tables

    private var network: String? {
        guard let network = facts.snapshot?.network else { return nil }
        func number(_ value: Int) -> String { value == 0 ? "–" : NumberText.grouped(value) }
        let rows = network.rows.map { [$0.path, $0.type, $0.output, number($0.parameters), number($0.multiplyAdds)] }
        let total = ["all", "", "", number(network.parameters), number(network.multiplyAdds)]
        let table = Markup.table(
            ["layer", "type", "output", "parameters", "multiply-adds"], rows + [total],
            caption: "\(network.name), of one image: output shapes as channels × height × width")
        return rows.count <= 40 ? table : "<details><summary>\(rows.count) layers</summary>\n\(table)</details>"
    }

    private var time: String? {
        let times = history.times
        guard times.total > 0, times.training > 0 else { return nil }
        let compute = max(0, times.training - times.dataWait - times.communication)
        let known = [
            ("computing steps", compute), ("waiting for data", times.dataWait),
            ("communication", times.communication), ("evaluation", times.evaluation), ("saving", times.saving),
        ]
        let other = max(0, times.total - known.reduce(0) { $0 + $1.1 })
        let shares = (known + [("start, end and the rest", other)]).map { ($0.0, $0.1, $0.1 / times.total) }
        let bar = shares.enumerated().filter { $1.2 > 0 }.map { index, share in
            "<div class=\"t\(index)\" style=\"width:\(SVGText.number(share.2 * 100))%\"></div>"
        }
        let rows = shares.enumerated().map { index, share in
            "<tr><th scope=\"row\"><span class=\"swatch t\(index)\"></span>\(Markup.escaped(share.0))</th>"
                + Markup.text("td", NumberText.percent(share.2, 1), "class=\"num\"")
                + Markup.text("td", NumberText.time(seconds: share.1), "class=\"num\"") + "</tr>"
        }
        return """
            <div class="bar" aria-hidden="true">\(bar.joined())</div>
            <div class="wide"><table><caption>Of \(NumberText.time(seconds: times.total)) from start to end, seen by rank 0. \
            Saves run beside the training; what counts here is what it waited for them.</caption>
            <tbody>\(rows.joined(separator: "\n"))</tbody></table></div>
            """
    }

    private var configuration: String? {
        guard !facts.settings.isEmpty else { return nil }
        let changed = facts.settings.filter(\.differs)
        let rows = changed.map { [$0.key, $0.value, $0.usual ?? "–"] }
        let all = facts.settings.map { [$0.key, $0.value] }
        return
            (changed.isEmpty
            ? Markup.text("p", "Everything is as it is by default.")
            : Markup.table(
                ["key", "value", "default"], rows, caption: "What differs from the defaults"))
            + "<details><summary>All \(all.count) keys</summary>\n"
            + Markup.table(["key", "value"], all, caption: "config.yaml") + "</details>"
    }

    private var environment: String? {
        var rows: [(key: String, value: String)] = []
        if let end = history.end {
            rows.append(("weights_sha256", "\(end.weightsDigest), after step \(NumberText.grouped(end.step))"))
            if let digest = end.averageDigest { rows.append(("ema_sha256", digest)) }
        }
        rows += facts.environment
        return rows.isEmpty
            ? nil
            : Markup.facts(rows, caption: "Equal configurations give equal weights on any number of ranks and threads")
    }

    private var warnings: String? {
        guard !history.warnings.isEmpty else { return nil }
        return "<ul>\n\(history.warnings.map { Markup.text("li", $0) }.joined(separator: "\n"))\n</ul>"
    }

    private var next: String? {
        func block(_ purpose: String, _ words: String) -> String {
            Markup.text("p", purpose) + "\n<pre><code>\(Markup.escaped(words))</code></pre>"
        }
        var parts = facts.next.map { block($0.purpose, $0.words) }
        if !facts.commands.isEmpty {
            // One a line: not escaped as one text, which would lose the line feeds.
            let words = facts.commands.map(Markup.escaped).joined(separator: "\n")
            parts.append(
                Markup.text("p", facts.commands.count == 1 ? "This run was started by" : "This run was worked on by")
                    + "\n<pre><code>\(words)</code></pre>")
        }
        return parts.isEmpty ? nil : parts.joined(separator: "\n")
    }

    // MARK: Numbers

    static func share(_ value: Double?) -> String { value.map { NumberText.percent($0, 2) } ?? "–" }
    static func decimal(_ value: Double?) -> String { value.map { NumberText.decimal($0, 4) } ?? "–" }

    static func date(_ unix: Double) -> String { LocalTime.text(unix, "%Y-%m-%d %H:%M") }
}
