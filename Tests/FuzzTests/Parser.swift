import Datasets
import Diagnostics
import Files
import Foundation
import HDF5
import Interchange
import Report

@testable import Ingest
@testable import Training

/// What reads bytes that come from outside. Each takes any bytes, and ends or throws.
enum Parser: String, CaseIterable {
    case idx, gzip, yaml, checkpoint, dataset, foreign, picture, csv, numpy, tar, weights, metrics, page

    /// Those in which no foreign library takes the bytes apart; zlib and libyaml are believed.
    static let ours: [Parser] = [.idx, .gzip, .yaml, .metrics, .page]

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
        case .dataset, .foreign:
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let file =
                self == .dataset
                ? try DatasetFile(path: path) : try DatasetFile(foreign: [path], roles: DatasetRoles())
            for name in file.splitNames { try read(file.split(name)) }
        case .picture:
            let preparation = ImagePreparation(size: .init(width: 16, height: 16), largestPixels: 1 << 22)
            var pixels = [UInt8](repeating: 0, count: 16 * 16 * 3)
            let shape = ImageShape(height: 16, width: 16, channels: 3)
            bytes.withUnsafeBytes { bytes in
                pixels.withUnsafeMutableBytes {
                    _ = preparation.measure(bytes)
                    _ = preparation.decode(bytes, to: shape, $0.baseAddress!, ResizeScratch())
                }
            }
        case .csv, .numpy, .tar:
            let kind =
                self == .numpy && bytes.starts(with: Array("PK".utf8)) ? "npz" : self == .numpy ? "npy" : rawValue
            try Data(bytes).write(to: URL(fileURLWithPath: "\(path).\(kind)"))
            defer { try? FileManager.default.removeItem(atPath: "\(path).\(kind)") }
            var options = ConversionOptions(replaceExisting: true, threads: 1)
            if self == .tar { options.preparation.size = .init(width: 8, height: 8) }
            let output = "\(folder)/output.h5"
            switch self {
            case .csv: try CSVImages.convert(train: "\(path).csv", to: output, options: options)
            case .numpy: try NumPyImages.convert(paths: ["\(path).\(kind)"], to: output, options: options)
            default:
                try TarImages.convert(shards: TarImages.Shards(train: ["\(path).tar"]), to: output, options: options)
            }
        case .metrics, .page:
            // The lines of a run, and what a page shows besides them: read, and drawn.
            var history = RunHistory()
            if self == .metrics { history.add(lines: bytes.split(separator: UInt8(ascii: "\n"))) }
            let facts = RunFacts(
                name: "run", model: "tiny", state: .failed, history: history, bestMetric: "loss", settings: [],
                environment: [], commands: [], next: [], snapshot: self == .page ? RunSnapshot(json: bytes) : nil)
            _ = RunPage(facts).html
            _ = ComparisonPage([facts, facts]).html
        case .weights:
            try Data(bytes).write(to: URL(fileURLWithPath: path))
            let input = try InputFile(path, expected: "weights")
            guard let file = try TensorFileFormat(of: input)?.open(input) else { return }
            // What declares more elements is not asked for.
            let wanted = file.entries.filter { $0.type.isReal && $0.count <= 1 << 16 }.prefix(100)
            let buffers = wanted.map { UnsafeMutableBufferPointer<Float>.allocate(capacity: $0.count) }
            defer { for buffer in buffers { buffer.deallocate() } }
            try file.read(zip(wanted, buffers).map { WantedTensor($0, into: $1) })
        }
    }

    /// Every label and pixel.
    private func read(_ split: DatasetSplit) throws {
        _ = split.labels.reduce(0) { $0 &+ Int($1) }
        // What declares more than this is read in part.
        let bytes = UnsafeMutableRawPointer.allocate(byteCount: split.imageBytes, alignment: 64)
        defer { bytes.deallocate() }
        for sample in 0..<min(split.count, 1_000) { try split.fill(bytes, sample: sample) }
        try split.confirm()
    }
}
