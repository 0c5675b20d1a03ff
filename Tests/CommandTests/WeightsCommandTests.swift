import Foundation
import Testing

@Suite("weights of other programs on the command line")
struct WeightsCommandTests {
    /// A folder with data, a run of one epoch, and its weights as safetensors under a misleading name.
    private func exported() throws -> Workshop {
        let workshop = try Workshop.withData()
        let run = try workshop.run("--data", "d.h5", "--run-dir", "run", "--set", "epochs=1", "--threads", "1")
        try #require(run.code == 0, "\(run.errors)")
        let export = try workshop.run("export", "run", "--output", "w.safetensors")
        try #require(
            export.code == 0 && export.output.hasPrefix("wrote w.safetensors: fashion-classifier"), "\(export)")
        try FileManager.default.copyItem(
            atPath: workshop.path + "/w.safetensors", toPath: workshop.path + "/w.h5")
        return workshop
    }

    @Test("what export writes is told by its content and scores as the checkpoint does")
    func roundTrip() throws {
        let workshop = try exported()
        let own = try workshop.run("evaluate", "--checkpoint", "run/checkpoints/best.h5", "--json")
        let back = try workshop.run(
            "evaluate", "--model", "fashion-classifier", "--weights", "w.h5", "--data", "d.h5", "--json")
        #expect(own.object?["weights"]?.text == "run/checkpoints/best.h5")
        let expected = own.output.replacing("run/checkpoints/best.h5", with: "w.h5")
        #expect(own.code == 0 && back.code == 0 && back.output == expected, "\(back)")
        let shown = try workshop.run("evaluate", "--model", "fashion-classifier", "--weights", "w.h5", "--data", "d.h5")
        #expect(shown.output.hasPrefix("weights  w.h5 (safetensors)\n  taken"), "\(shown)")
        let other = try workshop.run("evaluate", "--model", "lenet5", "--weights", "w.h5", "--data", "d.h5")
        #expect(other.code == 65 && other.errorLines.count == 1 && other.errors.contains("missing"), "\(other)")
    }

    /// A run whose network, loss, engine and normalisation are its own, and its weights as safetensors.
    private func exportedOwn() throws -> Workshop {
        let workshop = try Workshop.withData()
        try workshop.write(
            """
            model: {name: own, layers: [{Conv2d: {out_channels: 4, kernel_size: 5, stride: 2}}, ReLU, Flatten, {Linear: {out_features: classes}}]}
            data: {file: d.h5, normalize: {mean: [0.2], std: [0.7]}}
            loss: mean_squared_error
            engine: blocks
            evaluate: {batch_size: 32}
            steps: 20
            batch_size: 8
            """, "c.yaml")
        let run = try workshop.run("--config", "c.yaml", "--run-dir", "run", "--threads", "1", "--quiet")
        try #require(run.code == 0, "\(run)")
        let export = try workshop.run("export", "run", "--output", "w.safetensors")
        try #require(export.code == 0, "\(export)")
        return workshop
    }

    @Test("an export predicts and scores what its checkpoint does, byte for byte, without a word about the network")
    func exportedFacts() throws {
        let workshop = try exportedOwn()
        let own = try workshop.run("predict", "run", "d.h5", "--split", "test", "--output", "own.csv")
        #expect(own.code == 0, "\(own)")
        for ranks in [1, 2] {
            let back = try workshop.run(
                ranks: ranks, "predict", "--weights", "w.safetensors", "d.h5", "--split", "test", "--output", "back.csv"
            )
            #expect(back.code == 0 && !back.errors.contains("says nothing"), "\(back)")
            #expect(try workshop.text("back.csv") == workshop.text("own.csv"))
        }
        let scored = try workshop.run("evaluate", "run", "--json")
        let again = try workshop.run("evaluate", "--weights", "w.safetensors", "--data", "d.h5", "--json")
        let expected = scored.output.replacing("run/checkpoints/best.h5", with: "w.safetensors")
        #expect(again.code == 0 && again.output == expected, "\(again)")
        let other = try workshop.run(
            "evaluate", "--weights", "w.safetensors", "--data", "d.h5", "--set", "data.normalize=none", "--json")
        #expect(other.code == 0 && other.output != expected, "\(other)")
        // What is trained from it says where the images differ.
        let trained = try workshop.run(
            "--config", "c.yaml", "--weights", "w.safetensors", "--set", "data.normalize=none", "--run-dir", "next",
            "--set", "steps=1")
        #expect(trained.output.contains("were normalised by mean [0.2] and std [0.7]; this run"), "\(trained)")
        let same = try workshop.run(
            "--config", "c.yaml", "--weights", "w.safetensors", "--run-dir", "same", "--set", "steps=1")
        #expect(same.code == 0 && !same.output.contains("were normalised by"), "\(same)")
        let finetuned = try workshop.run("finetune", "d.h5", "--weights", "w.safetensors", "--print-config")
        #expect(finetuned.output.contains("name: own") && finetuned.output.contains("- 0.7\n"), "\(finetuned)")
    }

    @Test("weights that say nothing of their images are taken for what they look like, and a note says so")
    func silentWeights() throws {
        let workshop = try exported()
        let url = URL(fileURLWithPath: workshop.path + "/w.safetensors")
        let key = try #require(try Data(contentsOf: url).range(of: Data("\"input_mean\"".utf8)))
        var bytes = try Data(contentsOf: url)
        bytes.replaceSubrange(key, with: Data("\"input_mxxn\"".utf8))
        try bytes.write(to: url)
        let words =
            "w.safetensors says nothing of its images: those of fashion-classifier's article are taken, [1, 28, 28], "
        for (command, rest) in [
            (["predict", "--weights", "w.safetensors", "d.h5", "--split", "test"], "with pixels in 0…1"),
            (["features", "--weights", "w.safetensors", "--list"], "with pixels in 0…1"),
            (
                ["evaluate", "--weights", "w.safetensors", "--data", "d.h5"],
                "normalised by the mean and std of the data"
            ),
            (
                ["finetune", "d.h5", "--weights", "w.safetensors", "--print-config"],
                "normalised by the mean and std of the data"
            ),
        ] {
            let outcome = try workshop.run(command)
            #expect(outcome.code == 0 && outcome.errors.contains("note: \(words)\(rest)\n"), "\(command): \(outcome)")
        }
        let named = try workshop.run(
            "evaluate", "--model", "fashion-classifier", "--weights", "w.safetensors", "--data", "d.h5")
        #expect(named.errors.contains("w.safetensors says nothing of its images: they are normalised by"), "\(named)")
        let chosen = try workshop.run(
            "evaluate", "--weights", "w.safetensors", "--data", "d.h5", "--set", "data.normalize=dataset")
        #expect(chosen.code == 0 && chosen.errors.isEmpty, "\(chosen)")
    }

    @Test("inspect and summary show a file of weights, and summary compares it with a network")
    func shown() throws {
        let workshop = try exported()
        for command in ["inspect", "summary"] {
            let json = try workshop.run(command, "w.safetensors", "--json")
            #expect(json.code == 0 && json.object?["format"]?.text == "safetensors", "\(json)")
            #expect((json.object?["parameters"]?.number ?? 0) > 1000)
            let text = try workshop.run(command, "w.safetensors")
            #expect(text.output.contains("format: pt") && text.output.contains("parameters  "), "\(text)")
        }
        let compared = try workshop.run("summary", "fashion-classifier", "--weights", "w.safetensors")
        #expect(compared.code == 0 && compared.output.contains(/\n  missing +0\n/), "\(compared)")
        for option in [
            ["--figure", "f.svg"], ["--parameters"], ["--weights", "w.h5"], ["--classes", "3"], ["--input", "1x28x28"],
        ] {
            let refused = try workshop.run(["summary", "w.safetensors"] + option)
            #expect(refused.code == 64 && refused.errors.contains("is a file of weights"), "\(refused)")
        }
        // Nothing is drawn where the weights cannot be read.
        let missing = try workshop.run("summary", "lenet5", "--weights", "none.pth", "--figure", "f.svg")
        #expect(missing.code == 66 && !workshop.names.contains("f.svg"), "\(missing)")
        let bench = try workshop.run("bench", "w.safetensors")
        #expect(bench.code == 64 && bench.errorLines.count == 1, "\(bench)")
    }

    @Test("a file that wants to run something is refused on one line with exit code 65")
    func hostile() throws {
        let workshop = try Workshop.withData()
        try workshop.write("cos\nsystem\n(S'touch marker'\ntR.", "text.pth")
        let pickle: [UInt8] = [0x80, 2] + Array("cposix\nsystem\nX".utf8) + [12, 0, 0, 0] + Array("touch marker".utf8)
        try Data(pickle + [0x85] + Array("R.".utf8)).write(to: URL(fileURLWithPath: workshop.path + "/plain.pth"))
        for name in ["text.pth", "plain.pth"] {
            let refused = try workshop.run(
                "evaluate", "--model", "fashion-classifier", "--weights", name, "--data", "d.h5")
            #expect(refused.code == 65 && refused.errorLines.count == 1, "\(refused)")
            #expect(try workshop.run("inspect", name).code == 65)
        }
        #expect(!workshop.names.contains("marker"))
    }

    @Test("train --weights gives equal weights on 1, 2 and 4 ranks, and goes on without the file")
    func train() throws {
        let workshop = try exported()
        let options = ["--data", "d.h5", "--weights", "w.safetensors", "--set", "epochs=1", "--threads", "1"]
        let alone = try workshop.run(options + ["--set", "head=new", "--run-dir", "run1"])
        #expect(alone.code == 0 && alone.output.contains("w.safetensors (safetensors): "), "\(alone)")
        #expect(alone.output.contains("  new          2  "), "\(alone)")
        let expected = try workshop.events("run1").last?["weights_sha256"]?.text
        #expect(try workshop.events("run").last?["weights_sha256"]?.text != expected)
        for ranks in [2, 4] {
            let outcome = try workshop.run(
                each: (0..<ranks).map { _ in options + ["--set", "head=new", "--run-dir", "run\(ranks)"] })
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try workshop.events("run\(ranks)").last?["weights_sha256"]?.text == expected, "\(ranks) ranks")
        }
        let shown = try workshop.run(options + ["--print-config"])
        #expect(shown.output.contains("weights: w.safetensors\nhead: auto\n"), "\(shown)")
        let dry = try workshop.run(options + ["--dry-run", "--run-dir", "dry"])
        #expect(dry.code == 0 && dry.output.contains("tensors taken, digest "), "\(dry)")

        try FileManager.default.removeItem(atPath: workshop.path + "/w.safetensors")
        let again = try workshop.run("--run-dir", "run1", "--set", "epochs=2", "--threads", "1")
        #expect(again.code == 0 && again.output.contains("resuming from"), "\(again)")
        let other = try workshop.run(
            "--run-dir", "run1", "--set", "epochs=3", "--weights", "run/checkpoints/last", "--threads", "1")
        #expect(other.code == 0, "the same weights from another file: \(other)")
        let wrong = try workshop.run(
            "--run-dir", "run1", "--set", "epochs=4", "--weights", "run2/checkpoints/last", "--threads", "1")
        #expect(wrong.code == 78 && wrong.errors.contains("holds other weights"), "\(wrong)")
    }

    @Test("train --weights with nothing there is 66, with another network's 65 and a table, and leaves nothing behind")
    func trainFailures() throws {
        let workshop = try exported()
        for (code, file, model) in [
            (66, "none.pth", "fashion-classifier"), (65, "w.safetensors", "lenet5"), (65, "d.h5", "fashion-classifier"),
        ] {
            let outcome = try workshop.run(
                "--data", "d.h5", "--weights", file, "--set", "model=\(model)", "--run-dir", "new")
            #expect(outcome.code == code, "\(outcome)")
            if model == "lenet5" { #expect(outcome.errorLines.contains { $0.hasPrefix("  left over ") }, "\(outcome)") }
        }
        #expect(!workshop.names.contains("new"))
    }

    @Test(
        "a network and its weights are exported as ONNX, equal bytes each time, and what ONNX has no words for is refused"
    )
    func onnx() throws {
        let workshop = try exported()
        for name in ["a.onnx", "b.onnx"] {
            let outcome = try workshop.run("export", "run", "--output", name)
            #expect(outcome.code == 0 && outcome.output.hasPrefix("wrote \(name): fashion-classifier"), "\(outcome)")
        }
        func read(_ name: String) throws -> Data {
            try Data(contentsOf: URL(fileURLWithPath: "\(workshop.path)/\(name)"))
        }
        let bytes = try read("a.onnx")
        #expect(try bytes == read("b.onnx"))
        for word in ["swift-train", "conv1.weight", "weights_sha256", "logits"] {
            #expect(bytes.range(of: Data(word.utf8)) != nil, "\(word)")
        }
        try workshop.write(
            "model: {layers: [{Unfold: {kernel_size: 4, stride: 4}}, Flatten, {Linear: {out_features: 10}}]}\n",
            "unfold.yaml")
        let run = try workshop.run(
            "--config", "unfold.yaml", "--data", "d.h5", "--run-dir", "unfolded", "--set", "steps=1", "--threads", "1")
        try #require(run.code == 0, "\(run)")
        let refused = try workshop.run("export", "unfolded", "--output", "u.onnx")
        #expect(refused.code == 78 && refused.errors.contains("layer 0 (Unfold) has no counterpart"), "\(refused)")
        #expect(!workshop.names.contains("u.onnx"))
    }

    @Test("export needs one checkpoint and a name that ends in .safetensors, and writes over nothing that it reads")
    func export() throws {
        let workshop = try exported()
        for (code, arguments) in [
            (64, ["export", "--output", "x.safetensors"]), (64, ["export", "run", "--output", "x.pth"]),
            (64, ["export", "run", "--checkpoint", "run", "--output", "x.safetensors"]),
            (65, ["export", "d.h5", "--output", "x.safetensors"]),
            (66, ["export", "none", "--output", "x.safetensors"]),
            (73, ["export", "run", "--output", "none/x.safetensors"]),
        ] {
            let outcome = try workshop.run(arguments)
            #expect(outcome.code == code && outcome.errorLines.count == 1, "\(arguments): \(outcome)")
        }
        #expect(!workshop.names.contains { $0.hasPrefix("x.") || $0.contains(".tmp") })
    }

    @Test("a run's metrics are written as CSV, and for TensorBoard where that is asked for")
    func metrics() throws {
        let workshop = try Workshop.withData()
        let run = try workshop.run(
            "--data", "d.h5", "--run-dir", "run", "--set", "epochs=2", "--set", "log.every=1 step", "--set",
            "log.tensorboard=true", "--threads", "1")
        #expect(run.code == 0, "\(run.errors)")
        #expect(workshop.names.count { $0.hasPrefix("run/events.out.tfevents.") } == 1)
        for subject in ["run", "run/metrics.jsonl"] {
            let export = try workshop.run("export", subject, "--output", "m.csv")
            #expect(export.code == 0 && export.output == "wrote m.csv: 18 rows\n", "\(export)")
        }
        let rows = try workshop.text("m.csv").split(separator: "\n").map {
            $0.split(separator: ",", omittingEmptySubsequences: false)
        }
        #expect(
            rows.count == 19 && rows.allSatisfy { $0.count == 14 } && rows[0].starts(with: ["event", "epoch", "step"]))
        let last = try #require(try workshop.events("run").last { $0["event"]?.text == "eval" })
        let row = try #require(rows.last { $0[0] == "eval" })
        #expect(Double(row[4]) == last["loss"]?.number && row[7].isEmpty)
        try workshop.write("{\"event\":\"step\"}\nx\n", "bad.jsonl")
        for (code, arguments) in [
            (Int32(65), ["export", "bad.jsonl", "--output", "b.csv"]), (66, ["export", "none", "--output", "b.csv"]),
            (64, ["export", "run", "--raw", "--output", "b.csv"]),
        ] {
            let outcome = try workshop.run(arguments)
            #expect(outcome.code == code && outcome.errorLines.count == 1, "\(arguments): \(outcome)")
        }
    }
}
