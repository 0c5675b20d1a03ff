import Foundation
import Testing

@Suite("Commands under mpirun", .serialized)
struct RankCommandTests {
    @Test("training gives equal weights on 1, 2 and 4 ranks, and evaluation equal bits on 1 and 3")
    func equalWeights() throws {
        let workshop = try Workshop.withData()
        // 200 samples in steps of 112: the second one fills the shards with 28, 28, 28 and 4.
        let options = ["--data", "d.h5", "--set", "batch_size=112", "--set", "epochs=2", "--threads", "1", "--run-dir"]
        let alone = try workshop.run(options + ["run1"])
        #expect(alone.code == 0, "\(alone.errors)")
        let expected = try workshop.events("run1").last?["weights_sha256"]?.text
        #expect(expected?.count == 64)
        for ranks in [2, 4] {
            let outcome = try workshop.run(each: (0..<ranks).map { _ in options + ["run\(ranks)"] })
            #expect(outcome.code == 0, "\(outcome.errors)")
            let events = try workshop.events("run\(ranks)")
            #expect(events.last?["weights_sha256"]?.text == expected, "\(ranks) ranks")
            #expect(outcome.output.components(separatedBy: "run folder").count == 2, "printed by one rank only")
        }
        #expect(workshop.names.filter { $0.contains("tmp") }.isEmpty)

        let one = try workshop.run("evaluate", "--checkpoint", "run4/checkpoints/last", "--json")
        let three = try workshop.run(ranks: 3, "evaluate", "--checkpoint", "run4/checkpoints/last", "--json")
        #expect(one.code == 0 && three.code == 0 && one.output == three.output, "\(one) \(three)")
    }

    @Test("what is rehearsed before a run changes no weight, and all ranks do as much of it")
    func rehearsal() throws {
        let workshop = try Workshop.withData()
        try workshop.write(
            """
            model:
              name: small
              layers: [{Conv2d: {out_channels: 4, kernel_size: 5, stride: 2}}, BatchNorm2d, ReLU, Flatten, {Dropout: {p: 0.5}}, \
            {Linear: {out_features: classes}}]
            data: {file: d.h5}
            """, "c.yaml")
        let options = ["--config", "c.yaml", "--threads", "1", "--set", "evaluate.every=1000 steps"]
        // Of fewer than a hundred steps none is rehearsed.
        for steps in [90, 180, 270, 350] {
            let part = try workshop.run(options + ["--set", "steps=\(steps)", "--run-dir", "parts"])
            #expect(part.code == 0, "\(part)")
        }
        let expected = try workshop.events("parts").last?["weights_sha256"]?.text
        #expect(expected?.count == 64)
        for ranks in 1...3 {
            let run = try workshop.run(
                each: (0..<ranks).map { _ in options + ["--set", "steps=350", "--run-dir", "run\(ranks)"] })
            #expect(run.code == 0, "\(run)")
            #expect(try workshop.events("run\(ranks)").last?["weights_sha256"]?.text == expected, "\(ranks) ranks")
        }
    }

