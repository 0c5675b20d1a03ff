internal import Datasets
internal import Diagnostics
internal import Glibc
internal import Report

/// Converts the four IDX files of MNIST and its kin to a dataset file, streaming.
package enum IDXConverter {
    /// Class names by preset.
    package static let presets: [String: [String]] = [
        "fashion-mnist": [
            "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
        ]
    ]

    /// `a,b,c`, or a preset's name.
    package static func classNames(_ text: String) throws -> [String] {
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

    /// Reads the four files of `source` and writes splits `train` and `test`.
    ///
    /// `transposing` turns rows into columns; nil leaves it to the names, since EMNIST's images are stored so.
    /// Throws `Failure`: 66 for a missing file, 65 for bad content, 64 for a prefix that is needed, 73 and 74 for the output.
    @discardableResult
    package static func convert(
        folder: String, to path: String, classNames: String? = nil, prefix: String? = nil, transposing: Bool? = nil,
        options: ConversionOptions = ConversionOptions()
    ) throws -> ConversionReport {
        let given = try classNames.map { try Self.classNames($0) }
        let source = try IDXFolder(folder, prefix: prefix)
        // Both splits are judged by their headers and labels before anything is written.
        let splits = try [("train", source.train), ("test", source.test)].map { name, files in
            try Split(name: name, images: files.images, labels: files.labels)
        }
        guard splits[0].images.extents.dropFirst() == splits[1].images.extents.dropFirst() else {
            throw Failure(
                .badData,
                "\(splits[1].images.path): has images of \(splits[1].sizeText), \(splits[0].images.path) of "
                    + "\(splits[0].sizeText); expected one size")
        }
        let classes = try IDXClasses(
            given: given, mapping: source.mapping.map(IDXClasses.Mapping.init), train: splits[0].labels,
            test: splits[1].labels)
        for split in splits { try classes.check(split.labels, path: split.labelPath) }
        let isTransposed = transposing ?? source.isEMNIST
        var notes = classes.notes
        if isTransposed {
            notes.append(
                "images transposed" + (transposing == nil ? ", because EMNIST stores them so (--no-transpose)" : ""))
        }
        let words =
            (classNames.map { ["--class-names", $0] } ?? []) + (prefix.map { ["--prefix", $0] } ?? [])
            + (transposing.map { [$0 ? "--transpose" : "--no-transpose"] } ?? [])
        let images = IDXImages(splits, classes: classes, isTransposed: isTransposed)
        var report = try Conversion(
            source: images, command: ["swift-train", "convert", "idx"] + words, options: options
        ).run(to: path)
        report.notes = notes
        report.warnings = splits.flatMap { [$0.images.warning, $0.labelWarning].compactMap { $0 } }
        return report
    }

    /// The images of the splits, read once and in order.
    private final class IDXImages: ImageSource {
        let form: ImageForm
        let classes: [String]
        let splits: [SourceSplit]
        let preprocessing: [JSON.Member]
        private let files: [Split]
        var paths: [String] { files.flatMap { [$0.images.path, $0.labelPath] } }
        private let isTransposed: Bool
        private var stored: [UInt8] = []

        init(_ files: [Split], classes: IDXClasses, isTransposed: Bool) {
            self.files = files
            self.classes = classes.names
            self.isTransposed = isTransposed
            let (height, width) = (files[0].images.extents[1], files[0].images.extents[2])
            form = .pixels(
                ImageShape(
                    height: isTransposed ? width : height, width: isTransposed ? height : width, channels: 1))
            preprocessing = isTransposed ? [JSON.Member("pixels", "transposed")] : []
            splits = files.enumerated().map { part, file in
                SourceSplit(
                    name: file.name, part: part, samples: Array(file.labels.indices),
                    labels: file.labels.map { Int32($0) - Int32(classes.first) }, names: [])
            }
        }

        func rewind(to part: Int) {}

        func fetch(_ samples: ArraySlice<Int>, of part: Int, head: Int?, into images: FetchedImages) throws {
            let file = files[part].images
            let room = images.room(samples.count * file.itemBytes)
            if isTransposed {
                if stored.count < room.count { stored = [UInt8](repeating: 0, count: room.count) }
                try stored.withUnsafeMutableBytes { bytes in
                    let piece = UnsafeMutableRawBufferPointer(rebasing: bytes[..<room.count])
                    try file.read(into: piece)
                    transpose(
                        UnsafeRawBufferPointer(piece), into: room, height: file.extents[1], width: file.extents[2])
                }
            } else {
                try file.read(into: room)
            }
            for _ in samples {
                images.fill(file.itemBytes)
                images.endImage()
            }
        }

        func sources(_ encoded: EncodedFiles) throws -> JSON {
            JSON.array(try files.flatMap { [try $0.images.finish(), $0.labelSource] })
        }

        private func transpose(
            _ source: UnsafeRawBufferPointer, into target: UnsafeMutableRawBufferPointer, height: Int, width: Int
        ) {
            let bytes = height * width
            for place in source.indices {
                let (image, pixel) = place.quotientAndRemainder(dividingBy: bytes)
                let (row, column) = pixel.quotientAndRemainder(dividingBy: width)
                target[image * bytes + column * height + row] = source[place]
            }
        }
    }

    /// The two files of one split: images with their header read, labels read.
    private struct Split {
        let name: String
        let images: IDXFile
        let labels: [UInt8]
        let labelPath: String
        let labelSource: JSON
        let labelWarning: String?
        var sizeText: String { images.extents.dropFirst().map(String.init).joined(separator: "×") }

        init(name: String, images imagesPath: String, labels labelPath: String) throws {
            self.name = name
            self.labelPath = labelPath
            images = try IDXFile(path: imagesPath, kind: .images)
            let file = try IDXFile(path: labelPath, kind: .labels)
            guard file.count == images.count else {
                throw Failure(
                    .badData,
                    "\(file.path): has \(file.count) labels, \(images.path) \(images.count) images; expected as many")
            }
            var labels = [UInt8](repeating: 0, count: file.count)
            try labels.withUnsafeMutableBytes { try file.read(into: $0) }
            labelSource = try file.finish()
            labelWarning = file.warning
            self.labels = labels
        }
    }
}
