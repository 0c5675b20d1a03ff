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

/// With random numbers, so that what keys them shows in the weights.
@Sendable private func makeModel(_ request: ModelRequest) -> ModelDescription? {
    guard request.name == "tiny" else { return nil }
    var model = ModelDescription(name: "tiny", input: request.input, classes: request.classes)
    model.append("conv", Conv2d(outChannels: 2, kernel: 3, stride: 2))
    model.append("relu", ActivationLayer(.relu))
    model.append("pool", MaxPool2d(kernel: 2))
    model.append("flatten", Flatten())
    model.append("dropout", Dropout(probability: 0.25))
    model.append("fc", Linear(outputs: request.classes))
    return model
}

/// A way to read, and how often its epochs may take each of the samples.
private struct Reading: CustomTestStringConvertible, Sendable {
    let name: String
    let files: [String]
    let assignments: [String]
    /// Samples of an epoch.
    let count: Int
    /// Whether each of them comes once.
    var isOnce = true

    var testDescription: String { name }

    static let all = [
        Reading(name: "contiguous, full", files: ["a.h5"], assignments: [], count: 200),
        Reading(name: "chunks, full", files: ["z.h5"], assignments: [], count: 200),
        Reading(name: "contiguous, blocks", files: ["a.h5"], assignments: ["data.shuffle=blocks"], count: 200),
        Reading(
            name: "chunks, blocks, augmentation", files: ["z.h5"],
            assignments: [
                "data.shuffle=blocks", "data.augment=[RandomHorizontalFlip, {RandomRotation: {degrees: 10}}]",
            ],
            count: 200),
        Reading(name: "two files", files: ["a.h5", "b.h5"], assignments: [], count: 290),
        Reading(
            name: "two files, blocks, one reader", files: ["z.h5", "b.h5"],
            assignments: ["data.shuffle=blocks", "data.readers=1"], count: 290),
        Reading(name: "a part", files: ["a.h5"], assignments: ["data.fraction=0.3"], count: 60),
        Reading(name: "a fold", files: ["a.h5"], assignments: ["data.fold=2/5"], count: 160),
        Reading(
            name: "a part of a fold in blocks", files: ["z.h5"],
            assignments: ["data.fold=1/4", "data.fraction=0.5", "data.shuffle=blocks"], count: 80),
        Reading(
            name: "balanced, two files, augmentation", files: ["a.h5", "b.h5"],
            assignments: ["data.sampling=balanced", "data.augment=[RandomHorizontalFlip]"], count: 290, isOnce: false),
        Reading(
            name: "mixed, chunks, blocks", files: ["z.h5"],
            assignments: ["data.shuffle=blocks", "data.mix=[{MixUp: {alpha: 0.4}}, CutMix]"], count: 200),
        Reading(
            name: "weights", files: ["a.h5"], assignments: ["data.sampling={weights: [4, 1, 1, 1, 1, 1, 1, 1, 1, 0]}"],
            count: 200, isOnce: false),
    ]
}

@Suite("Ways to read")
struct ReadingTests {
    private let scratch: Scratch

    init() throws {
        scratch = try Scratch()
        try SyntheticDataset.write(to: scratch.file("a.h5"), train: 200, test: 50)
        try SyntheticDataset.write(to: scratch.file("b.h5"), train: 90, test: 20, seed: 2)
        var options = ConversionOptions()
        (options.gzipLevel, options.checksum) = (1, true)
        try SyntheticDataset.write(to: scratch.file("z.h5"), train: 200, test: 50, options: options)
    }

    private func configuration(_ reading: Reading) throws -> Configuration {
        let files = reading.files.map { scratch.file($0) }.joined(separator: ", ")
        var configuration = try Configuration(
            yaml: nil, file: "test",
            assignments: ["model=tiny", "data.file=[\(files)]", "log.samples=true"] + reading.assignments,
            models: ["tiny"], defaults: Configuration())
        configuration.length = .steps(21)
        configuration.optimizer.learningRate = 0.05
        configuration.evaluate.batchSize = 16
        configuration.checkpoint.every = Interval(4, .step)
        configuration.checkpoint.keep = 100
        return configuration
    }

    private func train(_ configuration: Configuration, _ folder: String, from step: Int? = nil, ranks: Int = 1) throws
        -> Checkpoint
    {
        let directory = scratch.file(folder)
        let codes = try InProcessWorld(size: ranks).run { communicator in
            var options = TrainingSession.Options()
            options.runDirectory = directory
            options.threads = 1
            options.models = ["tiny"]
            if let step {
                options.resume = try ResumePoint.find(
                    .checkpoint(path: "\(directory)/checkpoints/\(CheckpointKeeper.name(step: step))"),
                    runDirectory: directory, over: communicator)
            }
            options.mayContinue = step != nil
            return try TrainingSession(
                configuration: configuration, options: options, communicator: communicator, makeModel: makeModel
            ).run(environment: [:])
        }
        #expect(codes.allSatisfy { $0 == .done })
        return try CheckpointFile.read("\(directory)/checkpoints/last")
    }

