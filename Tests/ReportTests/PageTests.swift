import Foundation
import FoundationXML
import Testing

@testable import Report

private let png = Data([0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 1, 2, 3])

/// A run of three epochs of ten steps, told as its metrics.jsonl does.
private func history(_ more: [String] = [], digest: String = "ab") -> RunHistory {
    var lines = [
        #"{"event":"start","data":"d.h5: 60 train","model":"tiny, 1 parameter","time":100.0}"#,
        #"{"event":"warning","message":"<b>careful</b> & \"quick\"","time":100.5}"#,
    ]
    for epoch in 1...3 {
        lines += [
            #"{"event":"step","epoch":\#(epoch),"step":\#(epoch * 10 - 5),"split":"train","loss":\#(2.0 / Double(epoch)),"acc1":0.5,"lr":0.1,"images_per_second":100.0,"seconds":1,"training_seconds":0.5,"data_wait_seconds":0.1,"communication_seconds":0.0,"time":\#(100 + epoch)}"#,
            #"{"event":"epoch","epoch":\#(epoch),"step":\#(epoch * 10),"split":"train","loss":\#(1.5 / Double(epoch)),"acc1":0.6,"acc5":0.9,"lr":0.05,"images_per_second":50.0,"seconds":1,"training_seconds":1.0,"data_wait_seconds":0.25,"communication_seconds":0.125,"time":\#(100 + epoch)}"#,
            #"{"event":"eval","epoch":\#(epoch),"step":\#(epoch * 10),"split":"test","loss":\#(epoch == 2 ? "null" : "0.5"),"acc1":0.\#(epoch == 3 ? 7 : 5 + epoch),"acc5":1.0,"seconds":0.25,"time":\#(100 + epoch)}"#,
            #"{"event":"checkpoint","step":\#(epoch * 10),"file":"step.h5","seconds":0.5,"stall_seconds":0.0625,"time":\#(100 + epoch)}"#,
        ]
    }
    lines += more
    var history = RunHistory()
    history.add(lines: lines.map { Array($0.utf8) })
    return history
}

private let ended =
    #"{"event":"end","epoch":3,"step":30,"weights_sha256":"ab","acc1":0.7,"exit_code":0,"seconds":4.0,"time":104.0}"#

private func facts(
    _ name: String = "run <1> & \"more\"", _ history: RunHistory? = nil, rate: String = "0.1"
) -> RunFacts {
    let matrix = ConfusionMatrix(
        classNames: ["cat</td>", "d\u{202e}og"], truths: [0, 0, 0, 1, 1], predictions: [0, 1, 1, 1, -1])
    var snapshot = RunSnapshot(classes: matrix.classNames, imageShape: [28, 28, 1])
    snapshot.best = .init(split: "test", epoch: 2, step: 20, loss: .nan, accuracy1: 0.7, matrix: matrix)
    snapshot.best?.worst = [.init(title: "cat</td>", detail: "not <dog>, 97.1 %", png: png, side: 28)]
    snapshot.samples = [.init(title: "\"cat\"", detail: "", png: png, side: 200)]
    snapshot.augmented = [[.init(title: "cat", detail: "epoch 1", png: png, side: 28)]]
    snapshot.network = .init(
        name: "tiny",
        rows: [.init(path: "conv1", type: "Conv2d", output: "6 × 24 × 24", parameters: 156, multiplyAdds: 1)],
        parameters: 156, multiplyAdds: 1)
    return RunFacts(
        name: name, model: "tiny", state: .finished, history: history ?? finished, bestMetric: "acc1",
        settings: [
            .init(key: "optimizer.learning_rate", value: rate, usual: "0.01"),
            .init(key: "seed", value: "1", usual: "1"),
        ], environment: [("host", "<script>alert(1)</script>")], commands: ["swift-train --data 'a b'", "swift-train"],
        next: [.init("Score", "swift-train evaluate 'a b'")], snapshot: snapshot)
}

private let finished = history([ended])

/// What a browser would fetch: values of attributes that load something, and url() of styles.
private func references(_ html: String) -> [String] {
    html.matches(of: /(?:src|href|action|data|poster|srcset|xlink:href)="([^"]*)"/).map { String($0.output.1) }
        + html.matches(of: /url\(([^)]*)\)|@import ([^;]*)/).map { String($0.output.0) }
}

