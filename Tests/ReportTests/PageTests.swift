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
    snapshot.best?.worst = [.init(title: "cat</td>", detail: "not <dog>", png: png, side: 28)]
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
