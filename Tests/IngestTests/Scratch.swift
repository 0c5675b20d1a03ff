import Datasets
import Foundation

/// A folder for one test, removed with it.
final class Scratch {
    let path: String

    init() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swift-train-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    func file(_ name: String) -> String { "\(path)/\(name)" }

    func write(_ bytes: [UInt8], _ name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    }

    func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: file(name))))
    }

    var names: [String] { ((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []).sorted() }
}

/// A copy of a split's image bytes.
func pixels(of split: any SampleSource) -> [UInt8] {
    let size = split.imageBytes
    return [UInt8](unsafeUninitializedCapacity: split.count * size) { bytes, count in
        count = 0
        guard let start = bytes.baseAddress else { return }
        for sample in 0..<split.count where (try? split.fill(start + sample * size, sample: sample)) != nil {
            count += size
        }
    }
}
