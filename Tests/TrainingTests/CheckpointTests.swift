import Diagnostics
import Files
import HDF5
import Tensors
import TestSupport
import Testing

@testable import Training

/// A checkpoint of the tiny network with nothing left at its default.
func sampleCheckpoint(step: Int = 12, seed: UInt64 = 1) throws -> Checkpoint {
    var header = Checkpoint.Header()
    header.model = "tiny"
    header.input = [1, 6, 6]
    header.classes = ["a", "b", "ü"]
    header.inputMean = [0.4]
    header.inputStd = [0.3]
    header.epoch = min(3, step)
    header.step = step
    header.samplesSeen = 24 * step
    header.seed = .max - 1
    header.batchSize = 24
    header.shards = 8
    header.configuration = try Configuration().yaml()
    header.configurationDigest = Configuration().digest()
    header.datasetDigest = String(repeating: "ab", count: 32)
    let first = Evaluation(epoch: 1, step: 4, loss: 1.25, accuracy1: 0.5, accuracy5: 1)
    header.evaluations = [
        first, Evaluation(epoch: 2, step: 8, loss: .nan, accuracy1: 0.1, accuracy5: 1.0 / 3),
    ].filter { $0.step <= step }
    header.best = header.evaluations.first
    (header.epochScore.loss, header.epochScore.divisor, header.epochScore.samples) = (1.5, 2, 2)
    header.skippedSteps = min(2, step)
    header.hasPendingEvaluation = true
    header.kernelSet = "kernels"
    header.engine = "engine"
    header.metricsBytes = 4711
    header.build = "build"
    header.libraries = "libraries"
    return Checkpoint(header: header, state: try TinyModel.state(seed: seed))
}

