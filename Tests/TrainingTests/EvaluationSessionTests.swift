import DataParallel
import Datasets
import Diagnostics
import HDF5
import Ingest
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

@Sendable private func makeModel(_ request: ModelRequest) -> ModelDescription? {
    TinyModel.description(input: request.input, classes: request.classes)
}

/// 50 test glyphs, weights drawn with a seed, and a configuration that evaluates them in batches of 16.
private struct Subject {
    let scratch: Scratch
    let state: ModelState
    var configuration = Configuration()

    init() throws {
        scratch = try Scratch()
        try SyntheticDataset.write(to: scratch.file("d.h5"), train: 100, test: 50)
        configuration.model = Configuration.Model(name: "tiny")
        configuration.data.file = scratch.file("d.h5")
        configuration.data.normalize = .values(mean: [0.3], std: [0.2])
        configuration.evaluate.batchSize = 16
        let network = try Network(TinyModel.description(input: [1, 28, 28], classes: 10))
        state = ModelState(parameterList: network.parameterList)
        state.initialize(seed: 5)
    }

    /// Writes the weights as h5py writes a state dictionary; `change` may leave out or replace datasets.
    func write(_ name: String, group: String = "", leavingOut: Set<String> = [], extra: [String] = []) throws -> String
    {
        let path = scratch.file(name)
        let file = try HDF5File.create(path)
        for parameter in state.parameterList.parameters where !leavingOut.contains(parameter.key) {
            try file.write(
                "\(group)/\(parameter.key)", shape: parameter.shape.dimensions, Array(state.weights[parameter.range]))
        }
        for key in extra { try file.write("\(group)/\(key)", shape: [1], [Int64(7)]) }
        try file.close()
        return path
    }

    func run(weights path: String, ranks: Int = 1, logits: String? = nil) throws -> [EvaluationSession.Result] {
        try InProcessWorld(size: ranks).run { [configuration] communicator in
            try EvaluationSession(
                source: .weights(path: path, configuration), data: nil, split: nil, threads: 1, models: ["tiny"],
                communicator: communicator, makeModel: makeModel
            ).run(logitsPath: logits)
        }
    }

    func failure(_ path: String) -> Failure? {
        #expect(throws: Failure.self) { try run(weights: path) }
    }
}

@Suite("Evaluating weights")
struct EvaluationSessionTests {
    @Test("logits, labels and classes come in file order, with equal bytes from 1, 2, 3 and 5 ranks")
    func logits() throws {
        let subject = try Subject()
        let weights = try subject.write("w.h5")
        for ranks in [1, 2, 3, 5] {
            let results = try subject.run(weights: weights, ranks: ranks, logits: subject.scratch.file("l\(ranks).h5"))
            let file = try HDF5File.open(subject.scratch.file("l\(ranks).h5"))
            let logits = try file.dataset("/logits")
            #expect(logits.shape == [50, 10] && logits.elementType == .float32)
            let values = try logits.readAll(as: Float.self)
            let labels = try file.dataset("/labels").readAll(as: Int64.self)
            #expect(try file.dataset("/classes").readStrings().count == 10)
            #expect(try file.attribute("weights_sha256", on: "/") == .string(subject.state.weightsDigest()))
            try file.close()
            for result in results {
                #expect(result.truths.map(Int64.init) == labels && result.predictions.count == 50)
                let right = zip(result.truths, result.predictions).filter { $0 == $1 }.count
                #expect(result.score.correct1 == Double(right))
            }
            for sample in 0..<50 {
                let row = Array(values[sample * 10..<(sample + 1) * 10])
                #expect(row.withUnsafeBufferPointer(Predictions.predicted) == results[0].predictions[sample])
            }
            let score = Loss.crossEntropy().score(
                logits: values, labels: labels.map(Int32.init), samples: 50, classes: 10, dlogits: nil)
            #expect(abs(score.meanLoss - results[0].score.meanLoss) < 1e-12)
            #expect(try subject.scratch.bytes("l\(ranks).h5") == subject.scratch.bytes("l1.h5"), "\(ranks) ranks")
        }
        #expect(subject.scratch.names().filter { $0.contains("tmp") }.isEmpty)
    }

    @Test("weights are read from the root and from /model, and PyTorch's step counters are ignored")
    func places() throws {
        let subject = try Subject()
        let counters = ["bn.num_batches_tracked", "num_batches_tracked"]
        let root = try subject.run(weights: subject.write("a.h5", extra: counters))[0]
        let group = try subject.run(weights: subject.write("b.h5", group: "/model", extra: counters))[0]
        #expect(root.score == group.score && root.predictions == group.predictions && root.score.samples == 50)

        // A checkpoint of ours, seal and all.
        var header = Checkpoint.Header()
        (header.input, header.inputMean, header.inputStd) = ([1, 28, 28], [0], [1])
        (header.batchSize, header.shards) = (4, 1)
        header.classes = try DatasetFile(path: subject.scratch.file("d.h5")).classes
        let path = subject.scratch.file("c.h5")
        try CheckpointFile.write(Checkpoint(header: header, state: subject.state), to: path)
        #expect(try subject.run(weights: path)[0].score == root.score)
    }

