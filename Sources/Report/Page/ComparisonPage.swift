/// Several runs side by side as an HTML page: how they did, whether their weights are equal, what differs between them, and
/// their curves in one picture. A pure function of the facts.
package struct ComparisonPage {
    private let runs: [RunFacts]

    package init(_ runs: [RunFacts]) { self.runs = runs }

    package var html: String {
        let title = "\(runs.count) runs side by side"
        return Markup.page(
            title: "\(title) – swift-train",
            body: """
                <header>
                \(Markup.text("h1", title))
                </header>
                <main>
                \(overview)
                \(section("weights", "Are the weights equal?", weights))
                \(section("curves", "Curves", curves))
                \(section("configuration", "What differs between the configurations", differences))
                </main>
                <footer>Made by swift-train from the run folders alone. This page is one file and loads nothing.</footer>
                """)
    }

    private func section(_ id: String, _ title: String, _ content: String) -> String {
        "<section id=\"\(id)\">\n\(Markup.text("h2", title))\n\(content)\n</section>"
    }

    private var overview: String {
        let rows = runs.map { run in
            let best = run.best
            return [
                run.name, run.state.rawValue, run.model, best.map(run.place) ?? "–", RunPage.share(best?.accuracy1),
                RunPage.decimal(best?.loss), run.length, NumberText.time(seconds: run.history.times.total),
                run.history.imagesPerSecond.map { NumberText.compact($0) } ?? "–",
            ]
        }
        return Markup.table(
            ["run", "state", "model", "best at", "accuracy", "loss", "length", "time", "images/s"], rows,
            caption: "The best evaluation of each run, by its own metric")
    }

    /// Runs with equal weights at their end, in the order of the first of each.
    var groups: [(digest: String, runs: [RunFacts])] {
        var groups: [(digest: String, runs: [RunFacts])] = []
        for run in runs {
            guard let end = run.history.end else { continue }
            if let place = groups.firstIndex(where: { $0.digest == end.weightsDigest }) {
                groups[place].runs.append(run)
            } else {
                groups.append((end.weightsDigest, [run]))
            }
        }
        return groups
    }

    private var weights: String {
        let (groups, open) = (groups, runs.filter { $0.history.end == nil })
        let verdict: String
        switch groups.count {
        case 0: verdict = "None of the runs has ended with weights to compare."
        case 1 where groups[0].runs.count == 1: verdict = "Nothing to compare: only one of the runs has ended."
        case 1 where groups[0].runs.count == runs.count: verdict = "Yes: all of them are equal, bit for bit."
        case 1: verdict = "Those that have ended are equal, bit for bit."
        default: verdict = "No: there are \(groups.count) different ones."
        }
        let isEqual = groups.count == 1 && groups[0].runs.count > 1
        let rows =
            groups.flatMap { group in
                group.runs.map { [$0.name, $0.history.end.map { NumberText.grouped($0.step) } ?? "–", group.digest] }
            } + open.map { [$0.name, NumberText.grouped($0.history.lastStep), "has not ended"] }
        return Markup.text("p", verdict, "class=\"\(isEqual ? "equal" : groups.count < 2 ? "note" : "differs")\"")
            + "\n"
            + Markup.table(
                ["run", "step", "weights_sha256"], rows, caption: "SHA-256 of the weights at the end")
    }

    private var curves: String {
        // What has no curve has no say.
        let isByEpoch = runs.allSatisfy { run in
            run.history.stepsPerEpoch != nil || run.history.steps.isEmpty && run.history.evaluations.isEmpty
        }
        func unit(_ run: RunFacts) -> Double { isByEpoch ? run.axis.steps : 1 }
        func evaluated(_ value: KeyPath<RunHistory.Evaluation, Double?>) -> [LineChart.Series] {
            runs.enumerated().map { place, run in
                LineChart.Series(
                    name: run.name,
                    points: run.history.evaluations.map { (Double($0.step) / unit(run), $0[keyPath: value] ?? .nan) },
                    style: place, isMarked: true)
            }
        }
        func trained(_ value: KeyPath<RunHistory.Training, Double?>) -> [LineChart.Series] {
            runs.enumerated().map { place, run in
                let (epochs, steps) = (run.history.epochs, run.history.steps)
                return LineChart.Series(
                    name: run.name,
                    points: (epochs.count > 1 || steps.isEmpty ? epochs : steps).map {
                        ($0.step / unit(run), $0[keyPath: value] ?? .nan)
                    }, style: place)
            }
        }
        let label = isByEpoch ? "epoch" : "step"
        let charts = [
            LineChart(
                id: "accuracy", title: "Accuracy of evaluations", xLabel: label, series: evaluated(\.accuracy1),
                limits: 0...1),
            LineChart(
                id: "loss", title: "Loss of evaluations", xLabel: label, series: evaluated(\.loss),
                mayBeLogarithmic: true),
            LineChart(
                id: "training", title: "Training loss", xLabel: label, series: trained(\.loss), mayBeLogarithmic: true),
            LineChart(
                id: "speed", title: "Training images a second", xLabel: label, series: trained(\.imagesPerSecond),
                includesZero: true),
        ]
        let figures = charts.compactMap { chart in
            chart.svg.map { Markup.element("figure", Markup.text("h3", chart.title) + $0) }
        }
        return figures.isEmpty
            ? Markup.text("p", "None of the runs has numbers yet.")
            : "<div class=\"charts\">\n\(figures.joined(separator: "\n"))\n</div>"
    }

    private var differences: String {
        var keys: [String] = []
        for setting in runs.flatMap(\.settings) where !keys.contains(setting.key) { keys.append(setting.key) }
        let values = runs.map { run in
            Dictionary(run.settings.map { ($0.key, $0.value) }) { first, _ in first }
        }
        let rows = keys.compactMap { key -> [String]? in
            let row = values.map { $0[key] ?? "–" }
            return Set(row).count > 1 ? [key] + row : nil
        }
        return rows.isEmpty
            ? Markup.text("p", "Nothing: all keys have the same values.")
            : Markup.table(
                ["key"] + runs.map(\.name), rows, caption: "\(rows.count) of \(keys.count) keys")
    }
}
