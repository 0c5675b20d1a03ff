package import Datasets
internal import Foundation

/// A folder for one test, removed with it.
package final class Scratch: Sendable {
    package let path: String

    package init() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("swift-train-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        path = folder.path
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    package func file(_ name: String) -> String { "\(path)/\(name)" }

    package func write(_ bytes: [UInt8], _ name: String) throws {
        try Data(bytes).write(to: URL(fileURLWithPath: file(name)))
    }

    package func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: file(name))))
    }

    package func text(_ name: String) throws -> String { String(decoding: try bytes(name), as: UTF8.self) }

    package func names(in folder: String = "") -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: file(folder))) ?? []).sorted()
    }
}

/// A copy of a split's image bytes.
package func pixels(of split: any SampleSource) -> [UInt8] {
    let size = split.imageBytes
    return [UInt8](unsafeUninitializedCapacity: split.count * size) { bytes, count in
        count = 0
        guard let start = bytes.baseAddress else { return }
        for sample in 0..<split.count where (try? split.fill(start + sample * size, sample: sample)) != nil {
            count += size
        }
    }
}
