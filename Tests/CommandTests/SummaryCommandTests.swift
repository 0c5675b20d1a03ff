import Foundation
import FoundationXML
import Testing

@Suite("summary")
struct SummaryCommandTests {
    @Test("a named network shows its layers and totals as a table and as JSON")
    func named() throws {
        let workshop = try Workshop()
        let text = try workshop.run("summary", "resnet18")
        #expect(text.code == 0 && text.errors.isEmpty)
        #expect(text.output.contains("11,689,512") && text.output.contains("layer4.1.conv2"), "\(text.output)")
        let object = try workshop.run(
            "summary", "vgg16", "--input", "3x64x64", "--classes", "10", "--batch", "2", "--json"
        ).object
        #expect(object?["parameters"]?.number == 134_301_514)
        #expect(workshop.names.isEmpty)
    }

    @Test("a configuration's own layers are shown, with the image given or that of its data")
    func configured() throws {
        let workshop = try Workshop.withData()
        let text = """
            model: {layers: [{Conv2d: {out_channels: 2, kernel_size: 3, name: stem}}, Flatten, {Linear: {out_features: classes}}]}
            data: {file: d.h5}
            """
        try workshop.write(text, "c.yaml")
        let fromData = try workshop.run("summary", "--config", "c.yaml")
        #expect(fromData.code == 0 && fromData.output.contains("stem  "), "\(fromData)")
        try workshop.write(text.replacing("d.h5", with: "absent.h5"), "c.yaml")
        #expect(try workshop.run("summary", "--config", "c.yaml").code == 66)
        let given = try workshop.run("summary", "--config", "c.yaml", "--input", "1x8x8", "--classes", "3", "--json")
        #expect(given.object?["parameters"]?.number == 239.0)
    }

    @Test("the memory is that of the plan that the configuration asks for")
    func options() throws {
        let workshop = try Workshop()
        func memory(_ loss: String) throws -> String {
            try workshop.write("model: fashion-classifier\nloss: \(loss)\n", "c.yaml")
            let outcome = try workshop.run(
                "summary", "--config", "c.yaml", "--input", "1x28x28", "--classes", "10", "--batch", "64")
            #expect(outcome.code == 0, "\(outcome)")
            return outcome.output
        }
        // The lane engine takes plain cross-entropy alone.
        #expect(try memory("{label_smoothing: 0.1}") != memory("{label_smoothing: 0}"))
    }

