import Foundation
import Testing

@Suite("Run folders on the command line")
struct RunFolderCommandTests {
    private static let options = ["--set", "optimizer.learning_rate=0.02", "--threads", "1"]

    /// The line that begins so.
    private func line(_ start: String, of outcome: Outcome) -> String? {
        outcome.output.split(separator: "\n").map(String.init).first { $0.hasPrefix(start) }
    }

    @Test("a run that is stopped names the command that goes on, word for word, and that command goes on")
    func continuation() throws {
        let workshop = try Workshop.withData()
        // Stopped at its first step boundary.
        let stopped = try workshop.shell(
            "$program --data d.h5 --set epochs=100000 --set 'runs_dir=my runs' --threads 1 >out & "
                + "until grep -q '^epoch' out; do :; done; kill -TERM $!; wait $!; code=$?; cat out; exit $code")
        #expect(stopped.code == 75 && !stopped.output.contains("same command"), "\(stopped)")
        let command = try #require(line("to go on: ", of: stopped)?.dropFirst(10), "\(stopped.output)")
        let done = try #require(line("stopped early", of: stopped)).split(separator: " ")[2]
        let resumed = try workshop.shell("\(command) --set epochs=\((Int(done) ?? 0) / 7 + 1)")
        #expect(resumed.code == 0 && resumed.output.contains("resuming from 'my runs") == false, "\(resumed)")
        #expect(resumed.output.contains("after step \(done)\n"), "\(command): \(resumed)")
        #expect(try FileManager.default.contentsOfDirectory(atPath: workshop.path + "/my runs").count == 1)
    }

    @Test("a run that is done names its best checkpoint and a command that scores it")
    func next() throws {
        let workshop = try Workshop.withData()
        let run = try workshop.run(["--data", "d.h5", "--run-dir", "run", "--set", "epochs=3"] + Self.options)
        let best = try #require(line("best  epoch ", of: run), "\(run)")
        #expect(best.hasSuffix("  run/checkpoints/best.h5"))
        let next = try #require(line("next  ", of: run)?.dropFirst(6))
        let scored = try workshop.shell("\(next) --threads 1")
        #expect(scored.code == 0, "\(scored)")
        let accuracy = try #require(scored.output.split(separator: "\n").first { $0.hasPrefix("acc1  ") })
        #expect(best.contains(accuracy.replacingOccurrences(of: "acc1  ", with: "acc1 ")), "\(best) \(accuracy)")
    }

    @Test("a run folder stands for its checkpoints: the best is scored, the last shown, the newest continued")
    func folders() throws {
        let workshop = try Workshop.withData()
        let run = try workshop.run(["--data", "d.h5", "--run-dir", "run", "--set", "epochs=2"] + Self.options)
        #expect(run.code == 0)
        let best = try workshop.run("evaluate", "run/checkpoints/best.h5", "--json").output
        #expect(!best.isEmpty)
        for arguments in [["evaluate", "run"], ["evaluate", "--checkpoint", "run"], ["evaluate", "run/checkpoints"]] {
            #expect(try workshop.run(arguments + ["--json"]).output == best, "\(arguments)")
        }
        #expect(try workshop.run("inspect", "run", "--json").object?["epoch"]?.number == 2)
        let more = try workshop.run(
            ["--resume", "run", "--run-dir", "more", "--set", "epochs=3"] + ["--threads", "1"])
        #expect(more.code == 0 && more.output.contains("resuming from run/checkpoints/step-000000014.h5"), "\(more)")
        let same = try workshop.run("--resume", "run", "--run-dir", "run", "--set", "epochs=3", "--threads", "1")
        #expect(same.code == 0 && same.output.contains("resuming from run/checkpoints/step-000000014.h5"), "\(same)")
        #expect(try workshop.events("run").count { $0["event"]?.text == "end" } == 1, "the metrics went on")
    }

    @Test("a run folder that has no checkpoint yet starts with the configuration that it keeps")
    func notSaved() throws {
        let workshop = try Workshop.withData()
        try workshop.write("model: mnist-classifier\ndata: {file: d.h5}\nepochs: 1\n", "c.yaml")
        _ = try workshop.run("--config", "c.yaml", "--run-dir", "new", "--threads", "1")
        for name in try FileManager.default.contentsOfDirectory(atPath: workshop.path + "/new/checkpoints") {
            try FileManager.default.removeItem(atPath: workshop.path + "/new/checkpoints/" + name)
        }
        let again = try workshop.run("--run-dir", "new", "--threads", "1")
        #expect(again.code == 0 && again.output.contains("mnist-classifier, "), "\(again)")
    }

    @Test("from another folder a run's data is missing, which is said; nothing is drawn there")
    func elsewhere() throws {
        let workshop = try Workshop()
        let run = try workshop.run(["--run-dir", "run", "--set", "epochs=1"] + Self.options)
        #expect(run.code == 0)
        for line in ["--run-dir ../run", "--run-dir ../run --dry-run", "evaluate ../run"] {
            let outcome = try workshop.shell("mkdir -p other; cd other; $program \(line)")
            #expect(outcome.code == 66 && outcome.errorLines.count == 1, "\(line): \(outcome)")
            #expect(outcome.errors.contains("counts from the folder in which the run was started"), "\(outcome.errors)")
        }
        #expect(!workshop.names.contains { $0.hasPrefix("other/") })
    }

    @Test("an evaluation within an epoch is named by its step")
    func withinAnEpoch() throws {
        let workshop = try Workshop.withData()
        let run = try workshop.run(["--data", "d.h5", "--run-dir", "run", "--set", "steps=3"] + Self.options)
        #expect(run.code == 0 && run.output.contains("\nstep 3  test  loss "), "\(run.output)")
        #expect(!run.output.contains("epoch 0"))
    }

    @Test("what evaluate writes is said, and few classes have no accuracy among five")
    func written() throws {
        let workshop = try Workshop.withData()
        _ = try workshop.run(["--data", "d.h5", "--run-dir", "run", "--set", "epochs=1"] + Self.options)
        let outcome = try workshop.run(
            "evaluate", "run", "--confusion", "c.csv", "--confusion", "c.svg", "--logits", "l.h5")
        for name in ["c.csv", "c.svg", "l.h5"] { #expect(outcome.output.contains("wrote \(name)\n"), "\(outcome)") }
        #expect(outcome.output.hasPrefix("run/checkpoints/best.h5 on test of d.h5: 50 samples\n"))
    }
}
