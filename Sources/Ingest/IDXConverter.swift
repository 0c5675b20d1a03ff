internal import Diagnostics
internal import Glibc

/// Converts the four IDX files of MNIST and its kin to a dataset file, streaming.
package enum IDXConverter {
    /// Class names by preset.
    package static let presets: [String: [String]] = [
        "fashion-mnist": [
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
        ]
    ]

    /// `a,b,c`, or a preset's name; nil gives "0" … "9".
    package static func classNames(_ text: String?) throws -> [String] {
        guard let text else { return (0..<10).map(String.init) }
        if let names = presets[text] { return names }
        let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        guard names.count >= 2, names.count <= 256, !names.contains("") else {
            throw Failure(
                .usage,
                "--class-names \(text), expected 2 to 256 names as a,b,c or one of \(presets.keys.sorted().joined(separator: ", "))"
            )
        }
        guard Set(names).count == names.count else {
            throw Failure(.usage, "--class-names \(text): a name stands twice")
        }
        return names
    }

    /// Reads `train-*` and `t10k-*` in a folder, plain or `.gz`, and writes splits `train` and `test`.
    ///
    /// Throws `Failure`: 66 for a missing file, 65 for bad content, 73 and 74 for the output.
    @discardableResult
    package static func convert(
        folder: String, to path: String, classNames: String? = nil, options: ConversionOptions = ConversionOptions()
    ) throws -> ConversionReport {
        let names = try Self.classNames(classNames)
        // Both splits are judged by their headers and labels before anything is written.
        let splits = try [("train", "train"), ("test", "t10k")].map { name, prefix in
            try Split(name: name, prefix: prefix, folder: folder, classCount: names.count)
        }
        guard splits[0].images.extents.dropFirst() == splits[1].images.extents.dropFirst() else {
            throw Failure(
                .badData,
                "\(splits[1].images.path): has images of \(splits[1].sizeText), \(splits[0].images.path) of "
                    + "\(splits[0].sizeText); expected one size")
        }
        let classWords = classNames.map { ["--class-names", $0] } ?? []
        return try Conversion(
            source: IDXImages(splits, classes: names), command: ["swift-train", "convert", "idx"] + classWords,
            options: options
        ).run(to: path)
    }

    /// The images of the splits, read once and in order.
    private final class IDXImages: ImageSource {
        let form: ImageForm
        let classes: [String]
        let splits: [SourceSplit]
        private let files: [Split]

        init(_ files: [Split], classes: [String]) {
            self.files = files
            self.classes = classes
            form = .pixels(
                ImageShape(height: files[0].images.extents[1], width: files[0].images.extents[2], channels: 1))
            splits = files.enumerated().map { part, file in
                SourceSplit(
                    name: file.name, part: part, samples: Array(file.labels.indices),
                    labels: file.labels.map { Int32($0) }, names: [])
            }
        }

        func rewind(to part: Int) {}

        func fetch(_ samples: ArraySlice<Int>, of part: Int, head: Int?, into images: FetchedImages) throws {
            let file = files[part].images
            try file.read(into: images.room(samples.count * file.itemBytes))
            for _ in samples {
                images.fill(file.itemBytes)
                images.endImage()
            }
        }

        func sources(_ encoded: EncodedFiles) throws -> String {
            JSONText.array(try files.flatMap { [try $0.images.finish(), $0.labelSource] })
        }
    }

    /// The two files of one split: images with their header read, labels read and judged.
    private struct Split {
        let name: String
        let images: IDXFile
        let labels: [UInt8]
        let labelSource: String
        var sizeText: String { images.extents.dropFirst().map(String.init).joined(separator: "×") }

        init(name: String, prefix: String, folder: String, classCount: Int) throws {
            self.name = name
            images = try IDXFile(path: Self.find("\(prefix)-images", "idx3-ubyte", folder), kind: .images)
            let file = try IDXFile(path: Self.find("\(prefix)-labels", "idx1-ubyte", folder), kind: .labels)
            guard file.count == images.count else {
                throw Failure(
                    .badData,
                    "\(file.path): has \(file.count) labels, \(images.path) \(images.count) images; expected as many")
            }
            var labels = [UInt8](repeating: 0, count: file.count)
            try labels.withUnsafeMutableBytes { try file.read(into: $0) }
            labelSource = try file.finish()
            if let index = labels.firstIndex(where: { $0 >= classCount }) {
                throw Failure(
                    .badData,
                    "\(file.path): byte \(8 + index): label[\(index)] = \(labels[index]), expected 0…\(classCount - 1) "
                        + "(\(classCount) classes). Name all classes with --class-names, or fix the source.")
            }
            self.labels = labels
        }

        private static func find(_ stem: String, _ type: String, _ folder: String) throws -> String {
            for name in ["\(stem)-\(type)", "\(stem)-\(type).gz", "\(stem).\(type)", "\(stem).\(type).gz"] {
                if access("\(folder)/\(name)", F_OK) == 0 { return "\(folder)/\(name)" }
            }
            throw Failure(
                .inputMissing,
                "\(folder)/\(stem)-\(type): no such file, nor with .gz; expected the four IDX files "
                    + "train-images, train-labels, t10k-images and t10k-labels in \(folder)")
        }
    }
}