/// The page read as XML, which it is but for tags that HTML does not close and attributes' character references.
private func isWellFormed(_ html: String) -> Bool {
    var text = html.replacing(/<!DOCTYPE html>/, with: "")
    text = text.replacing(/<(meta|img)([^>]*)>/) { "<\($0.output.1)\($0.output.2)/>" }
    return XMLParser(data: Data(text.utf8)).parse()
}

@Suite("The history of a run")
struct RunHistoryTests {
    @Test("curves, times and the end come from the lines; an epoch's line holds its steps' time")
    func lines() {
        let history = history([ended])
        #expect(history.steps.count == 3 && history.epochs.map(\.step) == [10, 20, 30])
        #expect(history.evaluations.map(\.accuracy1) == [0.6, 0.7, 0.7] && history.evaluations[1].loss == nil)
        #expect(history.stepsPerEpoch == 10 && history.lastStep == 30 && history.imagesPerSecond == 50)
        #expect(history.times.total == 4 && history.times.training == 3 && history.times.dataWait == 0.75)
        #expect(history.times.communication == 0.375 && history.times.evaluation == 0.75)
        #expect(history.times.saving == 0.1875)
        #expect(history.end == .init(step: 30, weightsDigest: "ab", averageDigest: nil, exitCode: 0))
        #expect(history.startFacts["data"] == "d.h5: 60 train" && history.warnings.count == 1)
    }

    @Test("a run that goes on has two starts, the time between them counts for nothing, steps of a broken epoch do")
    func goesOn() {
        let step =
            #"{"event":"step","epoch":4,"step":33,"loss":1,"acc1":0.5,"lr":0.1,"images_per_second":100,"seconds":1,"training_seconds":0.5,"data_wait_seconds":0.125,"communication_seconds":0,"time":104.5}"#
        let history = history([
            step, ended, #"{"event":"start","data":"e.h5","time":1000}"#,
            #"{"event":"warning","message":"w","time":1001}"#,
        ])
        #expect(history.starts == 2 && history.end == nil && history.startFacts["data"] == "e.h5")
        #expect(history.times.total == 4.5 + 1 && history.times.training == 3.5 && history.times.dataWait == 0.875)
    }

    @Test("lines that are no events are counted and left out; a million steps take the room of thousands")
    func bounds() {
        var history = RunHistory()
        let bad = history.add(
            lines: ["{", "[]", "{\"event\":7}", "", "{\"event\":\"step\",\"step\":\"x\"}"].map { Array($0.utf8) })
        #expect(bad == 4 && history == RunHistory())
        for step in 1...20_000 {
            history.add(lines: [Array("{\"event\":\"step\",\"step\":\(step),\"loss\":\(step)}".utf8)])
        }
        #expect((512...2_048).contains(history.steps.count), "\(history.steps.count)")
        #expect(abs((history.steps.first?.loss ?? 0) - 8.5) < 8 && (history.steps.last?.step ?? 0) > 19_900)
    }
}

@Suite("Lines of a run that are damaged")
struct DamagedHistoryTests {
    /// What no run writes, and what was not foreseen: it is left out, or drawn without harm.
    static let lines = [
        #"{"event":"epoch","epoch":10,"step":5,"loss":1}"#, #"{"event":"epoch","epoch":1}"#,
        #"{"event":"step","step":9223372036854775807,"loss":1}"#, #"{"event":"step","step":-1,"loss":1}"#,
        #"{"event":"step","step":281474976710657}"#, #"{"event":"step","step":18446744073709551615}"#,
        #"{"event":"step","step":1.5}"#, #"{"event":"eval","epoch":9223372036854775807,"step":1}"#,
        #"{"event":"eval","epoch":1,"step":9223372036854775807}"#, #"{"event":"step","step":1,"lr":1e31}"#,
        #"{"event":"step","step":1,"loss":1e999}"#, #"{"event":"step","step":1,"loss":"1"}"#,
        #"{"event":"end","step":1,"exit_code":0}"#, #"{"event":"end","step":1,"weights_sha256":"","exit_code":0}"#,
        #"{"event":"end","step":1,"weights_sha256":"ab","exit_code":-1}"#, #"{"event":"warning","message":7}"#,
        #"{"event":"eval","epoch":1,"step":1,"loss":1} x"#, #"{"event":"step","time":1e300}"#,
    ]