    @Test("a checkpoint whose configuration names another model than its header is refused")
    func contradiction() throws {
        let subject = try Subject()
        var header = Checkpoint.Header()
        (header.model, header.input, header.inputMean, header.inputStd) = ("large", [1, 28, 28], [0], [1])
        (header.batchSize, header.shards, header.classes) = (4, 1, ["a"])
        header.configuration = "model: tiny\ndata: {file: d.h5}\n"
        let path = subject.scratch.file("c.h5")
        try CheckpointFile.write(Checkpoint(header: header, state: subject.state), to: path)
        let failure = #expect(throws: Failure.self) {
            try EvaluationSubject(.checkpoint(path: path, assignments: []), models: ["tiny"])
        }
        #expect(failure?.code == .badData && failure?.message.contains("model is large") == true, "\(failure as Any)")
    }

    @Test("keys that are missing, unexpected or of another shape are named, the first few of them")
    func wrongKeys() throws {
        var subject = try Subject()
        let missing = subject.failure(try subject.write("a.h5", leavingOut: ["conv.bias", "fc.weight"]))
        #expect(missing?.code == .badData)
        #expect(
            missing?.message.contains("2 missing (conv.bias [2], fc.weight [10, 338])") == true, "\(missing as Any)")
        let extra = subject.failure(try subject.write("b.h5", extra: ["e", "d", "c", "b", "a"]))
        #expect(extra?.message.contains("5 left over (a, b, c, …)") == true, "\(extra as Any)")
        subject.configuration.data.file = subject.scratch.file("small.h5")
        let file = try HDF5File.create(subject.scratch.file("integers.h5"))
        for parameter in subject.state.parameterList.parameters {
            try file.write(
                "/\(parameter.key)", shape: parameter.shape.dimensions, [Int64](repeating: 0, count: parameter.count))
        }
        try file.close()
        subject.configuration.data.file = subject.scratch.file("d.h5")
        let type = subject.failure(subject.scratch.file("integers.h5"))
        #expect(type?.message.contains("of a wrong type (conv.weight of int64") == true, "\(type as Any)")
    }

    @Test("a tensor of another shape is named with both shapes, and nothing is loaded")
    func wrongShape() throws {
        let subject = try Subject()
        let path = try subject.write("a.h5", leavingOut: ["fc.bias"])
        try subject.scratch.write(subject.scratch.bytes("a.h5"), "copy.h5")
        let file = try HDF5File.create(subject.scratch.file("b.h5"))
        for parameter in subject.state.parameterList.parameters {
            let shape = parameter.key == "fc.bias" ? [1000] : parameter.shape.dimensions
            try file.write("/\(parameter.key)", shape: shape, [Float](repeating: 9, count: shape.reduce(1, *)))
        }
        try file.close()
        let before = subject.state.weightsDigest()
        let failure = #expect(throws: Failure.self) {
            try WeightsFile(subject.scratch.file("b.h5")).load(into: subject.state, model: "tiny")
        }
        #expect(failure?.message.contains("fc.bias [1000] instead of [10]") == true, "\(failure as Any)")
        #expect(subject.state.weightsDigest() == before)
        #expect(
            subject.failure(path)?.code == .badData
                && subject.failure(subject.scratch.file("none.h5"))?.code == .inputMissing)
        #expect(subject.failure(subject.scratch.path)?.code == .badData)
    }
    /// The same samples with the classes in another order, or under other names.
    private func data(_ subject: Subject, _ name: String, order: [Int], renaming: [Int: String] = [:]) throws {
        let source = try DatasetFile(path: subject.scratch.file("d.h5"))
        let file = try HDF5File.create(subject.scratch.file(name))
        try file.setAttribute("format", on: "/", .string("swift-train.dataset"))
        try file.setAttribute("format_version", on: "/", .integer(1))
        for name in source.splitNames {
            let split = try source.split(name)
            let shape = [split.count, split.height, split.width, split.channels]
            let path = "/\(name)/images"
            var images = [UInt8](repeating: 0, count: split.count * split.imageBytes)
            try images.withUnsafeMutableBytes { bytes in
                for sample in 0..<split.count {
                    try split.fill(bytes.baseAddress! + sample * split.imageBytes, sample: sample)
                }
            }
            try file.write(path, shape: shape, images)
            try file.setAttribute("layout", on: path, .string("NHWC"))
            try file.setAttribute("color", on: path, .string("GRAY"))
            try file.setAttribute("mean", on: path, .reals(split.mean.map(Double.init)))
            try file.setAttribute("std", on: path, .reals(split.std.map(Double.init)))
            let labels = split.labels.map { label in Int64(order.firstIndex(of: Int(label))!) }
            var counts = [Int64](repeating: 0, count: order.count)
            for label in labels { counts[Int(label)] += 1 }
            try file.setAttribute("counts", on: path, .integers(counts))
            try file.write("/\(name)/labels", shape: [labels.count], labels)
        }
        try file.write(
            "/classes", strings: order.enumerated().map { renaming[$0] ?? source.classes[$1] })
        try file.close()
    }

    @Test("data whose classes stand in another order scores the same, with the network's names and order")
    func classOrder() throws {
        let subject = try Subject()
        var header = Checkpoint.Header()
        (header.model, header.input, header.inputMean, header.inputStd) = ("tiny", [1, 28, 28], [0.3], [0.2])
        (header.batchSize, header.shards) = (4, 1)
        header.classes = try DatasetFile(path: subject.scratch.file("d.h5")).classes
        header.configuration = try subject.configuration.yaml()
        let path = subject.scratch.file("c.h5")
        try CheckpointFile.write(Checkpoint(header: header, state: subject.state), to: path)
        let order = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
        try data(subject, "other.h5", order: order)
        try data(subject, "renamed.h5", order: order, renaming: [4: "new"])
        func session(_ source: EvaluationSession.Source, _ data: String) throws -> EvaluationSession {
            try EvaluationSession(
                source: source, data: subject.scratch.file(data), split: "test", threads: 1, models: ["tiny"],
                communicator: SingleCommunicator(), makeModel: makeModel)
        }
        for source in [
            EvaluationSession.Source.checkpoint(path: path, assignments: []),
            .weights(path: path, subject.configuration),
        ] {
            let (own, other) = (try session(source, "d.h5"), try session(source, "other.h5"))
            #expect(own.notes.isEmpty && other.notes.count == 1 && other.notes[0].contains("matched by name"))
            #expect(other.classNames == header.classes)
            let logits = ["own", "other"].map { subject.scratch.file("\($0)-logits.h5") }
            let (a, b) = (try own.run(logitsPath: logits[0]), try other.run(logitsPath: logits[1]))
            #expect(a.score == b.score && a.truths == b.truths && a.predictions == b.predictions)
            for name in ["/labels", "/logits"] {
                let values = try logits.map { path in
                    let dataset = try HDF5File.open(path).dataset(name)
                    return name == "/labels"
                        ? try dataset.readAll(as: Int64.self).map(Float.init) : try dataset.readAll(as: Float.self)
                }
                #expect(values[0] == values[1])
            }
            #expect(try HDF5File.open(logits[1]).dataset("/classes").readStrings() == header.classes)
            let failure = #expect(throws: Failure.self) { try session(source, "renamed.h5") }
            #expect(failure?.code == .configuration && failure?.message.contains("class 0 is") == true)
        }
    }

    @Test("weights with NaN, Inf or a negative variance are refused with key and place")
    func notFinite() throws {
        let subject = try Subject()
        for (value, words) in [(Float.nan, "nan"), (.infinity, "inf"), (-Float.infinity, "-inf")] {
            subject.state.weights[3] = value
            let failure = subject.failure(try subject.write("\(words).h5"))
            #expect(
                failure?.code == .badData && failure?.message.contains("[3] = \(words)") == true, "\(failure as Any)")
        }
        let variance: [Float] = [1, 0, -1]
        let failure = variance.withUnsafeBufferPointer { values in
            #expect(throws: Failure.self) { try WeightsCheck.check("bn.running_var", values, path: "w.h5:") }
        }
        #expect(failure?.message.hasPrefix("w.h5:/bn.running_var[2] = -1.0, expected") == true, "\(failure as Any)")
        try variance.withUnsafeBufferPointer { try WeightsCheck.check("bn.running_mean", $0, path: "w.h5:") }
    }

    @Test("classes match by name in any order, and the first that differs is named")
    func classMatch() throws {
        func match(_ dataset: [String], _ own: [String]?) throws -> ClassMatch {
            try ClassMatch(dataset: dataset, dataFile: "d.h5", own: own, path: "c.h5")
        }
        #expect(try match(["a", "b"], nil).numbers == nil && match(["a", "b"], ["a", "b"]).numbers == nil)
        #expect(try match(["b", "c", "a"], ["a", "b", "c"]).labels([0, 1, 2, 0]) == [1, 2, 0, 1])
        // Names that stand for two classes cannot be matched.
        for (dataset, own, place) in [
            (["a", "c"], ["a", "b"], 1), (["a"], ["a", "b"], 1), (["a", "b"], ["a"], 1),
            (["b", "a", "a"], ["a", "a", "b"], 0),
        ] {
            let failure = #expect(throws: Failure.self) { try match(dataset, own) }
            #expect(failure?.code == .configuration && failure?.message.contains("class \(place) is") == true)
        }
    }

    @Test("logits go to a file that is named as HDF5", arguments: ["x.csv", "x", "x.h5.gz", "h5"])
    func logitsName(name: String) throws {
        let failure = #expect(throws: Failure.self) { try LogitsFile.requireName(name) }
        #expect(failure?.code == .usage)
        for name in ["x.h5", "a/x.hdf5", "X.H5"] { try LogitsFile.requireName(name) }
    }
}