    @Test("ranks with different values end with 76 and a table that names the key")
    func disagreement() throws {
        let workshop = try Workshop.withData()
        let outcome = try workshop.run(each: ["seed=1", "seed=2"].map { ["--data", "d.h5", "--set", $0] })
        #expect(outcome.code == 76, "\(outcome.errors)")
        #expect(outcome.errors.components(separatedBy: "ranks disagree:").count == 2, "\(outcome.errors)")
        #expect(
            outcome.errors.contains("  seed\n") && outcome.errors.contains("rank 0")
                && outcome.errors.contains("rank 1"))
        #expect(workshop.names == ["d.h5"])
    }

    @Test(
        "ranks of which one has a configuration or prints it and the other not end with 76, without waiting for each other"
    )
    func differentOptions() throws {
        let workshop = try Workshop.withData()
        try workshop.write("model: fashion-classifier\ndata: {file: d.h5}\n", "c.yaml")
        for (options, name) in [
            ([["--config", "c.yaml"], []], "--config"), ([["--print-config"], []], "--print-config"),
            ([["--data", "d.h5"], []], "data.file"),
        ] {
            let outcome = try workshop.run(each: options)
            #expect(outcome.code == 76 && outcome.errors.contains(name), "\(outcome.errors)")
        }
        #expect(workshop.names == ["c.yaml", "d.h5"])
    }

    @Test("3, 5 and 6 ranks share six shards, and uneven shares are said with what would be even")
    func unevenShares() throws {
        let workshop = try Workshop.withData()
        let options = ["--data", "d.h5", "--set", "batch_size=96", "--set", "shards=6", "--set", "epochs=2"]
        let words = options + ["--threads", "1", "--set", "log.samples=true", "--run-dir"]
        func samples(_ run: String) -> Data? {
            FileManager.default.contents(atPath: "\(workshop.path)/\(run)/samples.bin")
        }
        let alone = try workshop.run(words + ["run1"])
        #expect(alone.code == 0, "\(alone.errors)")
        let expected = try workshop.events("run1").last?["weights_sha256"]?.text
        #expect(expected?.count == 64)
        for ranks in [3, 5, 6] {
            let outcome = try workshop.run(each: (0..<ranks).map { _ in words + ["run\(ranks)"] })
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try workshop.events("run\(ranks)").last?["weights_sha256"]?.text == expected, "\(ranks) ranks")
            #expect(samples("run\(ranks)") == samples("run1") && samples("run1") != nil)
            let said = (outcome.output + outcome.errors).contains(
                "5 ranks share 6 shards: 2 on 1 of them, 1 on 4, so a step takes as long as on 3 ranks. Even: 3 or 6 ranks"
            )
            #expect(said == (ranks == 5))
            // Of six shards on three ranks 1.5 times 44,426 numbers are sent.
            #expect(ranks != 3 || outcome.output.contains("at most 266,556 bytes of gradients sent a step and rank"))
        }
        // Each goes on where another number of ranks stopped.
        func train(_ epochs: Int, _ folder: String) -> [String] {
            options.dropLast() + ["epochs=\(epochs)", "--threads", "1", "--run-dir", folder]
        }
        for (epochs, ranks) in [(1, 5), (2, 3), (3, 1), (4, 6), (5, 2), (6, 4)] {
            let outcome = try workshop.run(each: (0..<ranks).map { _ in train(epochs, "chain") })
            #expect(outcome.code == 0, "\(outcome.errors)")
        }
        let whole = try workshop.run(train(6, "whole"))
        #expect(whole.code == 0, "\(whole.errors)")
        #expect(
            try workshop.events("chain").last?["weights_sha256"]?.text
                == workshop.events("whole").last?["weights_sha256"]?.text)
    }

    @Test("bench counts what ranks send, and says what uneven shares cost")
    func bench() throws {
        let words = ["bench", "fashion-classifier", "--shards", "8", "--seconds", "0.05", "--threads", "1"]
        let object = try #require(try Workshop().run(each: [words, words, words].map { $0 + ["--json"] }).object)
        // 2.75 times 44,426 numbers, and some of the score.
        #expect((488_686..<489_500).contains(Int(object["sent_bytes"]?.number ?? 0)), "\(object)")
        let text = try Workshop().run(each: [words, words, words])
        #expect(text.output.contains("by the rank that sends most") && text.output.contains("3 ranks share 8 shards"))
    }

    @Test("more ranks than shards are refused with what would do")
    func tooManyRanks() throws {
        let workshop = try Workshop.withData()
        let outcome = try workshop.run(ranks: 5, "--data", "d.h5")
        #expect(outcome.code == 78 && outcome.errors.contains("expected at most 4 ranks"), "\(outcome.errors)")
        #expect(workshop.names == ["d.h5"])
    }

    @Test("help and errors are printed once, whoever finds them")
    func once() throws {
        let workshop = try Workshop.withData()
        for (line, code, words) in [
            ("--bogus", Int32(64), "usage error:"), ("--set batchsize=1", 78, "configuration error:"),
            ("--data none.h5", 66, "input missing:"),
        ] {
            let outcome = try workshop.run(each: [line, line].map { $0.split(separator: " ").map(String.init) })
            #expect(
                outcome.code == code && outcome.errors.components(separatedBy: words).count == 2, "\(outcome.errors)")
        }
        let help = try workshop.run(ranks: 2, "--help")
        #expect(help.code == 0 && help.output.components(separatedBy: "OVERVIEW").count == 2, "\(help)")
        #expect(workshop.names == ["d.h5"])
    }

    @Test(
        "ranks whose processors differ work together where the bits do not depend on it, and are refused where they do")
    func mixedProcessors() throws {
        let sets = ["SWIFT_TRAIN_ISA=portable", "SWIFT_TRAIN_ISA=avx2"]
        let workshop = try Workshop.withData()
        let probe = try workshop.run(["bench", "lenet5", "--seconds", "0.01"], with: ["SWIFT_TRAIN_ISA": "avx2"])
        // A processor with one set has nothing to mix.
        guard probe.code == 0 else { return }
        let network =
            "{layers: [{Conv2d: {out_channels: 16, kernel_size: 5}}, ReLU, Flatten, {Linear: {out_features: 10}}]}"
        try workshop.write(
            "model: \(network)\nengine: blocks\ndata: {file: d.h5}\nsteps: 3\nbatch_size: 8\n", "blocks.yaml")
        func hash(_ folder: String) throws -> String? { try workshop.events(folder).last?["weights_sha256"]?.text }
        let one = try workshop.run("--config", "blocks.yaml", "--run-dir", "one", "--quiet")
        let mixed = try workshop.run(withEach: sets, ["--config", "blocks.yaml", "--run-dir", "mixed", "--quiet"])
        #expect(one.code == 0 && mixed.code == 0, "\(one)\(mixed)")
        #expect(try hash("one") == hash("mixed") && hash("one") != nil)
        for command in [["evaluate", "one", "--json"], ["predict", "one", "d.h5", "--split", "test", "--json"]] {
            let (alone, together) = (try workshop.run(command), try workshop.run(withEach: sets, command))
            #expect(together.code == 0 && together.output == alone.output, "\(together)")
        }
        // Lanes round products apart in the portable set; OpenBLAS has kernels for each processor.
        let cores = ["OPENBLAS_CORETYPE=Haswell", "OPENBLAS_CORETYPE=Nehalem"]
        for (variables, settings) in [
            (sets, ["engine=auto", "model=fashion-classifier"]), (cores, ["engine=reference"]),
            // What frozen layers make is computed outside the lanes.
            (cores, ["engine=auto", "model=fashion-classifier", "freeze=[conv1.*]"]),
        ] {
            let arguments = ["--config", "blocks.yaml", "--run-dir", "no"] + settings.flatMap { ["--set", $0] }
            let refused = try workshop.run(withEach: variables, arguments)
            #expect(refused.code == 76 && refused.errors.contains("arithmetic"), "\(settings): \(refused)")
        }
        #expect(!workshop.names.contains("no"))
    }
}