    /// The samples of a run in the order of their use.
    private func ledger(_ folder: String) throws -> [Int64] {
        try scratch.bytes("\(folder)/samples.bin").withUnsafeBytes { bytes in
            (0..<bytes.count / 8).map {
                Int64(littleEndian: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
            }
        }
    }

    @Test(
        "each sample as often as it should in every epoch; equal weights and ledgers on 1, 2 and 4 ranks, and after a stop in mid-epoch",
        arguments: Reading.all)
    private func ledgers(reading: Reading) throws {
        let configuration = try configuration(reading)
        let whole = try train(configuration, "1")
        let expected = try ledger("1")
        for ranks in [2, 4] {
            #expect(try train(configuration, "\(ranks)", ranks: ranks).weights == whole.weights, "\(ranks) ranks")
            #expect(try ledger("\(ranks)") == expected, "\(ranks) ranks")
        }
        #expect(try train(configuration, "2", from: 12, ranks: 4).weights == whole.weights)
        #expect(try ledger("2") == expected)
        let epochs = stride(from: 0, to: expected.count - reading.count + 1, by: reading.count).map {
            Array(expected[$0..<$0 + reading.count])
        }
        #expect(!epochs.isEmpty)
        for epoch in epochs where reading.isOnce { #expect(Set(epoch).count == reading.count) }
        if reading.isOnce, epochs.count > 1 { #expect(Set(epochs[0]) == Set(epochs[1]) && epochs[0] != epochs[1]) }
    }

    @Test("how images are stored changes no weight, and blocks of another storage are other data")
    func storage() throws {
        let full = try configuration(Reading.all[0])
        var chunks = full
        chunks.data.files = [scratch.file("z.h5")]
        #expect(try train(full, "full").weights == train(chunks, "chunks").weights)
        var blocks = full
        blocks.data.shuffle = .blocks
        let digests = try [full, chunks, blocks].enumerated().map { try train($1, "d\($0)").header.datasetDigest }
        #expect(digests[0] == digests[1] && digests[0] != digests[2])
    }

    @Test(
        "a fold scores what it holds out: with those it trains on, all samples, none twice; evaluate comes to the same score"
    )
    func heldOut() throws {
        var found: [Double] = []
        for number in 1...4 {
            let reading = Reading(name: "fold", files: ["a.h5"], assignments: ["data.fold=\(number)/4"], count: 150)
            let configuration = try configuration(reading)
            #expect(configuration.evaluate.split == "held-out")
            let last = try train(configuration, "fold\(number)")
            let evaluation = try #require(last.header.evaluations.last)
            #expect(Set(try ledger("fold\(number)")).count == 150)
            let session = try EvaluationSession(
                source: .checkpoint(path: scratch.file("fold\(number)/checkpoints/last"), assignments: []), data: nil,
                split: nil, threads: 1, models: ["tiny"], communicator: SingleCommunicator(), makeModel: makeModel)
            let result = try session.run()
            #expect(result.truths.count == 50 && session.splitName == "held-out")
            #expect(result.score.meanLoss == evaluation.loss)
            let names = try session.sampleNames()
            #expect(names.count == 50 && Set(names).count == 50)
            found.append(evaluation.loss)
        }
        #expect(Set(found).count == 4)
    }

    @Test("what labels, classes and files do not allow is refused with the key and the numbers")
    func refusals() throws {
        func refused(_ assignments: [String], _ words: String..., code: ExitCode = .configuration) throws {
            let reading = Reading(name: "", files: ["a.h5"], assignments: assignments, count: 0)
            let failure = #expect(throws: Failure.self, "\(assignments)") {
                _ = try train(try configuration(reading), "bad")
            }
            #expect(failure?.code == code)
            for word in words { #expect(failure?.message.contains(word) == true, "\(failure?.message ?? "")") }
        }
        try refused(["data.sampling={weights: [1, 2]}"], "data.sampling.weights has 2 numbers", "10 classes")
        try refused(["data.sampling={weights: [0, 0]}"], "expected numbers from 0, one of them above 0")
        try refused(["data.sampling={}"], "data.sampling has no weights")
        try refused(["data.sampling=even"], "data.sampling = even, expected once, balanced, or {weights: […]}")
        try refused(["data.sampling=balanced", "data.shuffle=blocks"], "data.sampling and data.shuffle = blocks")
        try refused(["data.shuffle=none"], "data.shuffle = none, expected full or blocks")
        try refused(["data.fraction=0"], "data.fraction = 0, expected a number above 0, up to 1")
        try refused(["data.fraction=10"], "data.fraction = 10, expected a number above 0, up to 1")
        for fold in ["0/5", "6/5", "1/1", "2", "2/5/1", "a/b", "1/1001"] {
            try refused(["data.fold=\(fold)"], "data.fold = \(fold), expected none, or a part to hold out such as 2/5")
        }
        try refused(["data.fold=1/300"], "data.fold = 1/300, but", "has 200 training images")
        try refused(["evaluate.split=held-out"], "evaluate.split = held-out, but data.fold holds nothing out")
        try refused(["data.readers=0"], "data.readers = 0, expected auto, or a whole number 1…256")
        try refused(["data.mix=MixUp"], "data.mix is no list, expected [MixUp], [CutMix] or both")
        try refused(["data.mix=[Mixup]"], "data.mix[0] = Mixup, expected MixUp or CutMix")
        try refused(["data.mix=[{MixUp: {alpha: 0}}]"], "data.mix[0].MixUp.alpha = 0, expected a number from 0.001")
        try refused(["data.file=[]"], "data.file is empty")
        try refused(["data.file=[a.h5, a.h5]"], "data.file names a.h5 twice")
    }

    @Test("what is read is written as it was, and read again; the defaults are as before")
    func configurations() throws {
        let defaults = Dictionary(uniqueKeysWithValues: Configuration().entries)
        for (key, value) in [
            ("data.readers", "auto"), ("data.shuffle", "full"), ("data.sampling", "once"), ("data.fraction", "1.0"),
            ("data.fold", "none"), ("evaluate.split", "test"),
        ] { #expect(defaults[key] == value) }
        for reading in Reading.all + [
            Reading(name: "", files: ["[x].h5"], assignments: ["data.fold=2/5", "evaluate.split=test"], count: 0),
            Reading(name: "", files: ["a \"b\".h5", "\\c.h5", "d, e.h5"], assignments: ["data.readers=3"], count: 0),
        ] {
            var configuration = try configuration(
                Reading(name: "", files: ["x"], assignments: reading.assignments, count: 0))
            configuration.data.files = reading.files
            let again = try Configuration(
                yaml: configuration.yaml(), file: "again", assignments: [], models: ["tiny"], defaults: Configuration())
            #expect(again == configuration, "\(reading.name)")
        }
    }

    @Test("files that do not agree are refused with what differs")
    func disagreement() throws {
        func refused(_ other: String, _ words: String) throws {
            let failure = #expect(throws: Failure.self) {
                try Dataset(paths: [scratch.file("a.h5"), scratch.file(other)])
            }
            #expect(failure?.code == .badData && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
        for (name, classes, shape) in [
            ("classes.h5", ["a", "b"], [4, 28, 28, 1]),
            ("size.h5", try Dataset(paths: [scratch.file("a.h5")]).classes, [4, 8, 8, 1]),
        ] {
            let file = try HDF5File.create(scratch.file(name))
            try file.setAttribute("format", on: "/", .string("swift-train.dataset"))
            try file.setAttribute("format_version", on: "/", .integer(1))
            try file.write("/classes", strings: classes)
            try file.write("/train/images", shape: shape, [UInt8](repeating: 0, count: shape.reduce(1, *)))
            try file.write("/train/labels", shape: [4], [Int64](repeating: 0, count: 4))
            try file.close()
        }
        try refused("classes.h5", "has 2 classes")
        try refused("size.h5", "holds 8×8×1 images")
        let joined = try Dataset(paths: [scratch.file("a.h5"), scratch.file("b.h5")])
        let parts = try [scratch.file("a.h5"), scratch.file("b.h5")].map { try DatasetFile(path: $0).split("train") }
        let train = try joined.split("train")
        #expect(train.labels == parts[0].labels + parts[1].labels && joined.digest.count == 64)
        // Of all pixels, from those of the files: the weighted mean, and the deviation about it.
        let mean = (200 * Double(parts[0].mean[0]) + 90 * Double(parts[1].mean[0])) / 290
        #expect(abs(Double(train.mean[0]) - mean) < 1e-7)
        let squares = zip(parts, [200.0, 90.0]).reduce(0.0) { sum, part in
            sum + part.1
                * (Double(part.0.std[0]) * Double(part.0.std[0]) + Double(part.0.mean[0]) * Double(part.0.mean[0]))
        }
        #expect(abs(Double(train.std[0]) - (squares / 290 - mean * mean).squareRoot()) < 1e-6)
    }
}
