internal import Datasets
internal import Diagnostics
internal import Glibc
internal import Report

/// `convert csv`: a label and the pixels of an image in each line, or a label and the path of an image file.
package final class CSVImages: ImageSource {
    package struct Description: Sendable {
        /// height, width, channels; nil: found from the number of pixels where that is a square.
        package var shape: [Int]?
        /// A column's name, or its number from 1.
        package var labelColumn: String?
        package var classNames: [String]?
        package var labelBase = 0
        /// Where relative paths begin; nil: at the CSV file's folder.
        package var root: String?

        package init() {}

        fileprivate var words: [String] {
            var words: [String] = []
            if let shape { words += ["--shape", shape.map(String.init).joined(separator: "x")] }
            if let labelColumn { words += ["--label-column", labelColumn] }
            if let classNames { words += ["--class-names", classNames.joined(separator: ",")] }
            return words + (labelBase == 0 ? [] : ["--label-base=\(labelBase)"])
        }
    }

    let form: ImageForm
    let classes: [String]
    let warnings: [String]
    private(set) var splits: [SourceSplit] = []
    let isConcurrent: Bool
    let preprocessing: [JSON.Member]

    private let tables: [CSVTable]
    var paths: [String] { tables.flatMap { [$0.path] + $0.picturePaths } }
    private let isReal: Bool
    private var reader: CSVReader?
    private var nextRecord = 0
    private var part = 0

    @discardableResult
    package static func convert(
        train: String, val: String? = nil, test: String? = nil, to path: String,
        description: Description = Description(), fractions: SplitFractions = SplitFractions(),
        options: ConversionOptions = ConversionOptions()
    ) throws -> ConversionReport {
        let files = [("train", train)] + (val.map { [("val", $0)] } ?? []) + (test.map { [("test", $0)] } ?? [])
        for (name, fraction, file) in [("val", fractions.val, val), ("test", fractions.test, test)] {
            guard let fraction, file != nil else { continue }
            throw Failure(.usage, "--\(name) \(fraction.text): --\(name)-from is given too")
        }
        let source = try CSVImages(files, description, fractions)
        return try Conversion(
            source: source, command: ["swift-train", "convert", "csv"] + description.words + fractions.words,
            options: options
        ).run(to: path)
    }

    init(_ files: [(name: String, path: String)], _ description: Description, _ fractions: SplitFractions) throws {
        tables = try files.map { try CSVTable($0.path, description) }
        let first = tables[0]
        for table in tables.dropFirst() where table.shape != first.shape {
            throw Failure(
                .badData,
                "\(table.path): has images of \(table.shape?.text ?? "paths"), \(first.path) of "
                    + "\(first.shape?.text ?? "paths"); expected one kind")
        }
        isReal = tables.contains(where: \.isReal)
        if var shape = first.shape {
            shape.type = isReal ? .float32 : .uint8
            form = .pixels(shape)
            isConcurrent = false
        } else {
            form = .encoded
            isConcurrent = true
        }
        preprocessing = isReal ? [JSON.Member("values", "as they are")] : []
        let labels = try ClassLabels(
            distinct: tables.reduce(into: Set<String>()) { $0.formUnion($1.labels) }, names: description.classNames,
            base: description.labelBase, place: first.path)
        (classes, warnings) = (labels.classes, labels.warnings)
        for (part, (file, table)) in zip(files, tables).enumerated() {
            let split = SourceSplit(
                name: file.name, part: part, samples: Array(table.labels.indices),
                labels: table.labels.map { labels[$0] },
                names: table.paths)
            splits += file.name == "train" ? try fractions.divide(split) : [split]
        }
        let order = ["train": 0, "val": 1, "test": 2]
        splits = splits.enumerated().sorted {
            (order[$0.element.name]!, $0.offset) < (order[$1.element.name]!, $1.offset)
        }.map(\.element)
    }

    func rewind(to part: Int) throws {
        self.part = part
        nextRecord = 0
        guard !isConcurrent else { return }
        reader = try tables[part].begin()
    }

    func fetch(_ samples: ArraySlice<Int>, of part: Int, head: Int?, into images: FetchedImages) throws {
        let table = tables[part]
        guard case .pixels(let shape) = form, let reader else {
            for sample in samples { table.readFile(sample, head: head, into: images) }
            return
        }
        for sample in samples {
            repeat {
                guard try reader.next(), reader.fields.count == table.fieldCount else {
                    throw reader.failure("changed while it was read")
                }
                nextRecord += 1
            } while nextRecord <= sample
            let room = images.room(shape.bytes)
            var place = 0
            for field in 0..<table.fieldCount where field != table.labelField {
                let value = reader.number(field) ?? 0
                if isReal {
                    room.storeBytes(of: Float(value), toByteOffset: 4 * place, as: Float.self)
                } else {
                    room[place] = UInt8(clamping: Int(value))
                }
                place += 1
            }
            images.fill(shape.bytes)
            images.endImage()
        }
    }

    func sources(_ files: EncodedFiles) throws -> JSON {
        JSON.array(try tables.map { try CSVReader($0.path).finish() })
    }
}

/// One CSV file, read once and judged: its columns, its labels, and its paths or the shape of its images.
private final class CSVTable {
    let path: String
    private(set) var labels: [String] = []
    /// Empty where the lines hold pixels.
    private(set) var paths: [String] = []
    private(set) var shape: ImageShape?
    /// Whether any pixel is not a whole number of 0…255.
    private(set) var isReal = false
    private(set) var labelField = 0
    private(set) var fieldCount = 0