    @Test("a damaged line is no event, and the rest of the run is shown", arguments: lines)
    func leftOut(line: String) {
        var damaged = history([ended])
        #expect(damaged.add(lines: [Array(line.utf8)]) == 1 && damaged == history([ended]))
    }

    @Test(
        "numbers at the ends of what is allowed are drawn",
        arguments: [
            [#""step":1,"lr":0,"loss":0"#, #""step":2,"lr":5e-324,"loss":5e-324"#],
            [#""step":0,"lr":-1e30,"loss":1e30"#, #""step":281474976710656,"lr":1e30,"loss":-1e30"#],
            [#""step":1,"loss":1e30,"images_per_second":0"#, #""step":2,"loss":9.999999999999999e29"#],
            [#""step":1,"loss":1e-30,"acc1":-7"#, #""step":2,"loss":1e30,"acc1":1e9"#],
            [#""step":5,"loss":1e-300,"training_seconds":1e30,"time":1e30"#, #""step":5,"loss":1e-299,"time":-1e30"#],
            [
                #""epoch":281474976710656,"step":281474976710656,"loss":1"#,
                #""epoch":1,"step":281474976710656,"loss":2"#,
            ],
        ])
    func ends(numbers: [String]) {
        for kind in ["step", "epoch", "eval"] {
            var read = RunHistory()
            let bad = read.add(lines: numbers.map { Array("{\"event\":\"\(kind)\",\($0)}".utf8) })
            #expect(bad == 0 || kind == "epoch")
            read.add(lines: [Array(#"{"event":"eval","epoch":281474976710656,"step":7,"acc1":1e30}"#.utf8)])
            let run = facts("r", read)
            #expect(isWellFormed(RunPage(run).html) && isWellFormed(ComparisonPage([run, run]).html))
        }
    }

    @Test("a run that failed says why and with which exit code; one that goes on says when it was seen")
    func failure() {
        let line = #"{"event":"failed","step":12,"message":"the loss is not <finite>","exit_code":80,"time":101.5}"#
        let failed = history([line])
        #expect(failed.failure == .init(step: 12, message: "the loss is not <finite>", exitCode: 80))
        var run = facts("r", failed)
        run.state = .failed
        let html = RunPage(run).html
        #expect(html.contains("exit code 80") && html.contains("the loss is not &lt;finite&gt;") && isWellFormed(html))
        run.state = .running
        #expect(RunPage(run).html.contains("as of 1970-01-0"))
        #expect(failed != finished && finished.failure == nil)
        var again = failed
        again.add(lines: [Array(#"{"event":"start","time":200}"#.utf8)])
        #expect(again.failure == nil)
    }
}

@Suite("Series in bounded memory")
struct ThinnedSeriesTests {
    private struct Number: Thinnable {
        let value: Int
        static func joined(_ points: ArraySlice<Number>) -> Number { Number(value: points.reduce(0) { $0 + $1.value }) }
    }

    @Test(
        "no more points than the limit stand for all that came, each for as many neighbours, the last one for the rest")
    func limit() {
        for count in [0, 1, 7, 8, 9, 100, 12_345] {
            var series = ThinnedSeries<Number>(limit: 8)
            for _ in 0..<count { series.append(Number(value: 1)) }
            let points = series.points.map(\.value)
            #expect(points.count <= 8 && points.reduce(0, +) == count && series.isEmpty == (count == 0))
            #expect(Set(points.dropLast()).count <= 1 && (points.last ?? 0) <= points.first ?? 0)
            #expect(count < 8 ? points.count == count : points.count >= 4)
        }
    }

    @Test("a hundred thousand evaluations take the room of thousands, and the best of them is kept as it was")
    func evaluations() {
        var history = RunHistory()
        for number in 1...100_000 {
            let accuracy = number == 77_777 ? 0.9 : 0.5
            history.add(lines: [
                Array("{\"event\":\"eval\",\"epoch\":0,\"step\":\(number),\"acc1\":\(accuracy),\"loss\":1}".utf8)
            ])
        }
        #expect(history.evaluations.count <= 2_048 && history.lastStep == 100_000)
        #expect(history.best(by: .accuracy1)?.step == 77_777 && history.best(by: .loss)?.step == 1)
    }
}

@Suite("Pages of runs")
struct PageTests {
    @Test("a page is well-formed, loads nothing, says everything in words too and takes nothing foreign for markup")
    func page() throws {
        let html = RunPage(facts()).html
        #expect(isWellFormed(html))
        for reference in references(html) {
            #expect(reference.hasPrefix("#") || reference.hasPrefix("data:image/png;base64,"), "\(reference)")
        }
        for word in ["<script", "<b>careful", "cat</td>", "<dog>", "\u{202e}", "onload", "http"] {
            #expect(!html.replacing("http-equiv", with: "").contains(word), "\(word)")
        }
        #expect(html.contains("<h1>run &lt;1&gt; &amp; &quot;more&quot;</h1>"))
        #expect(html.contains("cat&lt;/td&gt; taken for d\\u{202e}og: 2 of 3, 66.7 %"))
        // Every picture has words, every drawing a title.
        #expect(html.matches(of: /<img [^>]*>/).allSatisfy { $0.output.contains("alt=\"") })
        #expect(html.matches(of: /<svg\s/).count == html.matches(of: /<svg [^>]*>\s*<title/).count)
        #expect(html.contains("test: from 0.6 to 0.7, lowest 0.6, highest 0.7"))
        #expect(html.contains("not &lt;dog&gt;, 97.1\u{a0}%"))
        for words in [
            "70.00 %", "swift-train evaluate 'a b'", "Images as they are stored", "waiting for data", "3 epochs",
        ] {
            #expect(html.contains(words), "\(words)")
        }
        // What differs from its default stands in front; the rest below.
        let table = try #require(html.firstRange(of: "What differs from the defaults"))
        let all = try #require(html.firstRange(of: "All 2 keys"))
        #expect(table.lowerBound < all.lowerBound && !html[table.lowerBound..<all.lowerBound].contains("seed"))
        #expect(RunPage(facts()).html == html, "a pure function")
    }

    @Test("a run that has only begun has a page too, with what there is")
    func empty() {
        var run = facts("r", RunHistory())
        (run.snapshot, run.environment, run.commands, run.next, run.settings) = (nil, [], [], [], [])
        let html = RunPage(run).html
        #expect(isWellFormed(html) && !html.contains("<section"))
    }

    @Test("the page shows the snapshot that was kept, and only one that fits together")
    func snapshot() throws {
        let snapshot = try #require(facts().snapshot)
        let json = try snapshot.json()
        let read = try #require(RunSnapshot(json: json))
        #expect(try read.json() == json && read.samples == snapshot.samples && read.best?.pairs == snapshot.best?.pairs)
        func broken(_ change: (inout RunSnapshot) -> Void) throws -> RunSnapshot? {
            var other = snapshot
            change(&other)
            return RunSnapshot(json: try other.json())
        }
        #expect(RunSnapshot(json: Array("{}".utf8)) == nil && RunSnapshot(json: Array(json.dropLast())) == nil)
        #expect(try broken { $0.version = 2 } == nil)
        #expect(try broken { $0.best?.pairs[0] = [0, 2, 1] } == nil)
        #expect(try broken { $0.best?.pairs[0] = [0, 1] } == nil)
        #expect(try broken { $0.best?.pairs[0][2] = -1 } == nil)
        #expect(try broken { $0.best?.pairs.append([0, 0, 1]) } == nil)
        #expect(try broken { $0.best?.unpredicted = [1] } == nil)
        #expect(try broken { $0.samples[0].png = Data("<svg>".utf8) } == nil)
    }

    @Test("runs side by side: equal weights, what differs, their curves")
    func comparison() {
        let other = ended.replacingOccurrences(of: "\"ab\"", with: "\"cd\"")
        let page = ComparisonPage([
            facts("one"), facts("two"), facts("three", history([other]), rate: "0.2<"), facts("four", history()),
        ])
        #expect(page.groups.map(\.digest) == ["ab", "cd"] && page.groups[0].runs.map(\.name) == ["one", "two"])
        let html = page.html
        #expect(isWellFormed(html) && references(html).isEmpty)
        #expect(
            html.contains("No: there are 2 different ones.") && html.contains("1 of 2 keys") && html.contains("0.2&lt;")
        )
        #expect(ComparisonPage([facts("one"), facts("two")]).html.contains("all of them are equal, bit for bit"))
        #expect(
            ComparisonPage([facts("a", RunHistory()), facts("b", RunHistory())]).html.contains(
                "None of the runs has ended"))
        #expect(ComparisonPage([facts("a"), facts("b", RunHistory())]).html.contains(">epoch</text>"))
        #expect(
            ComparisonPage([facts("a"), facts("b", RunHistory())]).html.contains(
                "Nothing to compare: only one of the runs has ended."))
    }

    @Test("two dozen runs have as many dashes, the legend takes no room from the plot, and long names are cut")
    func manySeries() throws {
        #expect(Set((0..<24).map(LineChart.dash)).count == 24)
        func chart(_ count: Int) throws -> String {
            let name = String(repeating: "n", count: 50)
            let series = (0..<count).map {
                LineChart.Series(name: "\($0)\(name)", points: [(1, 1), (2, Double($0) + 2)], style: $0)
            }
            return try #require(LineChart(id: "a", title: "t", xLabel: "x", series: series).svg)
        }
        func number(_ svg: String, _ pattern: Regex<(Substring, Substring)>) throws -> Double {
            let match = try #require(svg.firstMatch(of: pattern))
            return try #require(Double(match.output.1))
        }
        let (one, many) = (try chart(1), try chart(24))
        let taller = try number(many, /viewBox="0 0 480 ([0-9]+)"/) - number(one, /viewBox="0 0 480 ([0-9]+)"/)
        #expect(taller == 23 * 17, "a row of the legend for each")
        #expect(!one.contains("dasharray") && many.contains("dasharray"))
        let drawn = try #require(one.firstRange(of: "</desc>"))
        #expect(one[drawn.upperBound...].contains("0" + String(repeating: "n", count: 38) + "… 2<"))
    }

    @Test("columns of numbers are set flush right, words flush left, and ticks have the decimals of their step")
    func alignment() throws {
        let table = Markup.table(
            ["a", "b", "c", "d"], [["1", "70.00 %", "epoch 3", "–"], ["2", "1,234", "5", "0.12 s"]], caption: "")
        #expect(
            table.contains(
                #"<th scope="col" class="num">b</th><th scope="col">c</th><th scope="col" class="num">d</th>"#))
        #expect(table.contains(#"<td class="num">1,234</td><td>5</td>"#))
        let chart = LineChart(
            id: "a", title: "t", xLabel: "x", series: [.init(name: "n", points: [(1, 0.71), (2, 0.8)])])
        let svg = try #require(chart.svg)
        for label in ["0.700", "0.725", "0.750", "0.775", "0.800"] { #expect(svg.contains(">\(label)<"), "\(label)") }
        let speed = LineChart(
            id: "a", title: "t", xLabel: "x", series: [.init(name: "n", points: [(1, 5_000), (2, 20_000)])],
            includesZero: true)
        for label in ["0", "5k", "10k", "20k"] { #expect(speed.svg?.contains(">\(label)<") == true, "\(label)") }
    }

    @Test("axes have round numbers around the values, decades where they spread far")
    func axes() {
        #expect(
            LineChart.ticks(0.72, 0.91, within: 0...1).ticks.map { ($0 * 100).rounded() } == [70, 75, 80, 85, 90, 95])
        #expect(LineChart.ticks(0.98, 1, within: 0...1).range.upperBound == 1)
        #expect(LineChart.ticks(5, 5, within: nil).ticks.count > 1)
        #expect(LineChart.ticks(1, 3, within: nil, whole: true).ticks == [1, 2, 3])
        #expect(LineChart.decades(0.02, 30).ticks == [0.01, 0.1, 1, 10, 100])
        #expect(
            LineChart.decades(0.3, 12).range.lowerBound == 0.2 || LineChart.decades(0.3, 12).range.lowerBound == 0.1)
        let empty = LineChart(id: "a", title: "t", xLabel: "x", series: [.init(name: "n", points: [(1, .nan)])])
        #expect(empty.svg == nil)
        let one = LineChart(id: "a", title: "<t>", xLabel: "x", series: [.init(name: "&n", points: [(1, 2)])])
        #expect(
            one.svg?.contains("&lt;t&gt;") == true && one.svg?.contains("<circle") == true
                && one.svg?.contains("nan") == false)
        let gap = LineChart(
            id: "a", title: "t", xLabel: "x",
            series: [.init(name: "n", points: [(1, 2), (2, .infinity), (3, 4), (4, 5)])])
        #expect(gap.svg?.contains(/d="M[0-9. ]+M[0-9. ]+L/) == true, "two pieces: \(gap.svg ?? "")")
    }
}