    @Test("segments make a plan smaller; summary, dry run and training say by how much, and where they have no effect")
    func segments() throws {
        let workshop = try Workshop.withData()
        func planBytes(_ choice: String) throws -> Double? {
            try workshop.run(
                "summary", "cifar-resnet20", "--batch", "64", "--checkpoint-activations", choice, "--json"
            ).object?["plan_bytes"]?.number
        }
        let (whole, cut) = (try #require(try planBytes("off")), try #require(try planBytes("3")))
        #expect(cut < whole * 3 / 4)
        // There is room for all.
        #expect(try planBytes("auto") == whole)
        let wrong = try workshop.run("summary", "lenet5", "--checkpoint-activations", "1")
        #expect(wrong.code == 64, "\(wrong)")
        let text = try workshop.run("summary", "cifar-resnet20", "--checkpoint-activations", "3")
        #expect(text.output.contains("; 3 segments, "), "\(text)")
        try workshop.write(
            """
            model:
              layers:
                - Conv2d(1, 16, 3)
                - BatchNorm2d
                - ReLU
                - Conv2d(16, 16, 3)
                - ReLU
                - Dropout
                - Flatten
                - Linear: {out_features: classes}
            data: {file: d.h5}
            """, "c.yaml")
        let options = ["--config", "c.yaml", "--threads", "1", "--set"]
        let dry = try workshop.run(options + ["checkpoint_activations=2", "--dry-run"])
        #expect(dry.code == 0 && dry.output.contains("2: 2 segments, "), "\(dry)")
        #expect(dry.output.contains("of activations and scratch a rank instead of "))
        let lanes = try workshop.run("--data", "d.h5", "--set", "checkpoint_activations=2", "--dry-run")
        #expect(lanes.output.contains("2: no effect, the lane engine keeps no batch of activations"), "\(lanes)")
        // A run that was begun without goes on with them, to the same weights.
        for (run, epochs, choice) in [("a", 1, "off"), ("a", 2, "2"), ("b", 2, "auto")] {
            let outcome = try workshop.run(
                options + ["epochs=\(epochs)", "--set", "checkpoint_activations=\(choice)", "--run-dir", run])
            #expect(outcome.code == 0, "\(outcome)")
        }
        let hashes = try ["a", "b"].map { try workshop.events($0).last?["weights_sha256"]?.text ?? $0 }
        #expect(hashes[0] == hashes[1] && hashes[0].count == 64)
    }

    @Test("a fragment that ends in no logits is shown, in one, two and three dimensions")
    func fragments() throws {
        let workshop = try Workshop()
        func output(_ layer: String, _ input: String) throws -> Outcome {
            try workshop.write("model: {layers: [\(layer)]}", "c.yaml")
            return try workshop.run("summary", "--config", "c.yaml", "--input", input, "--batch", "16")
        }
        let article = "{ReflectionPad2d: {padding: [2, 1, 2, 1]}}, {Conv2d: {out_channels: 3, kernel_size: 4}}"
        let image = try output(article, "1x32x100")
        #expect(image.code == 0 && image.output.contains("[16, 3, 32, 100]"), "\(image)")
        #expect(image.output.contains("no logits"))
        #expect(try output("{Conv1d: {out_channels: 3, kernel_size: 4}}", "2x100").output.contains("[16, 3, 97]"))
        let volume = try output("{Conv3d: {out_channels: 3, kernel_size: 3, stride: 2}}", "1x9x9x11")
        #expect(volume.output.contains("[16, 3, 4, 4, 5]"), "\(volume)")
    }

    @Test("one layer, or several, are shown as PyTorch or a configuration writes them")
    func layers() throws {
        let workshop = try Workshop()
        let partial = try workshop.run(
            "summary", "--layer",
            "Sequential(Conv2d(1, 30, kernel_size=3, padding=1), ReLU(), Conv2d(30, 10, kernel_size=3, padding=1))",
            "--input", "1x28x28")
        #expect(partial.code == 0 && partial.output.contains("[1, 10, 28, 28]"), "\(partial)")
        for layer in ["Conv1d: {out_channels: 3, kernel_size: 4}", "Conv1d(2, 3, 4)", "nn.Conv1d(2, 3, 4)"] {
            #expect(try workshop.run("summary", "--layer", layer, "--input", "2x100").output.contains("[1, 3, 97]"))
        }
        #expect(try workshop.run("summary", "--layer", "ReLU", "--input", "2x100").output.contains("[1, 2, 100]"))
        let wrong = try workshop.run("summary", "--layer", "Conv2d(3, 8, 3)", "--input", "1x28x28")
        #expect(wrong.code == 78 && wrong.errors.contains("in_channels = 3, but it gets [1, 28, 28]"), "\(wrong)")
        #expect(try workshop.run("summary", "--layer", "Conv2d(3, 8, 3)").code == 64)
    }

    @Test("a figure is drawn as SVG and PNG, and parameters are listed with their first values")
    func figure() throws {
        let workshop = try Workshop()
        for name in ["lenet5", "resnet18", "vgg11-bn"] {
            for file in ["f.svg", "f.png"] {
                let outcome = try workshop.run("summary", name, "--figure", file)
                #expect(outcome.code == 0 && outcome.output.hasSuffix("wrote \(file)\n"), "\(outcome)")
            }
            #expect(try XMLDocument(data: Data(workshop.text("f.svg").utf8)).rootElement()?.name == "svg")
        }
        let vgg = try workshop.run("summary", "vgg11", "--parameters")
        // The article: √(2 / (3 · 3 · 64)), and 0.01.
        #expect(
            vgg.output.contains(#/features\.0\.weight +\[64, 3, 3, 3\] +normal, deviation 0\.05893/#), "\(vgg.output)")
        #expect(vgg.output.contains(#/classifier\.0\.weight +\[4096, 25088\] +normal, deviation 0\.01/#))
        #expect(vgg.output.contains(#/classifier\.0\.bias +\[4096\] +0/#))
        #expect(try workshop.run("summary", "lenet5", "--figure", "f.pdf").code == 64)
        #expect(try workshop.run("summary", "lenet5", "--figure", "none/f.png").code == 73)
    }

    @Test("one layer is timed, and a network by either engine")
    func bench() throws {
        let workshop = try Workshop()
        let layer = try workshop.run(
            "bench", "--layer", "Conv2d(8, 8, 3, padding=1)", "--input", "8x14x14", "--seconds", "0.1", "--batch", "8")
        #expect(
            layer.code == 0 && layer.output.contains("forward and backward, batch 8")
                && layer.output.contains("reference"),
            "\(layer)")
        #expect(layer.output.contains(#/GFLOP/s +[0-9.]+, [0-9]+ % of/#), "\(layer)")
        let lanes = try workshop.run("bench", "lenet5", "--inference", "--seconds", "0.1", "--batch", "8")
        #expect(lanes.code == 0 && lanes.output.contains("lanes ("), "\(lanes)")
        let products = try workshop.run("bench", "lenet5", "--seconds", "0.1", "--batch", "8", "--engine", "reference")
        #expect(products.code == 0 && products.output.contains("reference (OpenBLAS"), "\(products)")
        #expect(
            try workshop.run("bench", "--layer", "Conv1d(1, 2, 3)", "--input", "1x9", "--seconds", "0.1").code == 64)
    }

    @Test("wrong words are usage errors, and an image that does not fit a configuration error")
    func refusals() throws {
        let workshop = try Workshop()
        for line in ["summary", "summary resnet", "summary lenet5 --input 28", "summary lenet5 --batch 0"] {
            #expect(try workshop.run(line.split(separator: " ").map(String.init)).code == 64, "\(line)")
        }
        for command in ["summary", "bench"] {
            let twice = try workshop.run(command, "--layer", "ReLU", "--layer", "Tanh", "--input", "2x10")
            #expect(twice.code == 64 && twice.errors.contains("--layer stands 2 times"), "\(twice)")
        }
        let engine = try workshop.run("bench", "lenet5", "--engine", "gpu")
        #expect(engine.code == 64 && engine.errors.contains("Please provide"), "\(engine)")
        #expect(!engine.errors.contains("64 bits"), "\(engine)")
        let small = try workshop.run("summary", "alexnet", "--input", "3x16x16")
        #expect(small.code == 78 && small.errors.contains("features."), "\(small)")
    }
}
