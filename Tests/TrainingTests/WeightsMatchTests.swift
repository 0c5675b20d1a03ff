import Diagnostics
import Files
import Interchange
import Layers
import TestSupport
import Testing

@testable import Training

@Suite("Weights from files of others")
struct WeightsMatchTests {
    /// conv.weight [2, 1, 3, 3], conv.bias [2], fc.weight [3, 8], fc.bias [3].
    private let state: ModelState

    init() throws { state = try TinyModel.state() }

    private func entry(_ key: String, _ shape: [Int], _ type: ElementType = .float32) -> TensorEntry {
        TensorEntry(key: key, shape: shape, type: type)
    }

    private func own(_ prefix: String = "", classes: Int = 3) -> [TensorEntry] {
        [
            entry(prefix + "conv.weight", [2, 1, 3, 3]), entry(prefix + "conv.bias", [2]),
            entry(prefix + "fc.weight", [classes, 8]), entry(prefix + "fc.bias", [classes]),
        ]
    }

    private func match(_ entries: [TensorEntry], _ head: WeightsMatch.Head = .keep) -> WeightsMatch {
        WeightsMatch(state.parameterList, entries, head: head, source: "w.pth (PyTorch)")
    }

    private func failure(_ match: WeightsMatch) -> Failure? {
        do {
            try match.check(path: "w.pth", model: "tiny")
            return nil
        } catch {
            return error as? Failure
        }
    }

    @Test(
        "keys match as they are and without what wrappers put in front",
        arguments: ["", "module.", "model.", "_orig_mod.", "module.model.", "_orig_mod.module."])
    func prefixes(prefix: String) {
        let match = match(
            own(prefix) + [entry("n_averaged", [], .int64), entry(prefix + "bn.num_batches_tracked", [], .int64)])
        #expect(match.taken.map(\.parameter.key) == ["conv.weight", "conv.bias", "fc.weight", "fc.bias"])
        #expect(failure(match) == nil)
        #expect(match.table.contains("not needed   2  n_averaged"))
        #expect(match.table.contains(prefix.isEmpty ? "(PyTorch)\n" : "(PyTorch), keys without \(prefix)\n"))
    }

