import DataParallel
import Datasets
import Diagnostics
import Foundation
import HDF5
import Ingest
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

@Sendable private func noModel(_ request: ModelRequest) -> ModelDescription? { nil }

/// Pictures of several sizes and kinds, and what Pillow and PyTorch make of them with the same weights.
@Suite("Predictions for pictures")
struct PredictionSessionTests {
    private struct Found: Equatable, Sendable {
        let name: String
        let prediction: Prediction
    }

    private let scratch: Scratch
    private let folder: String

    init() throws {
        scratch = try Scratch()
        folder =
            URL(fileURLWithPath: #filePath).deletingLastPathComponent().appendingPathComponent("PredictionGolden").path
        try writeCheckpoint()
    }

    private static let classes = (0..<7).map { "class \($0)" }
    private static let recorded =
        "{\"width\": 24, \"height\": 24, \"channels\": 3, \"fit\": \"crop\", \"filter\": \"bilinear\", "
        + "\"orientation\": \"as EXIF asks\"}"

    /// A checkpoint of the golden network, as a run leaves it.
    private func writeCheckpoint() throws {
        let yaml = """
            model:
              name: small
              layers:
                - Conv2d: {name: conv, out_channels: 4, kernel_size: 3, stride: 2}
                - ReLU
                - MaxPool2d: {kernel_size: 2}
                - Flatten
                - Linear: {name: fc, out_features: classes}
            data: {file: d.h5}
            """
        let configuration = try Configuration(
            yaml: yaml, file: "c.yaml", assignments: [], models: [], defaults: Configuration())
        let network = try Network(configuration.model.description(input: [3, 24, 24], classes: 7, noModel))
        let state = ModelState(parameterList: network.parameterList)
        try WeightsFile("\(folder)/predictions.h5").load(into: state, model: "small")
        var header = Checkpoint.Header()
        (header.model, header.input, header.classes) = ("small", [3, 24, 24], Self.classes)
        (header.inputMean, header.inputStd) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
        (header.batchSize, header.shards) = (4, 1)
        header.configuration = try configuration.yaml()
        header.preprocessing = Self.recorded
        try CheckpointFile.write(Checkpoint(header: header, state: state), to: scratch.file("c.h5"))
    }

    /// The predictions of all images in the order they are handed out, and what the list left out.
    private func predict(
        _ paths: [String], ranks: Int = 1, threads: Int = 1, top: Int = 5, split: String? = nil
    ) throws -> [Found] {
        let checkpoint = scratch.file("c.h5")
        return try InProcessWorld(size: ranks).run { communicator in
            let session = try PredictionSession(threads: threads, communicator: communicator) {
                try TrainedNetwork(checkpoint: checkpoint, models: [], makeModel: noModel)
            }
            #expect(session.input == [3, 24, 24] && session.classNames == Self.classes)
            let preparation = try #require(ImagePreparation(recorded: session.preprocessing))
            let images = try GivenImages(
                paths: paths, height: 24, width: 24, channels: 3, preparation: preparation, split: split)
            var found: [Found] = []
            try session.run(images, top: top) { image, prediction in
                #expect(image == found.count)
                found.append(Found(name: images.name(of: image), prediction: prediction))
            }
            return found
        }[0]
    }

    private func failure(_ paths: [String], split: String? = nil) -> Failure? {
        #expect(throws: Failure.self) { try predict(paths, split: split) }
    }

    /// The golden names, logits and probabilities, a row a picture that can be read.
    private func golden() throws -> (names: [String], logits: [[Double]], probabilities: [[Double]]) {
        let file = try HDF5File.open("\(folder)/predictions.h5")
        let names = try file.dataset("/names").readStrings()
        func rows(_ name: String) throws -> [[Double]] {
            let values = try file.dataset(name).readAll(as: Double.self)
            return names.indices.map { Array(values[$0 * 7..<$0 * 7 + 7]) }
        }
        return (names, try rows("/logits"), try rows("/probabilities"))
    }

    private func expectGolden(_ found: [Found], prefix: String) throws {
        let (names, logits, probabilities) = try golden()
        #expect(found.map(\.name) == names.map { prefix + $0 })
        for (row, one) in found.enumerated() where row < names.count {
            guard case .classes(let classes) = one.prediction else {
                Issue.record("\(one)")
                continue
            }
            let order = (0..<7).sorted { logits[row][$0] > logits[row][$1] }
            #expect(classes.map(\.index) == Array(order.prefix(5)), "\(one.name)")
            // Float32 through a few hundred sums of numbers near 1.
            for one in classes { #expect(abs(Double(one.probability) - probabilities[row][one.index]) < 1e-5) }
        }
    }

    @Test("classes and probabilities are Pillow's and PyTorch's, and what is no picture is named")
    func pictures() throws {
        let found = try predict(["\(folder)/pictures"])
        try expectGolden(
            found.filter { if case .classes = $0.prediction { true } else { false } }, prefix: "\(folder)/pictures/")
        let others = found.compactMap { one in
            if case .none(let why) = one.prediction { (FilePathName.last(one.name), why.isBad) } else { nil }
        }
        #expect(others.map(\.0) == ["i-cut.jpg", "j-text.png", "notes.txt"] && others.map(\.1) == [true, true, false])
    }

    @Test("any number of ranks and threads gives equal bits in the order of the paths", arguments: [1, 2, 3, 4])
    func ranks(ranks: Int) throws {
        let files = try golden().names.map { "\(folder)/pictures/\($0)" }
        // Of 24 × 24 pixels a batch has hundreds; enough copies for several of them.
        let paths = (0..<40).flatMap { _ in files } + ["\(folder)/pictures/i-cut.jpg"]
        let expected = try predict(paths)
        #expect(expected.count == 321)
        #expect(try predict(paths, ranks: ranks, threads: 2) == expected)
        try expectGolden(Array(expected.prefix(8)), prefix: "\(folder)/pictures/")
        #expect(Array(expected[312..<320]).map(\.prediction) == expected.prefix(8).map(\.prediction))
    }

    @Test("a tar, and a dataset file with labels or without, give what their pictures give")
    func containers() throws {
        let (names, _, _) = try golden()
        let tar = Process()
        tar.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        tar.arguments = ["tar", "-czf", scratch.file("p.tar.gz"), "-C", "\(folder)/pictures"] + names
        try tar.run()
        tar.waitUntilExit()
        try expectGolden(try predict([scratch.file("p.tar.gz")], ranks: 2), prefix: scratch.file("p.tar.gz/"))

        let alone = try predict(["\(folder)/pictures/h-exact.png"])
        var pixels = [UInt8](repeating: 0, count: 24 * 24 * 3)
        let image = try GivenImages(
            paths: ["\(folder)/pictures/h-exact.png"], height: 24, width: 24, channels: 3,
            preparation: ImagePreparation())
        let unreadable = try pixels.withUnsafeMutableBytes {
            try image.load(0..<1, into: $0.baseAddress!, pool: ThreadPool(threads: 1))
        }
        #expect(unreadable == [nil])
        let file = try HDF5File.create(scratch.file("d.h5"))
        try file.write("/test/images", shape: [1, 24, 24, 3], pixels)
        try file.write("/test/names", strings: ["h"])
        try file.write("/train/images", shape: [1, 24, 24, 3], pixels.map { Float($0) / 255 })
        try file.close()
        let both = try predict([scratch.file("d.h5"), "\(folder)/pictures/h-exact.png"])
        #expect(both.map(\.prediction) == [alone[0].prediction, alone[0].prediction, alone[0].prediction])
        #expect(both[0].name == scratch.file("d.h5/test/h") && both[1].name == scratch.file("d.h5/train/0"))
        #expect(try predict([scratch.file("d.h5")], split: "train").map(\.name) == [scratch.file("d.h5/train/0")])
    }

    @Test("what holds no images is refused before anything is computed")
    func refused() throws {
        #expect(failure([scratch.file("none")])?.code == .inputMissing)
        try FileManager.default.createDirectory(atPath: scratch.file("empty"), withIntermediateDirectories: false)
        #expect(failure([scratch.file("empty")])?.message.contains("no image") == true)
        let file = try HDF5File.create(scratch.file("d.h5"))
        try file.write("/test/images", shape: [1, 5, 24, 3], [Float](repeating: 0, count: 5 * 24 * 3))
        try file.write("/grey/images", shape: [1, 24, 24], [UInt8](repeating: 0, count: 24 * 24))
        try file.write("/odd/images", shape: [4], [Int64](repeating: 0, count: 4))
        try file.close()
        for (split, words) in [
            ("test", "holds images of 5×24×3 float32"), ("grey", "expected 3 channels"),
            ("odd", "has no images of the name odd, expected one of grey, test"),
            ("val", "has no images of the name val"),
        ] {
            let failure = failure([scratch.file("d.h5")], split: split)
            #expect(failure?.code == .badData && failure?.message.contains(words) == true, "\(failure as Any)")
        }
    }

    @Test("the most probable classes come in order, equal ones in the order of the classes")
    func order() {
        let logits: [Float] = [1, 3, 3, -2, 2]
        let prediction = logits.withUnsafeBufferPointer { Prediction(logits: $0, top: 4, loss: .crossEntropy()) }
        guard case .classes(let classes) = prediction else {
            Issue.record("\(prediction)")
            return
        }
        #expect(classes.map(\.index) == [1, 2, 4, 0] && classes[0].probability == classes[1].probability)
        let raw = logits.withUnsafeBufferPointer { Prediction(logits: $0, top: 1, loss: .meanSquaredError) }
        #expect(raw == .classes([.init(index: 1, probability: 3)]))
        let bad: [Float] = [1, .nan]
        guard
            case .none(let why) = bad.withUnsafeBufferPointer({ Prediction(logits: $0, top: 1, loss: .crossEntropy()) })
        else {
            Issue.record("a class without finite logits")
            return
        }
        #expect(why.isBad)
    }

    @Test("how pictures were prepared is read from what a dataset file says of them", arguments: [true, false])
    func recorded(turns: Bool) throws {
        let text =
            "{\"fit\": \"pad\", \"filter\": \"bicubic\", \"orientation\": \"\(turns ? "as EXIF asks" : "as stored")\"}"
        let preparation = try #require(ImagePreparation(recorded: text))
        #expect(preparation.fit == .pad && preparation.filter == .bicubic && preparation.orients == turns)
        for text in ["", "{", "{\"pixels\": \"unchanged\"}", "[]", "{\"fit\": \"none\"}"] {
            #expect(ImagePreparation(recorded: text) == nil)
        }
    }
}

/// The last part of a path.
private enum FilePathName {
    static func last(_ path: String) -> String { path.split(separator: "/").last.map(String.init) ?? path }
}
