import Foundation
import Testing

@Suite("The finetune command")
struct FinetuneCommandTests {
    /// A run of one epoch on glyphs, its weights as safetensors, and pictures in two classes.
    private func prepared() throws -> Workshop {
        let workshop = try Workshop.withData()
        let run = try workshop.run("--data", "d.h5", "--run-dir", "run", "--set", "epochs=1", "--threads", "1")
        try #require(run.code == 0, "\(run.errors)")
        let export = try workshop.run("export", "run", "--output", "w.safetensors")
        try #require(export.code == 0, "\(export.errors)")
        let pictures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("TrainingTests/PredictionGolden/pictures")
        for (number, name) in ["a-wide.png", "b-tall.jpg", "c-turned.jpg", "d-grey.png", "e-alpha.png", "f-grey.jpg"]
            .enumerated()
        {
            let folder = "\(workshop.path)/photos/\(number < 3 ? "soft" : "plain")"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try FileManager.default.copyItem(atPath: pictures.path + "/" + name, toPath: "\(folder)/\(name)")
        }
        return workshop
    }

    private static let short = [
        "--set", "epochs=3", "--set", "batch_size=4", "--test", "34%", "--threads", "1",
    ]

    @Test(
        "a folder and weights become a run whose head is new, with equal weights on 1 and 2 ranks, and what to do next")
    func folder() throws {
        let workshop = try prepared()
        let outcome = try workshop.run(
            ["finetune", "photos", "--weights", "w.safetensors", "--run-dir", "one"] + Self.short)
        #expect(outcome.code == 0, "\(outcome)")
        for words in [
            "photos-28.h5: train 4, test 2 images", "  new          2  ", "plan: 3 steps of 4 images",
            "test accuracy",
            " predict one PHOTOS --output p.csv",
        ] { #expect(outcome.output.contains(words), "\(words): \(outcome)") }
        #expect(outcome.errors.contains("weights of fashion-classifier"), "\(outcome.errors)")
        let weights = try workshop.events("one").last?["weights_sha256"]?.text

        let again = try workshop.run(
            each: (0..<2).map { _ in
                ["finetune", "photos", "--weights", "w.safetensors", "--run-dir", "two"] + Self.short
            })
        #expect(again.code == 0 && again.errors.contains("photos-28.h5 is there"), "\(again)")
        #expect(try workshop.events("two").last?["weights_sha256"]?.text == weights)

        let predicted = try workshop.run("predict", "one", "photos", "--output", "p.csv")
        #expect(
            predicted.code == 0 && predicted.errors.contains("crop, bilinear, turned as EXIF asks\n"), "\(predicted)")
        #expect(try workshop.text("p.csv").split(separator: "\n").count == 7)
        // The export of two classes is compared with the network for two.
        #expect(try workshop.run("export", "one", "--output", "two.safetensors").code == 0)
        let compared = try workshop.run("summary", "fashion-classifier", "--weights", "two.safetensors")
        #expect(compared.code == 0 && compared.output.contains(/\n  new +0/), "\(compared)")
    }

    @Test("a run that ends between its two periods goes on into the second, to the weights of one that never ended")
    func betweenPeriods() throws {
        let workshop = try prepared()
        let finetune = ["finetune", "photos", "--weights", "w.safetensors", "--set", "schedule=constant"] + Self.short
        let whole = try workshop.run(finetune + ["--run-dir", "whole"])
        // The head alone is trained for two epochs.
        let half = try workshop.run(finetune + ["--run-dir", "half", "--set", "epochs=2"])
        #expect(whole.code == 0 && half.code == 0, "\(whole)\(half)")
        func hash(_ folder: String) throws -> String? { try workshop.events(folder).last?["weights_sha256"]?.text }
        let first = try hash("half")
        let rest = try workshop.run("--run-dir", "half", "--set", "epochs=3", "--threads", "1")
        #expect(rest.code == 0 && rest.output.contains("after step 2\n"), "\(rest)")
        #expect(try hash("half") == hash("whole") && hash("half") != first && first != nil)
    }