    @Test("a key that stands there with and without a prefix is left over once")
    func twice() {
        let match = match(own() + own("module."))
        #expect(match.taken.map(\.entry.key) == own().map(\.key) && match.leftOver == own("module."))
        #expect(
            failure(match)?.message.contains("4 left over (module.conv.bias, module.conv.weight, module.fc.bias, …)")
                == true)
    }

    @Test("what is missing, left over, of a wrong shape or type is named in the message and in the table")
    func problems() {
        let match = match([
            entry("conv.weight", [2, 1, 5, 5]), entry("fc.weight", [3, 8], .int8), entry("fc.bias", [3]),
            entry("x\n", [1]),
        ])
        let message = failure(match)?.message ?? ""
        #expect(failure(match)?.code == .badData)
        for words in [
            "do not fit tiny with 4 tensors", "1 missing (conv.bias [2])", "1 left over (x\\n)",
            "1 of a wrong shape (conv.weight [2, 1, 5, 5] instead of [2, 1, 3, 3])",
            "1 of a wrong type (fc.weight of int8)",
        ] { #expect(message.contains(words), "\(message)") }
        for row in [
            "taken        1  fc.bias", "new          0\n", "missing      1  conv.bias",
            "wrong shape  1  conv",
        ] {
            #expect(match.table.contains(row), "\(match.table)")
        }
    }

    @Test("the head is new when its number of classes differs, taken when it fits, and must fit when it is kept")
    func head() {
        let others = match(own(classes: 10), .auto)
        #expect(others.new.map(\.parameter.key) == ["fc.weight", "fc.bias"] && others.taken.count == 2)
        #expect(failure(others) == nil && others.table.contains("fc.weight [3, 8], in the file [10, 8]"))
        #expect(match(own(), .auto).taken.count == 4 && match(own(), .new).new.count == 2)
        #expect(failure(match(own(classes: 10), .keep))?.message.contains("2 of a wrong shape") == true)
        // A file without a head, and one whose head has a part that the network's has not.
        #expect(failure(match(Array(own().prefix(2)), .auto)) == nil)
        #expect(failure(match(own(classes: 10) + [entry("fc.scale", [10])], .auto)) == nil)
        #expect(
            failure(match(own() + [entry("fc.scale", [3])], .auto))?.message.contains("1 left over (fc.scale)") == true)
        // Another number of inputs belongs to another network.
        let wide = own().prefix(2) + [entry("fc.weight", [10, 9]), entry("fc.bias", [3])]
        #expect(failure(match(Array(wide), .auto))?.message.contains("fc.weight [10, 9] instead of [3, 8]") == true)
        #expect(failure(match(Array(own("", classes: 10).dropFirst()), .auto))?.message.contains("1 missing") == true)
    }

    @Test("a value that is not finite is refused with its key as the file has it, and a negative variance too")
    func values() throws {
        let scratch = try Scratch()
        let entries = own("module.").map { TensorEntry(key: $0.key, shape: $0.shape, type: .float32) }
        func write(_ name: String, _ value: Float) throws -> String {
            let file = try TemporaryFile(for: scratch.file(name))
            try SafetensorsWriter.write(entries, metadata: [:], to: file) { entry, write in
                var values = [Float](repeating: 0.5, count: entry.count)
                if entry.key == "module.fc.bias" { values[2] = value }
                try values.withUnsafeBytes(write)
            }
            try file.commit()
            return scratch.file(name)
        }
        let match = try WeightsFile(write("good.pth", 0.25)).load(into: state, model: "tiny")
        #expect(match.taken.count == 4 && state.weights[46] == 0.25 && state.weights[0] == 0.5)
        for value in [Float.nan, .infinity, -.infinity] {
            let path = try write("bad.h5", value)
            let failure = #expect(throws: Failure.self) { try WeightsFile(path).load(into: state, model: "tiny") }
            #expect(
                failure?.code == .badData && failure?.message.contains("module.fc.bias[2] = ") == true,
                "\(failure as Any)")
        }
    }

    @Test(
        "an export has torchvision's keys and counters, equal bytes each time, and is read back",
        arguments: [false, true])
    func export(raw: Bool) throws {
        let scratch = try Scratch()
        var header = Checkpoint.Header()
        (header.model, header.input, header.inputMean, header.inputStd) = ("tiny", [1, 4, 4], [0.5], [0.25])
        (header.batchSize, header.shards, header.classes, header.step) = (4, 1, ["a", "b \"c\"", "ü"], 17)
        header.configuration = "model: tiny\ndata: {file: d.h5}\n"
        let averaged = ModelState(parameterList: state.parameterList, averages: true)
        averaged.initialize(seed: 3)
        averaged.average?.update(repeating: 0.125)
        try CheckpointFile.write(Checkpoint(header: header, state: averaged), to: scratch.file("c.h5"))
        let export = try WeightsExport(checkpoint: scratch.file("c.h5"), raw: raw)
        try export.write(to: scratch.file("w.safetensors"), models: ["tiny"])
        try export.write(to: scratch.file("again.safetensors"), models: ["tiny"])
        #expect(try scratch.bytes("w.safetensors") == scratch.bytes("again.safetensors"))
        #expect(export.isAverage == !raw && export.count == 47)

        let file = try Safetensors(InputFile(scratch.file("w.safetensors"), expected: ""))
        #expect(file.metadata["format"] == "pt" && file.metadata["classes"] == "[\"a\",\"b \\\"c\\\"\",\"ü\"]")
        #expect(file.metadata["model"] == "tiny" && file.metadata["step"] == "17")
        let back = try TinyModel.state()
        try WeightsFile(scratch.file("w.safetensors")).load(into: back, model: "tiny")
        #expect(back.weightsDigest() == (raw ? averaged.weightsDigest() : averaged.averageDigest()))
        #expect(file.metadata["weights_sha256"] == back.weightsDigest())
    }
}
