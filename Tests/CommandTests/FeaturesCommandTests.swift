import Foundation
import Testing

/// `features` and `explain` on a small run, and what they refuse.
@Suite("features and explain")
struct FeaturesCommandTests {
    private let workshop: Workshop

    init() throws {
        workshop = try Workshop.withData()
        let outcome = try workshop.run(
            "train", "--data", "d.h5", "--run-dir", "run", "--set", "model=fashion-classifier", "--set", "steps=2",
            "--set",
            "batch_size=8", "--quiet")
        try #require(outcome.code == 0, "\(outcome.errors)")
    }

    private func bytes(_ name: String) throws -> [UInt8] {
        Array(try Data(contentsOf: URL(fileURLWithPath: "\(workshop.path)/\(name)")))
    }

    private static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47]

    @Test("layers are listed with the shapes of an image's values")
    func list() throws {
        let outcome = try workshop.run("features", "run", "--list")
        #expect(outcome.code == 0, "\(outcome.errors)")
        let rows = outcome.output.split(separator: "\n").map { String($0.replacing(#/ {2,}/#, with: "|")) }
        #expect(rows[0] == "layer|type|values of an image", "\(outcome.output)")
        for row in ["conv1|Conv2d|[6, 24, 24]", "conv2|Conv2d|[16, 8, 8]", "fc2|Linear|[84]"] {
            #expect(rows.contains(row), "\(row): \(outcome.output)")
        }
    }

    @Test("filters alone, and the maps of an image, become a picture and numbers")
    func maps() throws {
        let filters = try workshop.run("features", "run", "--output", "filters.png")
        #expect(filters.code == 0, "\(filters.errors)")
        let maps = try workshop.run(
            "features", "run", "d.h5:test:1", "--layer", "conv2", "--layer", "fc2", "--output", "maps.png", "--values",
            "maps.h5")
        #expect(maps.code == 0 && maps.output.contains("conv2  [16, 8, 8]"), "\(maps.errors)\(maps.output)")
        #expect(try bytes("filters.png").starts(with: Self.png) && bytes("maps.png").starts(with: Self.png))
        let inspected = try workshop.run("inspect", "maps.h5")
        #expect(inspected.output.contains("conv2") && inspected.output.contains("fc2"), "\(inspected.output)")
    }

    @Test("one layer's values are a NumPy array of float32")
    func array() throws {
        let outcome = try workshop.run("features", "run", "d.h5:test:1", "--values", "v.npy")
        #expect(
            outcome.code == 0 && outcome.output.hasPrefix("relu1  [6, 24, 24]"), "\(outcome.errors)\(outcome.output)")
        let bytes = try bytes("v.npy")
        #expect(bytes.starts(with: [0x93] + Array("NUMPY".utf8) + [1, 0]))
        let header = Int(bytes[8]) + Int(bytes[9]) << 8
        #expect((10 + header) % 64 == 0 && bytes.count == 10 + header + 6 * 24 * 24 * 4)
        let text = String(decoding: bytes[10..<10 + header], as: UTF8.self)
        #expect(
            text.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (6, 24, 24,), }") && text.hasSuffix("\n"))
    }

    @Test("the class is explained by a map, and predict gives it the same probability")
    func explanation() throws {
        let outcome = try workshop.run(
            "explain", "run", "d.h5:test:0", "d.h5:test:1", "--output", "why.png", "--values", "why.h5")
        #expect(outcome.code == 0 && outcome.output.contains("d.h5/test/1  "), "\(outcome.errors)\(outcome.output)")
        #expect(try bytes("why.png").starts(with: Self.png))
        let other = try workshop.run(
            "explain", "run", "d.h5:test:0", "--class", "3", "--layer", "relu1", "--output", "w.png")
        #expect(other.code == 0, "\(other.errors)")
        let predicted = try workshop.run("predict", "run", "d.h5", "--split", "test", "--top", "1", "--json")
        let first = try #require(predicted.output.split(separator: "\n").first)
        let name = try #require(first.firstMatch(of: /"class":\s*"([^"]*)"/)).1
        let probability = try #require(first.firstMatch(of: /"probability":\s*([0-9.e-]+)/)?.1).description
        let percent = String(format: "%.1f %%", 100 * (Double(probability) ?? .nan))
        #expect(outcome.output.hasPrefix("d.h5/test/0  \(name) \(percent)\n"), "\(first)\n\(outcome.output)")
    }

    @Test("after training with squared errors the output itself is the score")
    func squaredErrors() throws {
        let run = try workshop.run(
            "train", "--data", "d.h5", "--run-dir", "squares", "--set", "steps=1", "--set", "batch_size=8", "--quiet",
            "--set", "loss=mean_squared_error")
        try #require(run.code == 0, "\(run)")
        let predicted = try workshop.run("predict", "squares", "d.h5", "--split", "test", "--top", "1", "--json")
        let first = try #require(predicted.output.split(separator: "\n").first)
        let score = try #require(first.firstMatch(of: /"probability":\s*([-0-9.e]+)/)?.1).description
        let explained = try workshop.run("explain", "squares", "d.h5:test:0", "--output", "s.png")
        let shown = try #require(explained.output.firstMatch(of: /d.h5\/test\/0  .* ([-0-9.e]+)\n/)?.1).description
        let difference = abs((Double(shown) ?? .nan) - (Double(score) ?? .nan))
        #expect(difference < 1e-3 && !explained.output.contains("%"), "\(explained.output)\(first)")
    }

    @Test("nothing that is read is written over: the image's dataset, the chosen checkpoint, the weights")
    func inputs() throws {
        let files = ["d.h5", "run/checkpoints/best.h5"]
        let before = try files.map(bytes)
        for output in files {
            for arguments in [
                ["features", "run", "d.h5:test:0", "--values", output],
                ["explain", "run", "d.h5:test:0", "--output", "e.png", "--values", output],
                ["features", "--weights", "run", "d.h5:test:0", "--values", output],
            ] {
                let outcome = try workshop.run(arguments)
                #expect(
                    outcome.code == 73 && outcome.errors.contains("is what is read from"), "\(arguments) \(outcome)")
            }
        }
        // The data of the run, which the command line does not name.
        let evaluated = try workshop.run("evaluate", "run", "--logits", "d.h5")
        #expect(evaluated.code == 73 && evaluated.errors.contains("is what is read from"), "\(evaluated)")
        try workshop.write("model: lenet5\ndata: {augment: [RandomHorizontalFlip]}\n", "c.yaml")
        let grid = try workshop.run("inspect", "d.h5", "--grid", "c.yaml", "--augmented", "1", "--config", "c.yaml")
        #expect(grid.code == 73 && grid.errors.contains("is what is read from"), "\(grid)")
        try FileManager.default.copyItem(
            atPath: "\(workshop.path)/run/checkpoints/best.h5", toPath: "\(workshop.path)/w.png")
        let figure = try workshop.run("summary", "fashion-classifier", "--weights", "w.png", "--figure", "w.png")
        #expect(figure.code == 73 && figure.errors.contains("is what is read from"), "\(figure)")
        #expect(try files.map(bytes) == before && bytes("w.png") == before[1])
        #expect(try workshop.text("c.yaml").hasPrefix("model:"))
    }

    @Test("weights of another program are looked into without a configuration")
    func weights() throws {
        #expect(try workshop.run("export", "run", "--output", "w.safetensors").code == 0)
        let outcome = try workshop.run(
            "features", "--weights", "w.safetensors", "d.h5:test:1", "--values", "w.npy")
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(try workshop.run("features", "run", "d.h5:test:1", "--values", "v.npy").code == 0)
        #expect(try bytes("w.npy") == bytes("v.npy"))
        let explained = try ["run", "--weights=w.safetensors"].map { subject in
            try workshop.run("explain", subject, "d.h5:test:1", "--output", "e.png", "--values", "e.npy").output
        }
        #expect(explained[0] == explained[1] && !explained[0].isEmpty)
    }

    @Test(
        "what does not fit is refused in one line",
        arguments: [
            (["features", "run"], 64, "expected --output"), (["features", "--list"], 64, "expected a run folder"),
            (["features", "run", "--output", "f.svg"], 64, ".png"),
            (["features", "run", "d.h5:test:0", "--layer", "conv3", "--output", "f.png"], 64, "did you mean conv1"),
            (["features", "run", "d.h5:test:0", "--layer", "conv1", "--layer", "fc1", "--values", "f.npy"], 64, ".h5"),
            (["features", "run", "--values", "f.npy"], 64, "needs an image"),
            (
                ["features", "run", "d.h5:test:0", "--layer", "fc1", "--layer", "fc1", "--values", "f.h5"], 64,
                "--layer fc1 stands twice"
            ),
            (
                ["explain", "run", "d.h5:test:0", "d.h5:test:1", "--output", "e.png", "--values", "f.npy"], 64,
                "one array"
            ),
            (["features", "d.h5", "--list"], 65, "is a dataset"),
            (["explain", "run", "--output", "e.png"], 64, "expected 1…100"),
            (["explain", "run", "d.h5:test:0", "--class", "cat", "--output", "e.png"], 64, "no such class"),
            (["explain", "run", "d.h5:test:0", "--layer", "fc1", "--output", "e.png"], 64, "expected maps"),
            (["explain", "run", "d.h5:test:50", "--output", "e.png"], 64, "expected 0…49"),
            (["explain", "run", "run/train.log", "--output", "e.png"], 65, "expected JPEG or PNG"),
        ])
    func refusals(_ arguments: [String], _ code: Int32, _ words: String) throws {
        let outcome = try workshop.run(arguments)
        #expect(outcome.code == code && outcome.errors.contains(words), "\(outcome.code) \(outcome.errors)")
        #expect(!workshop.names.contains { ["e.png", "f.png", "f.npy"].contains($0) })
    }
}
