import Foundation
import Testing

@Suite("report and runs")
struct ReportCommandTests {
    private static let short = ["--data", "d.h5", "--set", "epochs=2", "--threads", "1"]

    @Test("a run leaves its page, the same on 1, 2 and 4 ranks but for times, and report makes it again byte for byte")
    func page() throws {
        let workshop = try Workshop.withData()
        let augment = ["--set", "data.augment=[{RandomHorizontalFlip: {}}]"]
        for ranks in [1, 2, 4] {
            let run = try workshop.run(
                each: (0..<ranks).map { _ in ["train"] + Self.short + augment + ["--run-dir", "r\(ranks)"] })
            #expect(run.code == 0 && run.output.contains("\nreport r\(ranks)/report.html\n"), "\(run)")
        }
        let snapshots = try [1, 2, 4].map { try workshop.text("r\($0)/report.json") }
        #expect(Set(snapshots).count == 1)
        let html = try workshop.text("r1/report.html")
        for words in [
            "<h1>r1</h1>", "class=\"state finished\"", "Most confused", "macro average", "Worst images", "Augmentation",
            "Conv2d", "waiting for data", "RandomHorizontalFlip", "weights_sha256", "evaluate r1<",
        ] { #expect(html.contains(words), "\(words)") }
        #expect(
            !html.contains("http:") && !html.contains("https:") && html.contains("src=\"data:image/png;base64,iVBOR"))
        let again = try workshop.run("report", "r1/", "--output", "again.html")
        #expect(again.code == 0 && again.output == "wrote again.html\n" && again.errors.isEmpty, "\(again)")
        #expect(try workshop.text("again.html") == html)
        try FileManager.default.removeItem(atPath: workshop.path + "/r1/report.html")
        try FileManager.default.removeItem(atPath: workshop.path + "/r1/report.json")
        let less = try workshop.run("report", "r1")
        #expect(less.code == 0 && less.errors.contains("note: r1: holds no report.json"), "\(less)")
        #expect(try workshop.text("r1/report.html").contains("Learning rate"))
    }

    @Test("a run without log.report has no page, and one that goes on keeps the best evaluation of before")
    func goesOn() throws {
        let workshop = try Workshop.withData()
        let without = try workshop.run(Self.short + ["--run-dir", "none", "--set", "log.report=false"])
        #expect(without.code == 0 && !without.output.contains("report.html"), "\(without)")
        #expect(!workshop.names.contains { $0.contains("report") })
        let part = try workshop.run(Self.short + ["--run-dir", "part", "--set", "epochs=1"])
        #expect(part.code == 0, "\(part)")
        let on = try workshop.run("--run-dir", "part", "--data", "d.h5", "--set", "epochs=3")
        #expect(on.code == 0, "\(on)")
        let whole = try workshop.run(Self.short + ["--run-dir", "whole", "--set", "epochs=3"])
        #expect(whole.code == 0, "\(whole)")
        #expect(try workshop.text("part/report.json") == workshop.text("whole/report.json"))
        #expect(try workshop.text("part/report.html").contains("2 starts"))
    }

    @Test("several runs stand side by side, and runs lists them with their state")
    func several() throws {
        let workshop = try Workshop.withData()
        for (name, rate) in [("a", "0.02"), ("b", "0.02"), ("c", "0.01")] {
            let run = try workshop.run(
                Self.short + ["--run-dir", "runs/\(name)", "--set", "optimizer.learning_rate=\(rate)"])
            #expect(run.code == 0, "\(run)")
        }
        let report = try workshop.run("report", "runs/a", "runs/b", "runs/c")
        #expect(report.code == 0 && report.output == "wrote comparison.html\n", "\(report)")
        let html = try workshop.text("comparison.html")
        #expect(html.contains("No: there are 2 different ones.") && html.contains("optimizer.learning_rate"))
        let equal = try workshop.run("report", "runs/a", "runs/b", "--output", "equal.html")
        #expect(equal.code == 0)
        #expect(try workshop.text("equal.html").contains("all of them are equal, bit for bit"))

        struct Run: Decodable {
            let path, state, model, digest: String
            let step, bytes: Int
            let best: Best
            private enum CodingKeys: String, CodingKey {
                case path, state, model, step, bytes, best
                case digest = "weights_sha256"
            }
        }
        struct Best: Decodable { let acc1: Double, epoch: Int }
        let listed = try workshop.run("runs", "--json")
        let runs = try JSONDecoder().decode([Run].self, from: Data(listed.output.utf8))
        #expect(runs.map(\.path) == ["runs/a", "runs/b", "runs/c"] && runs.allSatisfy { $0.state == "finished" })
        #expect(runs[0].digest == runs[1].digest && runs[0].digest != runs[2].digest)
        #expect(runs.allSatisfy { $0.bytes > 100_000 && $0.step == 14 })
        // A run that was killed has no end; a folder that is no run is passed over.
        let metrics = try workshop.text("runs/b/metrics.jsonl").split(separator: "\n").dropLast()
        try workshop.write(metrics.joined(separator: "\n") + "\nno event\n", "runs/b/metrics.jsonl")
        try workshop.write("model: [", "runs/c/config.yaml")
        try FileManager.default.createDirectory(
            atPath: workshop.path + "/runs/other", withIntermediateDirectories: true)
        let table = try workshop.run("runs")
        #expect(table.code == 0 && table.output.split(separator: "\n").count == 3, "\(table)")
        #expect(table.output.contains(/runs\/b +failed +fashion-classifier +2 epochs/), "\(table.output)")
        #expect(table.errors.hasPrefix("note: runs/c/config.yaml"), "\(table.errors)")
        let broken = try workshop.run("report", "runs/b", "--output", "b.html")
        #expect(broken.code == 0 && broken.errors.contains("no events are left out: 1"), "\(broken)")
    }

    @Test("what is no run is refused, and nothing is written")
    func refused() throws {
        let workshop = try Workshop.withData()
        try FileManager.default.createDirectory(atPath: workshop.path + "/empty", withIntermediateDirectories: true)
        for (words, code, text) in [
            (["report", "none"], Int32(66), "no such folder"), (["report", "d.h5"], 65, "expected a run folder"),
            (["report", "empty"], 66, "holds no config.yaml"), (["report"], 64, "run"),
            (["report", "empty", "--output", "x.pdf"], 64, ".html"), (["runs", "none"], 66, "no such folder"),
            (["runs", "d.h5"], 65, "expected a folder"),
        ] {
            let outcome = try workshop.run(words)
            #expect(outcome.code == code && outcome.errors.contains(text), "\(words): \(outcome)")
        }
        #expect(try workshop.run("runs", "empty").output == "no runs in empty\n")
        #expect(workshop.names == ["d.h5", "empty"])
    }
}
