import Foundation
import Testing

@Suite("Commands of one process")
struct CommandTests {
    @Test(
        "help and version go to standard output and end well",
        arguments: [
            ("--help", "USAGE: swift-train"), ("train --help", "--run-dir"), ("evaluate --help", "--checkpoint"),
            ("bench --help", "--seconds"), ("convert --help", "synthetic"), ("inspect --help", "--json"),
            ("summary --help", "--input"),
            ("--version", "0."),
        ])
    func help(line: String, words: String) throws {
        let outcome = try Workshop().run(line.split(separator: " ").map(String.init))
        #expect(outcome.code == 0 && outcome.errors.isEmpty && outcome.output.contains(words), "\(outcome)")
    }

    @Test("--print-config shows what a run would be, and can be read again")
    func printConfig() throws {
        let workshop = try Workshop()
        let first = try workshop.run("--set", "batch_size=64", "--set", "optimizer.momentum=0.5", "--print-config")
        #expect(first.code == 0 && first.errors.isEmpty)
        #expect(
            first.output.contains("batch_size: 64\n") && first.output.contains("  momentum: 0.5\n"), "\(first.output)")
        try workshop.write(first.output, "c.yaml")
        #expect(try workshop.run("train", "--config", "c.yaml", "--print-config").output == first.output)
        #expect(workshop.names == ["c.yaml"])
    }

    @Test("a run alone leaves its folder and tells where it is; evaluate prints the bits that training wrote")
    func trainAndEvaluate() throws {
        let workshop = try Workshop.withData()
        let run = try workshop.run(
            "--data", "d.h5", "--run-dir", "run", "--set", "epochs=2", "--set", "log.every=1 step", "--threads", "1")
        // So short a run may be as good as guessing, which is a warning.
        #expect(run.code == 0 && run.errorLines.allSatisfy { $0.hasPrefix("warning: ") }, "\(run.errors)")
        #expect(run.output.contains("run folder run\n") && run.output.contains("weights_sha256"))
        #expect(workshop.names.filter { $0.contains("tmp") || $0.hasPrefix(".") }.isEmpty)

        let events = try workshop.events("run")
        let evaluation = try #require(events.last { $0["event"]?.text == "eval" })
        let evaluated = try workshop.run("evaluate", "--checkpoint", "run/checkpoints/last", "--json")
        let object = try #require(evaluated.object, "\(evaluated)")
        #expect(object["samples"]?.number == 50)
        #expect(
            Set(object.keys) == [
                "weights", "samples", "loss", "acc1", "acc5", "classes", "confusion", "most_confused", "under",
            ])
        for key in ["loss", "acc1", "acc5"] {
            let (found, expected) = (object[key]?.number, evaluation[key]?.number)
            #expect(found != nil && found?.bitPattern == expected?.bitPattern, "\(key)")
        }

        let inspected = try workshop.run("inspect", "run/checkpoints/best.h5", "--json")
        #expect(inspected.object?["model"]?.text == "fashion-classifier", "\(inspected)")
        let last = try workshop.run("inspect", "run/checkpoints/last", "--json").object
        #expect(last?["weights_sha256"]?.text == events.last?["weights_sha256"]?.text && last != nil)
        #expect(last?["parameters"]?.number == 44426 && last?["epoch"]?.number == 2 && last?["step"]?.number == 14)

        let again = try workshop.run("--data", "d.h5", "--run-dir", "run", "--resume", "never", "--set", "epochs=2")
        #expect(
            again.code == 73 && again.errorLines.count == 1 && again.errors.contains("holds a run already"), "\(again)")
    }

    @Test("bench measures the step or inference and prints the documented keys", arguments: ["training", "inference"])
    func bench(work: String) throws {
        let outcome = try Workshop().run(
            ["bench", "fashion-classifier", "--seconds", "0.2", "--threads", "1", "--json"]
                + (work == "inference" ? ["--inference"] : []))
        let object = try #require(outcome.object, "\(outcome)")
        for key in [
            "model", "batch", "shards", "ranks", "threads", "isa", "images_per_second", "step_ms_median", "step_ms_min",
            "peak_rss_bytes", "sent_bytes", "gflops", "fma_peak_gflops",
        ] {
            #expect(object[key] != nil, "\(key)")
        }
        #expect(object["work"]?.text == work && object["batch"]?.number == 32 && object["ranks"]?.number == 1)
        #expect(outcome.errors.isEmpty)
    }

    @Test("a dry run shows layers, memory and time and leaves nothing behind, also without any data")
    func dryRun() throws {
        let workshop = try Workshop()
        let outcome = try workshop.run("--dry-run", "--threads", "1")
        #expect(outcome.code == 0 && outcome.errors.isEmpty && workshop.names.isEmpty, "\(outcome) \(workshop.names)")
        for words in ["nothing is written", "[32, 6, 24, 24]", "optimizer state", "one step took"] {
            #expect(outcome.output.contains(words), "\(words) in \(outcome.output)")
        }
    }

    @Test("a few samples are learnt by heart, or the command says that they were not")
    func overfit() throws {
        let workshop = try Workshop.withData()
        let passed = try workshop.run(
            "--data", "d.h5", "--overfit", "8", "--set", "optimizer.learning_rate=0.05", "--threads", "1")
        #expect(passed.code == 0 && passed.output.contains("overfit passed: the loss is 0.00"), "\(passed)")
        let failed = try workshop.run(
            "--data", "d.h5", "--overfit", "8", "--set", "optimizer.learning_rate=0", "--set", "steps=2", "--threads",
            "1")
        #expect(
            failed.code == 78 && failed.errorLines.count == 1 && failed.errors.contains("overfit failed"), "\(failed)")
        #expect(workshop.names == ["d.h5"])
    }

    @Test("a loss that is not finite ends with its own code and saves nothing")
    func notFinite() throws {
        let workshop = try Workshop.withData()
        let outcome = try workshop.run(
            "--data", "d.h5", "--run-dir", "run", "--set", "optimizer.learning_rate=1e30", "--threads", "1")
        #expect(outcome.code == 80 && outcome.errorLines.count == 1, "\(outcome)")
        #expect(outcome.errors.hasPrefix("not finite: step "))
        #expect(workshop.names.filter { $0.hasPrefix("run/checkpoints/") }.isEmpty)
    }
}
