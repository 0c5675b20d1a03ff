import Testing

@Suite("Numbers that leave their range")
struct RangeCommandTests {
    private static let pooled = "{AdaptiveAvgPool2d: {output_size: 1}}, Flatten, {Linear: {out_features: classes}}"

    /// Layers, the code of a dry run, and words of its message.
    @Test(
        "networks that no machine holds are refused in words",
        arguments: [
            (
                "{Conv2d: {out_channels: 512, kernel_size: 3}}, Flatten, {Linear: {out_features: 100000}}, "
                    + "{Linear: {out_features: 1000000}}, {Linear: {out_features: classes}}", Int32(70),
                "of memory are needed"
            ),
            ("{Conv2d: {out_channels: 1, kernel_size: 1, padding: 400000}}, \(pooled)", 70, "activations and scratch"),
            ("{Conv2d: {out_channels: 1048576, kernel_size: 1048576, padding: same}}, \(pooled)", 78, "layer 0"),
            (
                "Flatten, {Linear: {out_features: 32}}, BatchNorm1d, {Linear: {out_features: classes}}", 78,
                "over 1 value"
            ),
        ])
    func networks(layers: String, code: Int32, words: String) throws {
        let workshop = try Workshop.withData()
        let outcome = try workshop.run(
            "train", "--data", "d.h5", "--dry-run", "--threads", "1", "--set", "batch_size=4", "--set",
            "model={layers: [\(layers)]}")
        #expect(outcome.code == code && outcome.errors.contains(words) && outcome.errorLines.count == 1, "\(outcome)")
    }

    @Test("summary counts what no machine holds, and refuses what cannot be counted")
    func summary() throws {
        let workshop = try Workshop.withData()
        func summary(_ channels: Int, _ kernel: Int) throws -> Outcome {
            try workshop.write(
                "model: {layers: [{Conv2d: {out_channels: \(channels), kernel_size: \(kernel), padding: same}}, "
                    + "\(Self.pooled)]}\ndata: {file: d.h5}\n", "c.yaml")
            return try workshop.run("summary", "--config", "c.yaml", "--batch", "1048576")
        }
        #expect(try summary(1 << 20, 500).code == 0)
        let beyond = try summary(1 << 20, 1 << 20)
        #expect(beyond.code == 78 && beyond.errors.contains("weight of Conv2d"), "\(beyond)")
    }

    @Test("a batch of labels without class weight is left out with a word, and the run goes on")
    func weightless() throws {
        let workshop = try Workshop.withData()
        let outcome = try workshop.run(
            "train", "--data", "d.h5", "--threads", "1", "--run-dir", "run", "--set", "batch_size=1", "--set",
            "shards=1",
            "--set", "epochs=1", "--set", "loss.class_weights=[0,1,1,1,1,1,1,1,1,1]")
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.errors.components(separatedBy: "have class weight 0").count == 2, "\(outcome.errors)")
        #expect(outcome.output.contains("20 steps left out"), "\(outcome.output)")
    }

    @Test("a network that only guesses is named at the end of its run")
    func guessing() throws {
        let workshop = try Workshop.withData()
        let outcome = try workshop.run(
            "train", "--data", "d.h5", "--threads", "1", "--run-dir", "run", "--set", "epochs=3", "--set",
            "optimizer.learning_rate=1e-12")
        #expect(outcome.code == 0 && outcome.errors.contains("is as good as guessing"), "\(outcome)")
    }
}
