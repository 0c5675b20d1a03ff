import Foundation
import Testing

@Suite("Volumes", .serialized)
struct VolumeCommandTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("IngestTests/Fixtures/foreign").path

    private static let configuration = """
        model:
          layers:
            - Conv3d: {out_channels: 8, kernel_size: 3, padding: 1, bias: false}
            - BatchNorm3d
            - ReLU
            - MaxPool3d: {kernel_size: [1, 2, 2]}
            - Conv3d(8, 16, kernel_size=3)
            - ReLU
            - Dropout: {p: 0.25}
            - AdaptiveAvgPool3d: {output_size: 1}
            - Flatten
            - Linear: {out_features: classes}
        data: {file: \(fixtures)/volumes.h5}
        batch_size: 8
        epochs: 3
        optimizer: {learning_rate: 0.05}
        """

    private func hash(_ workshop: Workshop, _ run: String) throws -> String {
        try workshop.events(run).last?["weights_sha256"]?.text ?? run
    }

    @Test("are trained on, scored and shown: equal weights on 1, 2 and 4 ranks, 1 and 2 threads, and in every layout")
    func training() throws {
        let workshop = try Workshop()
        try workshop.write(Self.configuration, "c.yaml")
        let options = ["--config", "c.yaml", "--run-dir"]
        let alone = try workshop.run(options + ["run", "--threads", "1"])
        #expect(alone.code == 0, "\(alone.errors)")
        let expected = try hash(workshop, "run")
        #expect(expected.count == 64 && alone.output.contains("5×8×8×3"), "\(alone.output)")
        let threads = try workshop.run(
            options + ["two", "--threads", "2", "--set", "checkpoint_activations=3"])
        #expect(threads.code == 0 && threads.output.contains("3: 3 segments"), "\(threads)")
        #expect(try hash(workshop, "two") == expected)
        for ranks in [2, 4] {
            let outcome = try workshop.run(
                each: (0..<ranks).map { _ in options + ["ranks\(ranks)", "--threads", "1"] })
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try hash(workshop, "ranks\(ranks)") == expected, "\(ranks) ranks")
        }
        let converted = try workshop.run(
            "convert", "hdf5", "\(Self.fixtures)/volumes-first.h5", "--output", "own.h5")
        #expect(converted.code == 0, "\(converted.errors)")
        for (file, run) in [("\(Self.fixtures)/volumes-first.h5", "first"), ("own.h5", "own")] {
            let outcome = try workshop.run(options + [run, "--set", "data.file=\(file)"])
            #expect(outcome.code == 0, "\(outcome.errors)")
            #expect(try hash(workshop, run) == expected, "\(file)")
        }
        let page = try workshop.text("run/report.html")
        #expect(page.contains("5×8×8×3 (depth, height, width, channels; the middle slice)"))
        let score = try workshop.run("evaluate", "run", "--worst", "4", "worst.png", "--predictions", "p.csv")
        #expect(score.code == 0 && workshop.names.contains("worst.png"), "\(score.errors)")
        for line in [
            ["summary", "--config", "c.yaml"], ["inspect", "own.h5", "--grid", "grid.png", "--check"],
            ["--config", "c.yaml", "--dry-run"], ["export", "run", "--output", "w.safetensors"],
            ["export", "run", "--output", "n.onnx"],
        ] {
            let outcome = try workshop.run(line)
            #expect(outcome.code == 0, "\(line): \(outcome.errors)")
        }
    }

    @Test("where only images will do, the error says so")
    func errors() throws {
        let workshop = try Workshop()
        try workshop.write(Self.configuration, "c.yaml")
        func expect(_ code: Int32, _ words: String, _ line: String...) throws {
            let outcome = try workshop.run(line)
            #expect(outcome.code == code && outcome.errors.contains(words), "\(line): \(outcome)")
            #expect(outcome.errorLines.count <= 6)
        }
        let train = ["--config", "c.yaml", "--set"]
        try expect(
            78, "holds volumes 5×8×8×3, expected images", train[0], train[1], train[2],
            "data.augment=[RandomHorizontalFlip]")
        try expect(78, "which CutMix takes boxes of", train[0], train[1], train[2], "data.mix=[CutMix]")
        try expect(
            65, "whose axes can be read in two ways", train[0], train[1], train[2],
            "data.file=\(Self.fixtures)/volumes-axes.h5")
        try workshop.write(Self.configuration.replacing("Conv3d(8", with: "Conv2d(8"), "flat.yaml")
        try expect(78, "Conv2d takes [C, H, W]", "--config", "flat.yaml")
        try expect(
            78, "Conv3d takes [C, D, H, W]", train[0], train[1], train[2], "data.file=\(Self.fixtures)/galaxy10.h5",
            "--set", "evaluate.split=train")
        let run = try workshop.run("--config", "c.yaml", "--run-dir", "run", "--set", "epochs=1")
        #expect(run.code == 0, "\(run.errors)")
        try expect(64, "was trained on volumes", "predict", "run", "\(Self.fixtures)/volumes.h5")
        try expect(
            64, "was trained on volumes", "features", "run", "\(Self.fixtures)/volumes.h5:test:0", "--output", "f.png")
        try expect(78, "holds volumes", "evaluate", "run", "--under", "shift:1")
    }
}
