import Datasets
import Diagnostics
import Foundation
import HDF5

@testable import Ingest
@testable import Training

/// What reads bytes that come from outside. Each takes any bytes, and ends or throws.
enum Parser: String, CaseIterable {
    case idx, gzip, yaml, checkpoint, dataset

    /// Those in which no foreign library takes the bytes apart; zlib and libyaml are believed.
    static let ours: [Parser] = [.idx, .gzip, .yaml]

    /// Good inputs to begin with.
    func corpus() throws -> [[UInt8]] {
        let folder = Bundle.module.bundlePath + "/Corpus/\(rawValue)"
        return try FileManager.default.contentsOfDirectory(atPath: folder).sorted().map { name in
            let bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\(name)")))
            // A checkpoint is changed inside its seal, or it would be refused before it is read.
            return self == .checkpoint ? bytes.dropLast(CheckpointSeal.byteCount) : bytes
        }
    }

    /// Reads a file of these bytes, made in `folder`, to its end. Throws what reading it throws.
    func read(_ bytes: [UInt8], in folder: String) throws {
        let path = "\(folder)/input"
        switch self {
        case .idx, .gzip:
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            for kind in [IDXFile.Kind.images, .labels] {
                guard let file = try? IDXFile(path: path, kind: kind) else { continue }
                var item = [UInt8](repeating: 0, count: file.itemBytes)
                for _ in 0..<file.count { try item.withUnsafeMutableBytes { try file.read(into: $0) } }
                _ = try file.finish()
            }
        case .yaml:
            let text = String(decoding: bytes, as: UTF8.self)
            _ = try Configuration(
                yaml: text, file: "input", assignments: [], models: ["lenet5"], defaults: Configuration())
            _ = try Configuration(
                yaml: nil, file: "input", assignments: [text], models: ["lenet5"], defaults: Configuration())
        case .checkpoint:
            let sealed = bytes + bytes.withUnsafeBytes { CheckpointSeal.seal(for: $0) }
            _ = try sealed.withUnsafeBytes { try CheckpointFile.parse(sealed: $0, path: "input") }
        case .dataset:
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let file = try DatasetFile(path: path)
            for name in file.splitNames {
                let split = try file.split(name)
                withExtendedLifetime(split) { _ = split.labels.reduce(0) { $0 &+ Int($1) } }
            }
        }
    }
}
