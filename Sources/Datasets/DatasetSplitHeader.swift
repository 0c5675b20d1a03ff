internal import Diagnostics
internal import Digests
internal import HDF5

/// Everything about a split but its pixels, read and judged when the file is opened.
package struct DatasetSplitHeader: Sendable {
    package let name: String
    package let count: Int
    package let height: Int
    package let width: Int
    package let channels: Int
    package let pixelType: PixelType
    package let labels: [Int32]
    package let labelDigest: String
    package let mean: [Float]
    package let std: [Float]
    /// The stored digest of the image bytes, when there is one.
    package let storedImageDigest: String?
    let fileOffset: Int?
    /// How the images lie in the file, in words.
    package let storage: String

    var imagesPath: String { "/\(name)/images" }
    /// Number of images of each class.
    package func counts(of classCount: Int) -> [Int64] {
        var counts = [Int64](repeating: 0, count: classCount)
        for label in labels { counts[Int(label)] += 1 }
        return counts
    }
    /// True when the file's bytes can be used where they lie.
    var canBeMapped: Bool { fileOffset.map { $0 % pixelType.byteCount == 0 } ?? false }
    var byteCount: Int { count * height * width * channels * pixelType.byteCount }

    init(_ file: HDF5File, name: String, classCount: Int) throws {
        self.name = name
        let imagesPath = "/\(name)/images"
        let labelsPath = "/\(name)/labels"
        func bad(_ path: String, _ text: String) -> Failure { Failure(.badData, "\(file.path):\(path) \(text)") }

        let images = try file.dataset(imagesPath)
        guard images.shape.count == 4, images.shape.allSatisfy({ $0 > 0 }) else {
            throw bad(imagesPath, "has shape \(images.shape), expected (N, H, W, C) with no extent 0")
        }
        switch images.elementType {
        case .uint8: pixelType = .uint8
        case .float32: pixelType = .float32
        default: throw bad(imagesPath, "is \(images.elementType), expected uint8 or float32")
        }
        if let layout = try file.attribute("layout", on: imagesPath), layout != .string("NHWC") {
            throw bad(imagesPath, "has layout \(layout), expected NHWC")
        }
        (count, height, width, channels) = (images.shape[0], images.shape[1], images.shape[2], images.shape[3])
        fileOffset = images.fileOffset
        storage = images.storageDescription
        mean = try Self.channelValues("mean", file, imagesPath, channels)
        std = try Self.channelValues("std", file, imagesPath, channels)
        guard std.allSatisfy({ $0 >= 0 }) else { throw bad(imagesPath, "has a negative std, expected 0 or more") }
        storedImageDigest = try Self.storedDigest(file, imagesPath)

        let labelSet = try file.dataset(labelsPath)
        guard labelSet.shape == [count] else {
            throw bad(labelsPath, "has shape \(labelSet.shape), expected [\(count)], one label for each image")
        }
        guard labelSet.elementType == .int64 else {
            throw bad(labelsPath, "is \(labelSet.elementType), expected int64")
        }
        let wide = try labelSet.readAll(as: Int64.self)
        if let index = wide.firstIndex(where: { $0 < 0 || $0 >= classCount }) {
            throw Failure(
                .badData,
                "\(file.path):\(labelsPath)[\(index)] = \(wide[index]), expected 0…\(classCount - 1) "
                    + "(\(classCount) classes). Fix the source and convert it again.")
        }
        labels = wide.map { Int32(truncatingIfNeeded: $0) }
        labelDigest = wide.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        if let stored = try Self.storedDigest(file, labelsPath), stored != labelDigest {
            throw bad(labelsPath, "has SHA-256 \(labelDigest), expected \(stored); the file is damaged. Convert again.")
        }
        if let value = try file.attribute("counts", on: imagesPath), value != .integers(counts(of: classCount)) {
            let expected = HDF5Value.integers(counts(of: classCount))
            throw bad(imagesPath, "@counts is \(value), but its labels count \(expected). Convert again.")
        }
    }

    private static func channelValues(
        _ name: String, _ file: HDF5File, _ path: String, _ channels: Int
    ) throws -> [Float] {
        let value = try file.attribute(name, on: path)
        guard case .reals(let values)? = value, values.count == channels, values.allSatisfy(\.isFinite) else {
            let found = value.map { "\($0)" } ?? "missing"
            throw Failure(
                .badData, "\(file.path):\(path)@\(name) is \(found), expected \(channels) finite numbers, one a channel"
            )
        }
        return values.map { Float($0) }
    }

    private static func storedDigest(_ file: HDF5File, _ path: String) throws -> String? {
        guard let value = try file.attribute("sha256", on: path) else { return nil }
        guard case .string(let text) = value, text.utf8.count == 64,
            text.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else {
            throw Failure(.badData, "\(file.path):\(path)@sha256 is \(value), expected 64 hexadecimal digits")
        }
        return text
    }
}