    private var pathField = 0
    private var hasHeader = false
    private let root: String
    private let realRoot: String
    private static let labelWords: Set<String> = ["label", "labels", "class", "target", "y", "category"]
    private static let pathWords: Set<String> = ["path", "file", "filename", "file_name", "image", "img", "filepath"]

    init(_ path: String, _ description: CSVImages.Description) throws {
        self.path = path
        let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) } ?? "."
        root = description.root ?? folder
        realRoot =
            realpath(root, nil).map { real in
                defer { free(real) }
                return String(cString: real)
            } ?? root
        let reader = try CSVReader(path)
        guard try reader.next() else {
            throw Failure(.badData, "\(path): is empty, expected a label and pixels or a path in each line")
        }
        fieldCount = reader.fields.count
        let first = try (0..<fieldCount).map { try reader.text($0) }
        let lower = first.map { $0.lowercased() }
        hasHeader = lower.contains {
            Self.labelWords.contains($0) || Self.pathWords.contains($0) || $0.hasPrefix("pixel")
        }
        if hasHeader {
            guard try reader.next() else { throw Failure(.badData, "\(path): has a header and no line after it") }
        }
        guard fieldCount >= 2 else {
            throw reader.failure("has one column, expected a label and pixels, or a path and a label")
        }
        try requireFields(reader)
        let holdsPixels =
            fieldCount > 2 && (0..<reader.fields.count).count { reader.number($0) != nil } >= fieldCount - 1
        try chooseColumns(hasHeader ? lower : nil, reader, holdsPixels, description)
        if holdsPixels { shape = try Self.shape(fieldCount - 1, description.shape, reader) }
        repeat { try judge(reader) } while try reader.next()
    }

    /// A reader before the first line of data.
    func begin() throws -> CSVReader {
        let reader = try CSVReader(path)
        if hasHeader { _ = try reader.next() }
        return reader
    }

    /// Where the pictures lie that it names.
    var picturePaths: [String] { paths.indices.map(picturePath) }

    private func picturePath(of sample: Int) -> String {
        paths[sample].hasPrefix("/") ? paths[sample] : "\(root)/\(paths[sample])"
    }

    func readFile(_ sample: Int, head: Int?, into images: FetchedImages) {
        guard let real = realpath(picturePath(of: sample), nil) else {
            return images.fail("cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { free(real) }
        let target = String(cString: real)
        guard target.hasPrefix(realRoot == "/" ? "/" : realRoot + "/") else {
            return images.fail("lies outside of \(root), where the paths begin (--root)")
        }
        ImageFile.read(Array(target.utf8CString), head: head, into: images)
    }

    private func chooseColumns(
        _ header: [String]?, _ reader: CSVReader, _ holdsPixels: Bool, _ description: CSVImages.Description
    ) throws {
        if let column = description.labelColumn {
            if let place = header?.firstIndex(of: column.lowercased()) {
                labelField = place
            } else if let number = Int(column), (1...fieldCount).contains(number) {
                labelField = number - 1
            } else {
                throw Failure(
                    .usage,
                    "--label-column \(column): \(path) has no such column, expected a name in its first line or 1…\(fieldCount)"
                )
            }
        } else if let place = header?.firstIndex(where: { Self.labelWords.contains($0) }) {
            labelField = place
        } else if let header, holdsPixels, header.allSatisfy({ $0.hasPrefix("pixel") }) {
            throw Failure(.badData, "\(path): has no column of labels, only pixels; expected label,pixel0,…")
        } else if !holdsPixels {
            labelField = fieldCount - 1
        }
        guard !holdsPixels else { return }
        let byName = header?.firstIndex { Self.pathWords.contains($0) }
        let byContent = try (0..<fieldCount).first { try ForeignFormat.isImageName(reader.text($0)) }
        pathField = byName ?? byContent ?? 0
        if pathField == labelField {
            guard description.labelColumn == nil, fieldCount == 2 else {
                throw Failure(.usage, "\(path): column \(labelField + 1) is both label and path; give --label-column")
            }
            labelField = 1 - pathField
        }
    }

    /// As many fields as the first line has.
    private func requireFields(_ reader: CSVReader) throws {
        guard reader.fields.count == fieldCount else {
            throw reader.failure("has \(reader.fields.count) fields, expected \(fieldCount)")
        }
    }

    private func judge(_ reader: CSVReader) throws {
        try requireFields(reader)
        let label = try reader.text(labelField)
        guard !label.isEmpty else { throw reader.failure("has no label in column \(labelField + 1)") }
        labels.append(label)
        guard shape != nil else { return paths.append(try reader.text(pathField)) }
        for field in 0..<fieldCount where field != labelField {
            guard let value = reader.number(field), value.isFinite else {
                throw reader.failure("field \(field + 1) is '\(try reader.text(field))', expected a number")
            }
            if value != value.rounded() {
                isReal = true
            } else if value < 0 || value > 255, !isReal {
                throw reader.failure("field \(field + 1) is \(Int(clamping: Int64(value))), expected a pixel of 0…255")
            }
        }
    }

    private static func shape(_ pixels: Int, _ given: [Int]?, _ reader: CSVReader) throws -> ImageShape {
        if let given {
            guard given.reduce(1, *) == pixels else {
                throw reader.failure(
                    "has \(pixels) pixels, expected \(given.reduce(1, *)) for --shape \(given.map(String.init).joined(separator: "x"))"
                )
            }
            return ImageShape(height: given[0], width: given[1], channels: given[2])
        }
        let side = Int(Double(pixels).squareRoot())
        guard side * side == pixels else {
            throw reader.failure("has \(pixels) pixels, which are no square; give --shape HEIGHTxWIDTHxCHANNELS")
        }
        return ImageShape(height: side, width: side, channels: 1)
    }
}
