import Foundation
import Testing

@Suite("Training on HDF5 files that others wrote")
struct ForeignDataCommandTests {
    private static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().appendingPathComponent("IngestTests/Fixtures/foreign").path

    @Test("the same images give the same weights in every layout, and as the file that convert makes of it")
    func equal() throws {
        let workshop = try Workshop()
        let converted = try workshop.run("convert", "hdf5", "\(Self.fixtures)/galaxy10.h5", "--output", "own.h5")
        #expect(converted.code == 0, "\(converted.errors)")
        let names = ["caffe.h5", "caffe-row.h5", "chunked.h5", "float64.h5", "galaxy10.h5"]
        var hashes: Set<String> = []
        for path in ["own.h5"] + names.map({ "\(Self.fixtures)/\($0)" }) {
            try workshop.write(
                """
                model: {layers: [{Conv2d: {out_channels: 4, kernel_size: 3}}, ReLU, Flatten, {Linear: {out_features: classes}}]}
                data: {file: \(path)}
                batch_size: 4
                shards: 2
                epochs: 2
                evaluate: {split: train}
                """, "c.yaml")
            let run = path.split(separator: "/").last.map { "run-\($0)" } ?? ""
            let outcome = try workshop.run("train", "--config", "c.yaml", "--run-dir", run)
            #expect(outcome.code == 0, "\(path): \(outcome.errors)")
            hashes.insert(try workshop.events(run).last?["weights_sha256"]?.text ?? path)
        }
        #expect(hashes.count == 1)
    }

    private static let configuration = """
        model: {layers: [{Conv2d: {out_channels: 4, kernel_size: 3}}, ReLU, Flatten, {Linear: {out_features: classes}}]}
        batch_size: 4
        shards: 2
        epochs: 2
        evaluate: {split: train}
        """

    @Test(
        "named roles give the weights of the file that convert makes with them, and a run goes on with them",
        arguments: [
            (["two-images.h5"], ["images": "%/two-images.h5#/left", "labels": "/labels"]),
            (["int16.h5"], ["label-base": "1"]), (["axes.h5"], ["layout": "nchw"]),
            (
                ["camelyonpatch_level_2_split_train_x.h5", "camelyonpatch_level_2_split_train_y.h5"],
                ["images": "/x", "labels": "%/camelyonpatch_level_2_split_train_y.h5#/y"]
            ),
        ])
    func roles(names: [String], roles: [String: String]) throws {
        let workshop = try Workshop()
        try workshop.write(Self.configuration, "c.yaml")
        let paths = names.map { "\(Self.fixtures)/\($0)" }
        let places = roles.mapValues { $0.replacing("%", with: Self.fixtures) }
        let converted = try workshop.run(
            ["convert", "hdf5"] + paths + ["--output", "own.h5"] + places.flatMap { ["--\($0)", $1] })
        #expect(converted.code == 0, "\(converted.errors)")
        let train = ["train", "--config", "c.yaml"]
        let own = try workshop.run(train + ["--set", "data.file=own.h5", "--run-dir", "own"])
        #expect(own.code == 0, "\(own.errors)")
        let settings =
            ["data.file=[\(paths.joined(separator: ", "))]"]
            + places.map { "data.\($0.replacing("-", with: "_"))=\($1)" }
        let part = try workshop.run(
            train + ["--run-dir", "run"] + (settings + ["epochs=1"]).flatMap { ["--set", $0] })
        #expect(part.code == 0, "\(part.errors)")
        let whole = try workshop.run("--run-dir", "run", "--set", "epochs=2")
        #expect(whole.code == 0, "\(whole.errors)")
        let hashes = try ["own", "run"].map { try workshop.events($0).last?["weights_sha256"]?.text ?? $0 }
        #expect(hashes[0] == hashes[1])
        let score = try workshop.run("evaluate", "run")
        #expect(score.code == 0, "\(score.errors)")
    }

    @Test("a prediction is that of an evaluation, whatever the layout and type of the pixels")
    func predicted() throws {
        let workshop = try Workshop()
        try workshop.write(
            """
            model: {layers: [{Conv2d: {out_channels: 4, kernel_size: 3}}, ReLU, Flatten, {Linear: {out_features: classes}}]}
            data: {file: \(Self.fixtures)/galaxy10.h5}
            batch_size: 4
            shards: 2
            epochs: 2
            evaluate: {split: train}
            """, "c.yaml")
        let run = try workshop.run("train", "--config", "c.yaml", "--run-dir", "run")
        #expect(run.code == 0, "\(run.errors)")
        var tables: [String] = []
        for name in ["galaxy10", "caffe", "float64", "chunked", "camelyonpatch_level_2_split_train_x"] {
            let path = "\(Self.fixtures)/\(name).h5"
            let outcome = try workshop.run("predict", "run", path, "--output", "\(name).csv")
            #expect(outcome.code == 0, "\(name): \(outcome.errors)")
            tables.append(try workshop.text("\(name).csv").replacing(path, with: "FILE"))
        }
        #expect(Set(tables).count == 1 && tables[0].contains("FILE/train/11"), "\(tables[0])")
    }

    @Test("a file whose parts are not clear is an error with the options to choose by")
    func ambiguous() throws {
        let workshop = try Workshop()
        try workshop.write("model: fashion-classifier\ndata: {file: \(Self.fixtures)/two-images.h5}\n", "c.yaml")
        let outcome = try workshop.run("train", "--config", "c.yaml", "--run-dir", "run")
        #expect(outcome.code == 65, "\(outcome.errors)")
        for line in [
            "--images '\(Self.fixtures)/two-images.h5#/left'",
            "--set 'data.images=\(Self.fixtures)/two-images.h5#/left' "
                + "--set 'data.labels=\(Self.fixtures)/two-images.h5#/labels'",
        ] {
            #expect(outcome.errors.contains(line), "\(outcome.errors)")
        }
        #expect(outcome.errors.contains("swift-train convert hdf5 makes one"))
    }
}
