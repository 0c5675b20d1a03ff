internal import Datasets
internal import Diagnostics
internal import Digests
internal import Files
internal import Glibc
internal import Report

/// `convert cifar10` and `convert cifar100`: the binary version of A. Krizhevsky's data sets.
///
/// A record is one label byte (CIFAR-100: coarse, then fine), then 1024 red, 1024 green and 1024 blue bytes of a 32×32 image.
/// Source: https://www.cs.toronto.edu/~kriz/cifar.html, "Binary version".
package final class CIFARImages: ImageSource {
    package enum Variant: Sendable {
        case cifar10
        case cifar100(usesCoarseLabels: Bool)

        fileprivate var labelBytes: Int { if case .cifar10 = self { 1 } else { 2 } }
        fileprivate var name: String { if case .cifar10 = self { "cifar10" } else { "cifar100" } }
        fileprivate var classCount: Int {
            switch self {
            case .cifar10: 10
            case .cifar100(let usesCoarseLabels): usesCoarseLabels ? 20 : 100
            }
        }
        fileprivate var labelPlace: Int { if case .cifar100(usesCoarseLabels: false) = self { 1 } else { 0 } }
        fileprivate var namesFile: String {
            switch self {
            case .cifar10: "batches.meta.txt"
            case .cifar100(let usesCoarseLabels): usesCoarseLabels ? "coarse_label_names.txt" : "fine_label_names.txt"
            }
        }
        fileprivate var files: [(split: String, names: [String])] {
            switch self {
            case .cifar10: [("train", (1...5).map { "data_batch_\($0).bin" }), ("test", ["test_batch.bin"])]
            case .cifar100: [("train", ["train.bin"]), ("test", ["test.bin"])]
            }
        }
        fileprivate var innerFolder: String {
            if case .cifar10 = self { "cifar-10-batches-bin" } else { "cifar-100-binary" }
        }
        fileprivate var pickleFile: String { if case .cifar10 = self { "data_batch_1" } else { "train" } }
        fileprivate var words: [String] {
            if case .cifar100(let usesCoarseLabels) = self {
                ["--labels", usesCoarseLabels ? "coarse" : "fine"]
            } else {
                []
            }
        }
    }

    let form = ImageForm.pixels(ImageShape(height: 32, width: 32, channels: 3))
    let classes: [String]
    private(set) var splits: [SourceSplit] = []
    let isConcurrent = true

    var paths: [String] { parts.flatMap { $0.map(\.path) } }
    private let variant: Variant
    private var parts: [[RecordFile]] = []
    private var recordBytes: Int { variant.labelBytes + pixelBytes }
    private let pixelBytes = 3072

    @discardableResult
    package static func convert(
        folder: String, variant: Variant, to path: String, options: ConversionOptions = ConversionOptions()
    ) throws -> ConversionReport {
        let source = try CIFARImages(folder, variant)
        return try Conversion(
            source: source, command: ["swift-train", "convert", variant.name] + variant.words, options: options
        ).run(to: path)
    }

    init(_ folder: String, _ variant: Variant) throws {
        self.variant = variant
        let inner = "\(folder)/\(variant.innerFolder)"
        let folder = access(inner, F_OK) == 0 ? inner : folder
        guard access(folder, F_OK) == 0 else {
            throw Failure(.inputMissing, "\(folder): \(String(cString: strerror(errno)))")
        }
        let first = variant.files[0].names[0]
        if access("\(folder)/\(first)", F_OK) != 0, access("\(folder)/\(variant.pickleFile)", F_OK) == 0 {
            throw Failure(
                .badData,
                "\(folder)/\(variant.pickleFile): is the version for Python (pickle), which is not read; expected the binary "
                    + "version with \(first), from https://www.cs.toronto.edu/~kriz/cifar.html")
        }
        classes = try Self.classNames("\(folder)/\(variant.namesFile)", count: variant.classCount)
        for (part, (split, names)) in variant.files.enumerated() {
            let files = try names.map { try RecordFile("\(folder)/\($0)", recordBytes: variant.labelBytes + 3072) }
            parts.append(files)
            var labels: [Int32] = []
            for file in files {
                for record in 0..<file.count {
                    let label = file.bytes[record * recordBytes + variant.labelPlace]
                    guard label < variant.classCount else {
                        throw Failure(
                            .badData,
                            "\(file.path): byte \(record * recordBytes + variant.labelPlace): label \(label) of record \(record), "
                                + "expected 0…\(variant.classCount - 1)")
                    }
                    labels.append(Int32(label))
                }
            }
            splits.append(
                SourceSplit(name: split, part: part, samples: Array(labels.indices), labels: labels, names: []))
        }
    }

    func rewind(to part: Int) {}

    func fetch(_ samples: ArraySlice<Int>, of part: Int, head: Int?, into images: FetchedImages) {
        for sample in samples {
            var record = sample
            let file = parts[part].first { file in
                if record < file.count { return true }
                record -= file.count
                return false
            }!
            let planes = file.bytes.baseAddress! + record * recordBytes + variant.labelBytes
            let pixels = images.room(pixelBytes)
            for place in 0..<pixelBytes / 3 {
                for channel in 0..<3 {
                    pixels[3 * place + channel] = planes.load(fromByteOffset: channel * 1024 + place, as: UInt8.self)
                }
            }
            images.fill(pixelBytes)
            images.endImage()
        }
    }

    func sources(_ files: EncodedFiles) -> JSON {
        .array(
            parts.joined().map { file in
                ByteSource.description(
                    path: file.path, bytes: file.bytes.count, sha256: SHA256.hexadecimal(of: file.bytes))
            })
    }

    private static func classNames(_ path: String, count: Int) throws -> [String] {
        guard access(path, F_OK) == 0 else { return (0..<count).map(String.init) }
        let source = try ByteSource(path: path)
        var bytes = [UInt8](repeating: 0, count: 1 << 16)
        let length = try bytes.withUnsafeMutableBytes { try source.read(into: $0) }
        let names = String(decoding: bytes[..<length], as: UTF8.self).split(whereSeparator: \.isNewline).map(
            String.init)
        guard names.count == count, Set(names).count == count else {
            throw Failure(.badData, "\(path): holds \(names.count) names, expected \(count) different ones")
        }
        return names
    }
}

/// A file of records of equal length, mapped.
private final class RecordFile {
    let path: String
    let count: Int
    let bytes: UnsafeRawBufferPointer

    init(_ path: String, recordBytes: Int) throws {
        self.path = path
        let descriptor = try InputDescriptor.open(path, expected: "records of CIFAR's binary version")
        defer { close(descriptor) }
        var status = stat()
        try systemCall("fstat", path) { fstat(descriptor, &status) }
        let size = Int(status.st_size)
        guard size > 0, size % recordBytes == 0 else {
            throw Failure(
                .badData,
                "\(path): has \(size) bytes, expected a multiple of \(recordBytes), the bytes of a record. "
                    + "Fetch it again.")
        }
        guard let base = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0), base != MAP_FAILED else {
            throw Failure(.inputOutput, "\(path): cannot map \(size) bytes: \(String(cString: strerror(errno)))")
        }
        count = size / recordBytes
        bytes = UnsafeRawBufferPointer(start: base, count: size)
    }

    deinit { munmap(UnsafeMutableRawPointer(mutating: bytes.baseAddress!), bytes.count) }
}
