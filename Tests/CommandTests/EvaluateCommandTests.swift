import Foundation
import Testing

/// What `evaluate --json` prints.
private struct Evaluation: Decodable {
    struct Class: Decodable {
        let name: String
        let precision, recall, f1: Double
        let support: Int
    }
    let samples: Int
    let loss, acc1, acc5: Double
    let classes: [Class]
    let confusion: [[Int]]
}

/// A folder with data and the checkpoint of a short run.
private func trained() throws -> Workshop {
    let workshop = try Workshop.withData()
    let run = try workshop.run(
        "--data", "d.h5", "--run-dir", "run", "--set", "epochs=4", "--set", "optimizer.learning_rate=0.02", "--set",
        "evaluate.batch_size=16", "--threads", "1")
    try #require(run.code == 0, "\(run.errors)")
    return workshop
}

@Suite("evaluate")
struct EvaluateCommandTests {
    @Test("the confusion matrix agrees with the accuracy, and is the same on ranks that share its blocks unevenly")
    func confusion() throws {
        let workshop = try trained()
        let command = ["evaluate", "--checkpoint", "run/checkpoints/last", "--json", "--confusion"]
        let one = try workshop.run(command + ["c.csv", "--confusion", "c.svg"])
        #expect(one.code == 0 && one.errors.isEmpty, "\(one.errors)")
        let found = try JSONDecoder().decode(Evaluation.self, from: Data(one.output.utf8))
        #expect(found.samples == 50 && found.confusion.joined().reduce(0, +) == 50)
        let right = (0..<10).reduce(0) { $0 + found.confusion[$1][$1] }
        #expect(found.acc1 == Double(right) / 50 && right > 5, "it has learned something: \(right)")
        #expect(found.classes.map(\.support) == found.confusion.map { $0.reduce(0, +) })
        for (index, one) in found.classes.enumerated() {
            #expect(one.support == 0 || one.recall == Double(found.confusion[index][index]) / Double(one.support))
        }
        let lines = try workshop.text("c.csv").split(whereSeparator: \.isNewline)
        #expect(lines.count == 11 && lines[0].hasSuffix("," + found.classes.map(\.name).joined(separator: ",")))
        #expect(lines[3] == "\(found.classes[2].name)," + found.confusion[2].map(String.init).joined(separator: ","))
        #expect(try workshop.text("c.svg").contains("acc1 "))

        let three = try workshop.run(each: (0..<3).map { _ in command + ["c3.csv", "--confusion", "c3.svg"] })
        #expect(three.code == 0 && three.output == one.output, "\(three)")
        #expect(try workshop.text("c3.csv") == workshop.text("c.csv"))
        #expect(try workshop.text("c3.svg") == workshop.text("c.svg"))
        #expect(workshop.names.filter { $0.contains("tmp") }.isEmpty)
    }

    @Test("pictures of the confusion matrix and of the worst images are the same on 1, 2 and 4 ranks")
    func pictures() throws {
        let workshop = try trained()
        for ranks in [1, 2, 4] {
            // What stands behind the file of --worst is the checkpoint.
            let outcome = try workshop.run(
                ranks: ranks, "evaluate", "--confusion", "c\(ranks).png", "--worst", "7", "w\(ranks).png",
                "run/checkpoints/last")
            #expect(outcome.code == 0 && outcome.output.contains("\nmost confused\n"), "\(outcome)")
            #expect(outcome.output.hasSuffix("\nwrote c\(ranks).png\nwrote w\(ranks).png\n"), "\(outcome.output)")
        }
        for name in ["c", "w"] {
            let one = FileManager.default.contents(atPath: "\(workshop.path)/\(name)1.png")
            #expect(one?.prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
            for ranks in [2, 4] {
                #expect(one == FileManager.default.contents(atPath: "\(workshop.path)/\(name)\(ranks).png"), "\(name)")
            }
        }
        for (words, expected) in [
            (["0", "w.png"], "expected 1…1000"), (["w.jpg"], "ends in .png"), (["7"], "ends in .png"),
            (["w.png", "run/checkpoints/last", "x"], "ends in .png"),
        ] {
            let outcome = try workshop.run(["evaluate", "--worst"] + words)
            #expect(outcome.code == 64 && outcome.errors.contains(expected), "\(outcome)")
        }
    }

    @Test("images moved in every direction score the same on 1 and 3 ranks, and the mean is over all of them")
    func under() throws {
        struct Moved: Decodable {
            struct Direction: Decodable { let direction: String, acc1: Double, loss: Double }
            struct Under: Decodable { let images: String, acc1: Double, directions: [Direction] }
            let acc1: Double
            let under: [Under]
        }
        let workshop = try trained()
        let one = try workshop.run("evaluate", "run/checkpoints/last", "--under", "shift:2,rotate:10", "--json")
        #expect(one.code == 0, "\(one.errors)")
        let found = try JSONDecoder().decode(Moved.self, from: Data(one.output.utf8))
        #expect(found.under.map(\.images) == ["shift:2", "rotate:10"])
        #expect(found.under.map(\.directions.count) == [8, 2])
        for under in found.under {
            let mean = under.directions.reduce(0) { $0 + $1.acc1 } / Double(under.directions.count)
            #expect(abs(under.acc1 - mean) < 1e-12 && Set(under.directions.map(\.loss)).count == under.directions.count)
        }
        let three = try workshop.run(
            ranks: 3, "evaluate", "run/checkpoints/last", "--under", "shift:2,rotate:10", "--json")
        #expect(three.output == one.output, "\(three)")
        let shown = try workshop.run("evaluate", "run/checkpoints/last", "--under", "rotate:10")
        #expect(shown.output.contains("\nturned by 10°") && shown.output.contains("as they are"), "\(shown.output)")
        for (text, code) in [("shift:x", Int32(64)), ("", 64), ("shift:2,", 64), ("rotate:181", 64), ("shift:28", 64)] {
            let outcome = try workshop.run("evaluate", "run/checkpoints/last", "--under", text)
            #expect(outcome.code == code && outcome.errors.contains("expected"), "\(text): \(outcome)")
        }
    }

    @Test("what is read is not written over, and the terminal shows the classes")
    func output() throws {
        let workshop = try trained()
        try FileManager.default.linkItem(atPath: workshop.path + "/d.h5", toPath: workshop.path + "/d.csv")
        let refused = try workshop.run(
            "evaluate", "--checkpoint", "run/checkpoints/last", "--data", "d.h5", "--confusion", "d.csv")
        #expect(refused.code == 73 && refused.errors.contains("is what is read from"), "\(refused)")
        let shown = try workshop.run("evaluate", "--checkpoint", "run/checkpoints/last")
        #expect(shown.code == 0 && shown.output.contains("macro average") && shown.output.contains("true \\ predicted"))
    }
    @Test("logits are HDF5 and go to a file of that name; a name too long is refused before the work")
    func names() throws {
        let workshop = try trained()
        let evaluate = ["evaluate", "--checkpoint", "run/checkpoints/last"]
        let csv = try workshop.run(evaluate + ["--logits", "x.csv"])
        #expect(csv.code == 64 && csv.errors.contains(".h5 or .hdf5"), "\(csv)")
        let long = try workshop.run(evaluate + ["--confusion", String(repeating: "n", count: 252) + ".csv"])
        #expect(long.code == 73 && long.errors.contains("256 bytes") && long.output.isEmpty, "\(long)")
        let longest = String(repeating: "n", count: 252) + ".h5"
        #expect(try workshop.run(evaluate + ["--logits", longest]).code == 0)
        #expect(!workshop.names.contains("x.csv") && workshop.names.contains(longest))
    }
}