@Suite("Checkpoint files")
struct CheckpointTests {
    @Test("what is written reads back equal, in the order of the parameter list")
    func roundTrip() throws {
        let scratch = try Scratch()
        let checkpoint = try sampleCheckpoint()
        try CheckpointFile.write(checkpoint, to: scratch.file("c.h5"))
        let read = try CheckpointFile.read(scratch.file("c.h5"))
        #expect(read.weights == checkpoint.weights)
        #expect(read.weights.map(\.key) == ["conv.weight", "conv.bias", "fc.weight", "fc.bias"])
        #expect(
            read.optimizer.map(\.name) == ["momentum"] && read.optimizer[0].tensors == checkpoint.optimizer[0].tensors)
        // NaN is not equal to itself, so the one loss that is NaN is looked at alone.
        #expect(read.header.evaluations[1].loss.isNaN && read.header.evaluations[1].accuracy5 == 1.0 / 3)
        var (left, right) = (read.header, checkpoint.header)
        (left.evaluations, right.evaluations) = ([left.evaluations[0]], [right.evaluations[0]])
        #expect(left == right)
        #expect(scratch.names() == ["c.h5"] && CheckpointFile.isSealed(scratch.file("c.h5")))
    }

    @Test("a checkpoint without evaluations has no best one")
    func noBest() throws {
        let scratch = try Scratch()
        var checkpoint = try sampleCheckpoint()
        checkpoint.header.best = nil
        checkpoint.header.evaluations = []
        try CheckpointFile.write(checkpoint, to: scratch.file("c.h5"))
        #expect(try CheckpointFile.read(scratch.file("c.h5")).header == checkpoint.header)
    }

    @Test("equal states give equal bytes")
    func determinism() throws {
        let scratch = try Scratch()
        for (name, seed) in [("a.h5", UInt64(1)), ("b.h5", 1), ("c.h5", 2)] {
            try CheckpointFile.write(sampleCheckpoint(seed: seed), to: scratch.file(name))
        }
        #expect(try scratch.bytes("a.h5") == scratch.bytes("b.h5"))
        #expect(try scratch.bytes("a.h5") != scratch.bytes("c.h5"))
    }

    @Test("the file is HDF5 that any reader opens, weights under /model by their PyTorch keys")
    func readable() throws {
        let scratch = try Scratch()
        let checkpoint = try sampleCheckpoint()
        try CheckpointFile.write(checkpoint, to: scratch.file("c.h5"))
        let file = try HDF5File.open(scratch.file("c.h5"))
        #expect(try file.children(of: "/model") == ["conv.bias", "conv.weight", "fc.bias", "fc.weight"])
        #expect(try file.children(of: "/optimizer/momentum").count == 4)
        let weight = try file.dataset("/model/conv.weight")
        #expect(weight.shape == [2, 1, 3, 3] && weight.elementType == .float32)
        #expect(try weight.readAll(as: Float.self) == checkpoint.weights[0].values)
        #expect(try file.attribute("format", on: "/") == .string("swift-train.checkpoint"))
        #expect(try file.attribute("step", on: "/") == .integer(12))
        #expect(try file.dataset("/metrics/acc1").readAll(as: Double.self) == [0.5, 0.1])
    }

    @Test("a wrong format or version, and any attribute that is missing or of another type, is refused by name")
    func attributes() throws {
        let scratch = try Scratch()
        try CheckpointFile.write(sampleCheckpoint(), to: scratch.file("c.h5"))
        let good = try HDF5File.open(scratch.file("c.h5"))
        let names = try good.attributeNames(on: "/")
        #expect(names.count == 28)
        for name in names {
            // Without best_step there is no best evaluation, which is how a run begins; earlier versions wrote no engine.
            if !["best_step", "engine"].contains(name) {
                try Self.copy(good, to: scratch.file("x.h5"), changing: [name: nil])
                let failure = #expect(throws: Failure.self, "\(name)") { try CheckpointFile.read(scratch.file("x.h5")) }
                #expect(failure?.code == .badData)
                #expect(failure?.message.contains("attribute \(name) is missing") == true, "\(failure?.message ?? "")")
            }
            try Self.copy(good, to: scratch.file("x.h5"), changing: [name: .reals([1, 2, 3])])
            let failure = #expect(throws: Failure.self, "\(name)") { try CheckpointFile.read(scratch.file("x.h5")) }
            #expect(failure?.code == .badData && failure?.message.contains(name) == true, "\(failure?.message ?? "")")
        }
        for (name, value, words) in [
            ("format", HDF5Value.string("other"), "format \"other\", expected \"swift-train.checkpoint\""),
            ("format_version", .integer(2), "format version 2, expected 1"),
            ("input", .integers([1, 6]), "expected an image [C, H, W]"),
            ("input_std", .reals([]), "input_std = [], expected a number above 0"),
        ] {
            try Self.copy(good, to: scratch.file("x.h5"), changing: [name: value])
            let failure = #expect(throws: Failure.self) { try CheckpointFile.read(scratch.file("x.h5")) }
            #expect(failure?.code == .badData && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
    }

    @Test(
        "what computed before is told by the engine, or by the kernel set where an earlier version wrote the checkpoint"
    )
    func engines() throws {
        let scratch = try Scratch()
        try CheckpointFile.write(sampleCheckpoint(), to: scratch.file("c.h5"))
        let good = try HDF5File.open(scratch.file("c.h5"))
        try Self.copy(good, to: scratch.file("old.h5"), changing: ["engine": nil])
        let old = try CheckpointFile.read(scratch.file("old.h5")).header
        #expect(old.engine == "" && old.kernelSet == "kernels")
        #expect(old.otherKernels(engine: "engine", kernelSet: "kernels") == nil)
        #expect(old.otherKernels(engine: "engine", kernelSet: "others")?.before == "kernels")
        let new = try CheckpointFile.read(scratch.file("c.h5")).header
        #expect(new.otherKernels(engine: "engine", kernelSet: "others") == nil)
        #expect(new.otherKernels(engine: "another", kernelSet: "kernels")?.now == "another")
    }

    @Test("what is no file, no regular file or no checkpoint is refused with the right code")
    func notCheckpoints() throws {
        let scratch = try Scratch()
        try scratch.write([], "empty")
        try scratch.write([UInt8](repeating: 7, count: 64), "seal-sized")
        try scratch.write(Array("\u{89}HDF\r\n\u{1a}\n".utf8) + [UInt8](repeating: 0, count: 500), "other.h5")
        for (name, code, words) in [
            ("none", ExitCode.inputMissing, "expected a checkpoint"), ("", .badData, "not a regular file"),
            ("empty", .badData, "too short"), ("seal-sized", .badData, "too short"), ("other.h5", .badData, "no seal"),
        ] {
            let failure = #expect(throws: Failure.self) { try CheckpointFile.read(scratch.file(name)) }
            #expect(failure?.code == code && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
    }

    @Test("restoring gives back weights and velocities bit for bit")
    func restore() throws {
        let checkpoint = try sampleCheckpoint(seed: 5)
        let state = try TinyModel.state(seed: 6)
        state.velocities.update(repeating: 0)
        try checkpoint.restore(state, path: "c.h5")
        let expected = try TinyModel.state(seed: 5)
        #expect(Array(state.weights) == Array(expected.weights))
        #expect(Array(state.velocities) == Array(expected.velocities))
        #expect(checkpoint.weightsDigest() == expected.weightsDigest())
    }

    @Test("restoring refuses tensors that are missing, too many or of another shape, by name")
    func mismatches() throws {
        func refuses(_ words: String, _ change: (inout Checkpoint) -> Void) throws {
            var checkpoint = try sampleCheckpoint()
            change(&checkpoint)
            let state = try TinyModel.state()
            let failure = #expect(throws: Failure.self) { try checkpoint.restore(state, path: "c.h5") }
            #expect(failure?.code == .badData && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
        try refuses("c.h5:/model/fc.bias: missing, expected shape [3]") { $0.weights.removeLast() }
        try refuses("c.h5:/model/fc2.bias: not a parameter") {
            $0.weights.append(Checkpoint.Tensor(key: "fc2.bias", shape: [1], values: [0]))
        }
        try refuses("c.h5:/model/conv.weight: shape [18], expected [2, 1, 3, 3]") {
            $0.weights[0] = Checkpoint.Tensor(key: "conv.weight", shape: [18], values: $0.weights[0].values)
        }
        try refuses("c.h5:/optimizer/momentum is missing") { $0.optimizer = [] }
        try refuses("c.h5:/optimizer/momentum/conv.bias: missing") { $0.optimizer[0].tensors.remove(at: 1) }
    }

    /// Copies a checkpoint's HDF5 tree with some root attributes replaced or left out, and seals it.
    private static func copy(_ source: HDF5File, to path: String, changing: [String: HDF5Value?]) throws {
        let file = try HDF5File.createInMemory(name: "copy")
        func visit(_ group: String) throws {
            for name in try source.children(of: group) {
                let child = group == "/" ? "/\(name)" : "\(group)/\(name)"
                if try source.isGroup(child) {
                    try file.createGroup(child)
                    try visit(child)
                    continue
                }
                let dataset = try source.dataset(child)
                switch dataset.elementType {
                case .string: try file.write(child, strings: dataset.readStrings())
                case .float32: try file.write(child, shape: dataset.shape, dataset.readAll(as: Float.self))
                case .float64: try file.write(child, shape: dataset.shape, dataset.readAll(as: Double.self))
                default: try file.write(child, shape: dataset.shape, dataset.readAll(as: Int64.self))
                }
            }
        }
        try visit("/")
        for name in try source.attributeNames(on: "/") {
            if let change = changing[name] {
                if let value = change { try file.setAttribute(name, on: "/", value) }
            } else if let value = try source.attribute(name, on: "/") {
                try file.setAttribute(name, on: "/", value)
            }
        }
        try file.withImage { image in
            try CheckpointSeal.seal(for: image).withUnsafeBytes { try DurableFile.write([image, $0], to: path) }
        }
    }
}