    @Test("every choice is a setting that --print-config shows and --set changes, and nothing is converted for it")
    func choices() throws {
        let workshop = try prepared()
        let outcome = try workshop.run(
            "finetune", "photos", "--weights", "run", "--print-config", "--set", "schedule=constant")
        #expect(outcome.code == 0, "\(outcome)")
        for line in [
            "  name: fashion-classifier", "weights: run/checkpoints/best.h5", "  file: photos-28.h5", "head: auto",
            "batch_size: 32", "  name: constant", "  learning_rate: 0.008", "freeze: backbone", "unfreeze:",
        ] { #expect(outcome.output.contains(line + "\n"), "\(line): \(outcome.output)") }
        #expect(!workshop.names.contains("photos-28.h5"))
    }

    @Test("what cannot be fine-tuned is refused on one line")
    func refused() throws {
        let workshop = try prepared()
        for (code, arguments) in [
            (64, ["finetune", "photos"]), (66, ["finetune", "none", "--weights", "w.safetensors"]),
            (66, ["finetune", "photos", "--weights", "none.pth"]),
            (65, ["finetune", "photos", "--weights", "w.safetensors", "--model", "lenet5"]),
            (78, ["finetune", "photos", "--weights", "w.safetensors", "--model", "lenet6"]),
            (65, ["finetune", "photos", "--weights", "d.h5"]),
            (64, ["finetune", "d.h5", "--weights", "w.safetensors", "--data", "x-28.h5"]),
            (64, ["finetune", "d.h5", "--weights", "w.safetensors", "--test", "10%"]),
            (64, ["finetune", "photos", "--weights", "w.safetensors", "--set", "data.file=[a-28.h5, b-28.h5]"]),
            (73, ["finetune", "photos", "--weights", "w.safetensors", "--run-dir", "run"]),
            (73, ["finetune", "photos", "--weights", "w.safetensors", "--data", "none/x-28.h5"]),
        ] {
            let outcome = try workshop.run(arguments)
            #expect(outcome.code == code, "\(arguments): \(outcome)")
            #expect(outcome.errorLines.filter { !$0.hasPrefix("note: ") }.count == 1, "\(arguments): \(outcome)")
        }
        let ranks = try workshop.run(
            ranks: 2, "finetune", "photos", "--weights", "w.safetensors", "--set", "shards=1")
        #expect(ranks.code == 78 && ranks.errors.contains("2 ranks with shards: 1"), "\(ranks)")
        #expect(!workshop.names.contains { $0.hasSuffix("28.h5") })
    }

    @Test("a part for testing that takes no image is named with the least that does, and so are links that lead out")
    func emptySplits() throws {
        let workshop = try prepared()
        let small = try workshop.run("finetune", "photos", "--weights", "w.safetensors", "--test", "5%")
        #expect(small.code == 64, "\(small)")
        #expect(
            small.errors.contains(
                "--test 5% takes no image of any class: the largest one has 3 images, expected at least 17%"),
            "\(small)")
        try FileManager.default.createDirectory(atPath: "\(workshop.path)/links/a", withIntermediateDirectories: true)
        for name in ["1.png", "2.png"] {
            try FileManager.default.createSymbolicLink(
                atPath: "\(workshop.path)/links/a/\(name)", withDestinationPath: "../../photos/soft/a-wide.png")
        }
        let links = try workshop.run("convert", "folder", "links", "--output", "l.h5")
        #expect(links.code == 65, "\(links)")
        #expect(
            links.errors.contains("a/1.png is a link that leaves the folder, and 1 more are left out"), "\(links)")
    }

    @Test(
        "values behind frozen layers that one process keeps are read by the next, and computed again where they are damaged"
    )
    func keptValues() throws {
        let workshop = try Workshop.withData()
        func kept() -> [String] { workshop.names.filter { $0.hasSuffix(".f32") }.sorted() }
        func train(_ folder: String) throws -> (output: String, errors: String, weights: String?) {
            let outcome = try workshop.run(
                "--data", "d.h5", "--run-dir", folder, "--threads", "1", "--set", "model=cifar-resnet20", "--set",
                "freeze=backbone", "--set", "frozen_features=file", "--set", "steps=14", "--set", "batch_size=32")
            #expect(outcome.code == 0, "\(outcome)")
            return (outcome.output, outcome.errors, try workshop.events(folder).last?["weights_sha256"]?.text)
        }
        let first = try train("one")
        #expect(first.output.contains("computing the values behind frozen layers once, for 200 train images"))
        let files = kept()
        #expect(files.count == 2)
        let second = try train("two")
        for file in files {
            #expect(second.output.contains("taking the values behind frozen layers from \(file)"), "\(second)")
        }
        #expect(kept() == files && second.weights == first.weights && first.weights != nil)
        let damaged = "\(workshop.path)/\(files[0])"
        try Data(Data(contentsOf: URL(fileURLWithPath: damaged)) + [0]).write(to: URL(fileURLWithPath: damaged))
        let third = try train("three")
        #expect(third.errors.contains("\(files[0]): has") && third.errors.contains("computed again"), "\(third)")
        #expect(kept() == files && third.weights == first.weights)
    }

    @Test("--quiet says nothing but what is wrong, and a finished run whose lines are lost ends with 0")
    func quiet() throws {
        let workshop = try prepared()
        let quiet = try workshop.run(
            ["finetune", "photos", "--weights", "w.safetensors", "--run-dir", "one", "--quiet"] + Self.short)
        #expect(quiet.code == 0 && quiet.output.isEmpty, "\(quiet)")
        #expect(quiet.errorLines.allSatisfy { $0.hasPrefix("warning: ") }, "\(quiet.errors)")
        #expect(try workshop.text("one/train.log").contains("test accuracy"))
        let lost = try workshop.shell(
            "$program finetune photos --weights w.safetensors --run-dir two \(Self.short.joined(separator: " ")) >/dev/full"
        )
        #expect(lost.code == 0, "\(lost)")
    }
}
