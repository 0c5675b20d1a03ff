internal import Diagnostics
internal import Digests

/// One or several dataset files that count as one: their splits of one name stand one after the other, in the order of the files.
package final class Dataset: ImageExtents {
    package let files: [DatasetFile]
    package let classes: [String]
    package let height: Int
    package let width: Int
    package let channels: Int
    package let slices: Int?
    /// Of one file its own; of several, SHA-256 over the line `swift-train.datasets 1` and each file's digest, a line each.
    package let digest: String
    /// In byte order: those that any file has.
    package let splitNames: [String]

    /// Opens files that must agree in classes, size and type of images. `roles` say where the parts lie in files that others
    /// wrote, which then are one dataset together; dataset files need none.
    ///
    /// Throws: `Failure`: what opening one of them throws, 65 where they do not agree.
    package init(
        paths: [String], roles: DatasetRoles = DatasetRoles(), chunks: DatasetFile.ChunkAccess = .streamed
    ) throws {
        let isForeign = try roles != DatasetRoles() && !paths.allSatisfy { try FileFormat.read($0) != nil }
        let files =
            isForeign
            ? [try DatasetFile(foreign: paths, roles: roles, chunks: chunks)]
            : try paths.map { try DatasetFile(path: $0, chunks: chunks) }
        guard let first = files.first else { preconditionFailure("a dataset of no files") }
        for file in files.dropFirst() {
            guard file.classes == first.classes else {
                throw Failure(
                    .badData,
                    "\(file.path): \(Self.classDifference(file, first)), expected the same classes in the same order")
            }
            guard file.extents == first.extents else {
                throw Failure(
                    .badData,
                    "\(file.path): holds \(file.sizeText) images, \(first.path) \(first.sizeText); expected one size")
            }
        }
        self.files = files
        (classes, height, width, channels) = (first.classes, first.height, first.width, first.channels)
        slices = first.slices
        splitNames = Set(files.flatMap(\.splitNames)).sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
        if files.count == 1 {
            digest = first.digest
        } else {
            let text = (["swift-train.datasets 1"] + files.map(\.digest)).map { $0 + "\n" }.joined()
            digest = Array(text.utf8).withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        }
    }

    /// What the files are called in messages.
    package var path: String { files.map(\.path).joined(separator: ", ") }

    private static func classDifference(_ file: DatasetFile, _ first: DatasetFile) -> String {
        guard file.classes.count == first.classes.count else {
            return "has \(file.classes.count) classes, \(first.path) \(first.classes.count)"
        }
        let place = zip(file.classes, first.classes).enumerated().first { $1.0 != $1.1 }
        return place.map { number, names in
            "its class \(number) is \(names.0.printable), that of \(first.path) \(names.1.printable)"
        } ?? ""
    }

    /// The images and labels of a split, of all files that have it.
    ///
    /// Throws: `Failure`: 78 when none has it, 65 where types of pixels differ, and what reading them throws.
    package func split(_ name: String) throws -> any SampleSource {
        let parts = try files.filter { $0.splitNames.contains(name) }.map { ($0, try $0.split(name)) }
        guard let (firstFile, first) = parts.first else {
            throw Failure(
                .configuration,
                "\(path): has no split \(name), expected one of \(splitNames.joined(separator: ", ")); evaluate.split "
                    + "(--set evaluate.split=\(splitNames.first ?? "train"), or evaluate --split) names the one to score"
            )
        }
        guard parts.count > 1 else { return first }
        for (file, part) in parts where part.pixelType != first.pixelType {
            throw Failure(
                .badData,
                "\(file.path):/\(name)/images is \(part.pixelType), that of \(firstFile.path) \(first.pixelType); expected one "
                    + "type")
        }
        return JoinedSamples(parts.map(\.1))
    }

    /// What the samples of a split are called in results, in their order. Throws: `Failure`.
    package func imageNames(of split: String) throws -> [String] {
        try files.filter { $0.splitNames.contains(split) }.flatMap { try $0.imageNames(of: split) }
    }

    /// `DatasetFile.checkPixels` of every file.
    package func checkPixels(
        of names: [String]? = nil, onLongWork: @escaping (String) -> Void = { _ in }
    ) throws -> [String] {
        try files.flatMap { try $0.checkPixels(of: names, onLongWork: onLongWork) }
    }
}

/// Sources of one shape, one after the other.
final class JoinedSamples: SampleSource {
    let labels: [Int32]
    let mean: [Float]
    let std: [Float]
    private let parts: [any SampleSource]
    /// The first sample of each part.
    private let starts: [Int]
    private let first: any SampleSource

    /// Traps: none.
    init(_ parts: [any SampleSource]) {
        self.parts = parts
        first = parts[0]
        var starts: [Int] = []
        var count = 0
        for part in parts {
            starts.append(count)
            count += part.count
        }
        self.starts = starts
        labels = parts.flatMap(\.labels)
        (mean, std) = Self.statistics(parts)
    }

    var name: String { first.name }
    var count: Int { labels.count }
    var height: Int { first.height }
    var width: Int { first.width }
    var channels: Int { first.channels }
    var slices: Int? { first.slices }
    var pixelType: PixelType { first.pixelType }

    func fill(_ slot: UnsafeMutableRawPointer, sample: Int) throws {
        let part = starts.run(holding: sample)
        try parts[part].fill(slot, sample: sample - starts[part])
    }

    func confirm() throws {
        for part in parts { try part.confirm() }
    }

    func blocks(ofAtLeast samples: Int) -> [Int] {
        zip(parts, starts).flatMap { part, start in part.blocks(ofAtLeast: samples).map { start + $0 } }
    }

    func keep(samples: Int) {
        for part in parts { part.keep(samples: samples) }
    }

    func prepare(_ samples: Range<Int>) {
        let part = starts.run(holding: samples.lowerBound)
        parts[part].prepare(samples.lowerBound - starts[part]..<samples.upperBound - starts[part])
    }

    /// Of all images, from those of the parts; none where a part has none.
    private static func statistics(_ parts: [any SampleSource]) -> (mean: [Float], std: [Float]) {
        guard parts.allSatisfy({ !$0.mean.isEmpty }) else { return ([], []) }
        let count = Double(parts.reduce(0) { $0 + $1.count })
        let channels = parts[0].channels
        let means = (0..<channels).map { channel in
            parts.reduce(0.0) { $0 + Double($1.count) * Double($1.mean[channel]) } / count
        }
        let deviations = (0..<channels).map { channel in
            let variance =
                parts.reduce(0.0) { sum, part in
                    let (deviation, offset) = (Double(part.std[channel]), Double(part.mean[channel]) - means[channel])
                    return sum + Double(part.count) * (deviation * deviation + offset * offset)
                } / count
            return variance.squareRoot()
        }
        return (means.map { Float($0) }, deviations.map { Float($0) })
    }
}
