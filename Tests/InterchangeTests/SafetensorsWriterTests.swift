import Foundation
import Testing

@testable import Files
@testable import Interchange

@Suite("writing safetensors")
struct SafetensorsWriterTests {
    private func write(_ tensors: [(TensorEntry, [UInt8])], _ metadata: [String: String], to path: String) throws {
        let file = try TemporaryFile(for: path)
        let bytes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.0.key, $0.1) })
        try SafetensorsWriter.write(tensors.map(\.0), metadata: metadata, to: file) { entry, write in
            try (bytes[entry.key] ?? []).withUnsafeBytes(write)
        }
        try file.commit()
    }

    private let tensors: [(TensorEntry, [UInt8])] = [
        (TensorEntry(key: "b \"x\"\n\\", shape: [2], type: .float32), little(1 as UInt32) + little(2 as UInt32)),
        (TensorEntry(key: "a", shape: [1, 1], type: .float32), little(Float(0.5).bitPattern)),
        (TensorEntry(key: "z", shape: [], type: .int64), little(7 as Int64)),
        (TensorEntry(key: "none", shape: [0, 3], type: .float32), []),
    ]

    @Test("what is written is read back, texts too, and begins at a multiple of eight")
    func roundTrip() throws {
        try withFile([]) { path in
            let metadata = ["format": "pt", "odd": "\"\\\u{1}\n\tü😀"]
            try write(tensors, metadata, to: path)
            let file = try #require(try open(path) as? Safetensors)
            #expect(file.entries.map(\.key) == ["z", "a", "b \"x\"\n\\", "none"])
            #expect(file.metadata == metadata)
            #expect(try file.readAll()["a"] == [0.5])
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: path)))
            #expect(bytes[0] % 8 == 0 && bytes.count == 8 + Int(bytes[0]) + 256 * Int(bytes[1]) + 8 + 4 + 8)
        }
    }

    @Test("the order of the tensors makes no difference")
    func order() throws {
        try withFile([]) { path in
            try write(tensors, ["a": "1", "b": "2"], to: path)
            let first = try Data(contentsOf: URL(fileURLWithPath: path))
            try write(tensors.reversed(), ["b": "2", "a": "1"], to: path)
            #expect(try Data(contentsOf: URL(fileURLWithPath: path)) == first)
        }
    }
}
