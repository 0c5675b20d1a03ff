internal import Diagnostics
internal import Digests
internal import HDF5

/// A dataset file, opened and judged: format, shapes, types, labels and sizes are known to be good, pixels are not read.
///
/// Throws: `Failure` with 66 when there is no such file, 65 when it is not a dataset file or is damaged.
package final class DatasetFile {
    package let path: String
    package let classes: [String]
    package let height: Int
    package let width: Int
    package let channels: Int
    /// SHA-256, in hexadecimal, of what the data is, wherever it lies.
    ///
    /// Over these lines, each ended by a newline: `swift-train.dataset 1`; `classes K` and each class as its length in bytes,
    /// a space and the name; then for each split, in byte order of the names: `split NAME`, `images N H W C TYPE`, `mean` and
    /// `std` with each value's 32 bits in hexadecimal, `images-sha256`, `labels-sha256`, and the labels as raw int64
    /// little-endian without a newline. The images' digest is the stored attribute, or computed where there is none; whether
    /// they agree is what `inspect --verify` finds out. Storage (contiguous, chunked) does not enter.
    package let digest: String
    /// Names of the splits, in byte order.
    package var splitNames: [String] { headers.map(\.name) }
    /// What is known of each split without its pixels, in the order of `splitNames`.
    package let headers: [DatasetSplitHeader]

    private let file: HDF5File
    private var opened: [String: DatasetSplit] = [:]
    private static let largestClassCount = 1 << 20

    package init(path: String) throws {
        self.path = path
        let name = path
        func bad(_ text: String) -> Failure { Failure(.badData, "\(name)\(text)") }
        try Self.requireHDF5(path)
        (file, classes, headers) = try translatingErrors {
            let file = try HDF5File.open(path)
            try Self.requireFormat(file)
            let classSet = try file.dataset("/classes")
            guard classSet.shape.count == 1, (1...Self.largestClassCount).contains(classSet.shape[0]) else {
                throw bad(":/classes has shape \(classSet.shape), expected (K,) with K in 1…\(Self.largestClassCount)")
            }
            let classes = try classSet.readStrings()
            var headers: [DatasetSplitHeader] = []
            for name in try file.children(of: "/") where name != "classes" {
                guard try file.isGroup("/\(name)") else { continue }
                headers.append(try DatasetSplitHeader(file, name: name, classCount: classes.count))
            }
            return (file, classes, headers)
        }
        guard let first = headers.first else { throw bad(": holds no split, expected /train, /test or /val") }
        (height, width, channels) = (first.height, first.width, first.channels)
        for header in headers where (header.height, header.width, header.channels) != (height, width, channels) {
            throw bad(
                ":\(header.imagesPath) holds \(header.height)×\(header.width)×\(header.channels) images, "
                    + "\(first.imagesPath) \(height)×\(width)×\(channels); expected one size")
        }
        digest = try DatasetDigest.compute(classes: classes, headers: headers) { [file] header in
            try Self.pixels(of: header, in: file)
        }
    }

    /// The images and labels of a split; its pixels are mapped, or read now if they are compressed.
    package func split(_ name: String) throws -> DatasetSplit {
        if let split = opened[name] { return split }
        guard let header = headers.first(where: { $0.name == name }) else {
            throw Failure(
                .configuration,
                "\(path): has no split \(name), expected one of \(splitNames.joined(separator: ", ")); evaluate.split "
                    + "(--set evaluate.split=\(splitNames.first ?? "train"), or evaluate --split) names the one to score"
            )
        }
        let split = DatasetSplit(header, storage: try Self.pixels(of: header, in: file), isMapped: header.canBeMapped)
        opened[name] = split
        return split
    }

    /// The SHA-256 of a split's image bytes as they are now.
    package func computeImageDigest(_ split: String) throws -> String {
        SHA256.hexadecimal(of: try self.split(split).images)
    }

    /// An attribute of the file itself (`command`, `sources`, `preprocessing`), nil when absent.
    package func text(_ name: String) throws -> String? {
        try translatingErrors {
            guard case .string(let text)? = try file.attribute(name, on: "/") else { return nil }
            return text
        }
    }

    private static func pixels(of header: DatasetSplitHeader, in file: HDF5File) throws -> MappedBytes {
        if header.canBeMapped, let offset = header.fileOffset {
            return try MappedBytes(path: file.path, offset: offset, count: header.byteCount)
        }
        return try MappedBytes(count: header.byteCount) { memory in
            try translatingErrors {
                let images = try file.dataset(header.imagesPath)
                switch header.pixelType {
                case .uint8: try images.read(into: memory.bindMemory(to: UInt8.self))
                case .float32: try images.read(into: memory.bindMemory(to: Float.self))
                }
            }
        }
    }
}
