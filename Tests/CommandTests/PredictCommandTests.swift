import Foundation
import Testing

@Suite("The predict command")
struct PredictCommandTests {
    /// A folder with data, a run of one epoch, and pictures of other sizes beside two that are none.
    private func trained() throws -> Workshop {
        let workshop = try Workshop.withData()
        let run = try workshop.run("--data", "d.h5", "--run-dir", "run", "--set", "epochs=1", "--threads", "1")
        try #require(run.code == 0, "\(run.errors)")
        return workshop
    }

    private static let pictures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("TrainingTests/PredictionGolden/pictures").path

    @Test("a folder with unreadable pictures gives a whole table, names them and ends with 65")
    func folder() throws {
        let workshop = try trained()
        let outcome = try workshop.run("predict", "run", Self.pictures, "--output", "p.csv", "--top", "2")
        #expect(outcome.code == 65, "\(outcome)")
        #expect(outcome.errors.contains("i-cut.jpg: cannot be decoded"), "\(outcome.errors)")
        #expect(outcome.errors.contains("2 of 10 images could not be read"), "\(outcome.errors)")
        #expect(
            outcome.errors.contains("best checkpoint") && outcome.output.contains("1 file is no image"), "\(outcome)")
        let lines = try workshop.text("p.csv").split(separator: "\n")
        #expect(lines.count == 9 && lines[0] == "file,class,probability,class_2,probability_2")
        #expect(lines[1].hasPrefix("\(Self.pictures)/a-wide.png,"))
        #expect(try workshop.text("p.csv.left-out.csv").contains("j-text.png,\"is "))
        #expect(!workshop.names.contains { $0.hasSuffix(".tmp") })

        let alone = try workshop.run("predict", "run/checkpoints/last", "\(Self.pictures)/a-wide.png")
        #expect(alone.code == 0 && alone.output.contains("a-wide.png  "), "\(alone)")
        let json = try workshop.run("predict", "run", "\(Self.pictures)/a-wide.png", "--json")
        #expect(json.code == 0 && json.object?["class"]?.text != nil, "\(json)")
        let first = try #require(try workshop.text("p.csv").split(separator: "\n").dropFirst().first)
        let digits = try #require(first.split(separator: ",").dropFirst(2).first)
        #expect(
            json.output.contains("\"probability\":\(digits)") || json.output.contains("\"probability\": \(digits)"),
            "\(json)")
    }

    @Test("a dataset gives equal tables on 1, 2 and 3 ranks, and the classes that evaluate --predictions writes")
    func dataset() throws {
        let workshop = try trained()
        let one = try workshop.run("predict", "run", "d.h5", "--split", "test", "--output", "1.csv")
        #expect(one.code == 0 && one.output.contains("50 images in"), "\(one)")
        let expected = try workshop.text("1.csv")
        for ranks in [2, 3] {
            let outcome = try workshop.run(
                ranks: ranks, "predict", "run", "d.h5", "--split", "test", "--output", "\(ranks).csv")
            #expect(outcome.code == 0, "\(outcome)")
            #expect(try workshop.text("\(ranks).csv") == expected)
        }
        for ranks in [1, 2] {
            let scored = try workshop.run(ranks: ranks, "evaluate", "run", "--predictions", "e\(ranks).csv", "--json")
            #expect(scored.code == 0 && scored.object?["weights"]?.text == "run/checkpoints/best.h5", "\(scored)")
            let rows = try workshop.text("e\(ranks).csv").split(separator: "\n").map {
                $0.split(separator: ",", omittingEmptySubsequences: false)
            }
            #expect(rows.count == 51 && rows[0].prefix(3).map(String.init) == ["file", "true_class", "class"])
            let right = rows.dropFirst().count { $0[1] == $0[2] }
            #expect(scored.object?["acc1"]?.number == Double(right) / 50)
            let predicted = expected.split(separator: "\n").map { $0.split(separator: ",").dropFirst() }
            #expect(rows.map { $0.dropFirst(2).map(String.init) } == predicted.map { $0.map(String.init) })
        }
    }

    @Test("what cannot be a prediction is refused on one line")
    func refused() throws {
        let workshop = try trained()
        for (code, arguments) in [
            (64, ["predict", "run"]), (64, ["predict", "run", "d.h5", "--output", "p.txt"]),
            (64, ["predict", "run", "d.h5", "--top", "0"]), (66, ["predict", "run", "none.jpg"]),
            (66, ["predict", "none", "d.h5"]), (65, ["predict", "d.h5", "d.h5"]),
            (73, ["predict", "run", "d.h5", "--output", "none/p.csv"]),
            (64, ["evaluate", "run", "--predictions", "p.h5"]),
        ] {
            let outcome = try workshop.run(arguments)
            #expect(outcome.code == code, "\(arguments): \(outcome)")
            #expect(outcome.errorLines.filter { !$0.hasPrefix("note: ") }.count == 1, "\(arguments): \(outcome)")
        }
        try FileManager.default.createDirectory(atPath: workshop.path + "/texts", withIntermediateDirectories: false)
        try workshop.write("nothing to see", "texts/notes.txt")
        let texts = try workshop.run("predict", "run", "texts", "--output", "p.csv")
        #expect(texts.code == 65 && texts.errors.contains("1 file, and no image among them"), "\(texts)")
        #expect(!workshop.names.contains { $0.hasPrefix("p.") })
    }

    @Test("images of another size are taken where the network has the same weights for them")
    func sizes() throws {
        let workshop = try Workshop.withData()
        try workshop.write(
            """
            model: {name: any, layers: [{Conv2d: {out_channels: 4, kernel_size: 3}}, AdaptiveAvgPool2d, Flatten, {Linear: {out_features: classes}}]}
            data: {file: d.h5}
            steps: 1
            batch_size: 8
            """, "c.yaml")
        #expect(try workshop.run("--config", "c.yaml", "--run-dir", "any", "--quiet").code == 0)
        for size in ["40x33", "12"] {
            let outcome = try workshop.run(
                "predict", "any", "d.h5", "--split", "test", "--size", size, "--output", "p.csv")
            #expect(outcome.code == 0 && outcome.errors.contains(size == "12" ? "12×12" : "40×33"), "\(outcome)")
        }
        let (small, tiny) = (
            try workshop.run("predict", "any", "d.h5", "--size", "2"),
            try workshop.run("predict", "any", "d.h5", "--size", "0")
        )
        #expect(small.code == 64 && small.errors.contains("3 places") && tiny.code == 64, "\(small)\(tiny)")
        #expect(try workshop.run("--data", "d.h5", "--run-dir", "run", "--set", "steps=1", "--quiet").code == 0)
        let other = try workshop.run("predict", "run", "d.h5", "--size", "40")
        #expect(other.code == 64 && other.errors.contains("would need other weights"), "\(other)")
    }
}
