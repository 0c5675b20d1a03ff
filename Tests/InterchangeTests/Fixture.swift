import Foundation
import Testing

@testable import Diagnostics
@testable import Files
@testable import Interchange

/// What the generator has written.
enum Fixture {
    static let folder = Bundle.module.resourceURL!.appendingPathComponent("Fixtures").path

    struct Tensor: Decodable {
        let dtype: String
        let shape: [Int]
        /// nil where the value is not finite.
        let values: [Double?]
    }

    /// By file and key.
    static let expected = Result {
        try JSONDecoder().decode(
            [String: [String: Tensor]].self, from: Data(contentsOf: URL(fileURLWithPath: folder + "/expected.json")))
    }

    static let names = ((try? expected.get()).map { Array($0.keys) } ?? []).sorted()

    static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
    }
}

/// Opens a file of tensors by its content.
func open(_ path: String) throws -> any TensorFile {
    let file = try InputFile(path, expected: "expected a fixture")
    return try #require(try TensorFileFormat(of: file), "neither format").open(file)
}

extension TensorFile {
    /// The values of all tensors of reals.
    func readAll() throws -> [String: [Float]] {
        let reals = entries.filter(\.type.isReal)
        let buffers = reals.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $0.count) }
        defer { for buffer in buffers { buffer.deallocate() } }
        for buffer in buffers { buffer.initialize(repeating: .signalingNaN) }
        try read(zip(reals, buffers).map { WantedTensor($0, into: $1) })
        return Dictionary(uniqueKeysWithValues: zip(reals, buffers).map { ($0.key, Array($1)) })
    }
}

/// A file of these bytes while `body` runs.
func withFile<T>(_ bytes: [UInt8], _ body: (String) throws -> T) throws -> T {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("swift-train-\(UUID().uuidString)").path
    try Data(bytes).write(to: URL(fileURLWithPath: path))
    defer { try? FileManager.default.removeItem(atPath: path) }
    return try body(path)
}

/// What is wrong with a file, nil if nothing is.
func problem(_ bytes: [UInt8]) throws -> Failure? {
    try withFile(bytes) { path in
        do {
            _ = try open(path).readAll()
            return nil
        } catch let failure as Failure {
            return failure
        }
    }
}
