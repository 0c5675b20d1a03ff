package import Datasets
internal import Diagnostics
internal import Report

/// `convert hdf5`: HDF5 files that others wrote, each dataset in its role (`DatasetRoles`).
package final class HDF5Images: ImageSource {
    let form: ImageForm
    let classes: [String]
    private(set) var splits: [SourceSplit] = []
    let isConcurrent = true
    let preprocessing: [JSON.Member]

    let paths: [String]
    private let parts: [DatasetSplit]

    @discardableResult
    package static func convert(
        paths: [String], to path: String, roles: DatasetRoles = DatasetRoles(), classNames: [String]? = nil,
        fractions: SplitFractions = SplitFractions(), options: ConversionOptions = ConversionOptions()
    ) throws -> ConversionReport {
        let source = try HDF5Images(paths, roles, classNames, fractions)
        var report = try Conversion(
            source: source,
            command: ["swift-train", "convert", "hdf5"] + words(roles, classNames, paths) + fractions.words,
            options: options
        ).run(to: path)
        report.notes += source.notes
        return report
    }

    /// What was found out about the files, and decided.
    private let notes: [String]
    let warnings: [String]

    init(_ paths: [String], _ roles: DatasetRoles, _ classNames: [String]?, _ fractions: SplitFractions) throws {
        self.paths = paths
        let file = try DatasetFile(foreign: paths, roles: roles)
        if let classNames, classNames.count < file.classes.count {
            throw Failure(
                .usage,
                "--class-names: \(classNames.count) names, and \(paths[0]) has \(file.classes.count) classes; name all of them"
            )
        }
        classes = classNames ?? file.classes
        let order = ["train", "val", "test"].filter(file.splitNames.contains)
        parts = try order.map { try file.split($0) }
        form = .pixels(
            ImageShape(
                height: file.height, width: file.width, channels: file.channels, slices: file.slices,
                type: parts[0].pixelType))
        notes = file.headers.map { "\($0.name) is \($0.storage)" }
        warnings = file.headers.flatMap(\.warnings)
        preprocessing = parts.allSatisfy(\.isMapped) ? [] : [JSON.Member("source", .string(file.headers[0].storage))]
        for (part, split) in parts.enumerated() {
            if fractions.val != nil && split.name == "val" || fractions.test != nil && split.name == "test" {
                throw Failure(.usage, "--\(split.name): \(paths[0]) has \(split.name) already")
            }
            let one = SourceSplit(
                name: split.name, part: part, samples: Array(0..<split.count), labels: split.labels, names: [])
            splits += split.name == "train" ? try fractions.divide(one) : [one]
        }
        splits = splits.enumerated().sorted {
            (Self.rank($0.element.name), $0.offset) < (Self.rank($1.element.name), $1.offset)
        }.map(\.element)
    }

    private static func rank(_ split: String) -> Int { ["train", "val", "test"].firstIndex(of: split) ?? 3 }

    /// The roles as options; files by their last names, since a dataset's bytes do not depend on where its sources lay.
    private static func words(_ roles: DatasetRoles, _ classNames: [String]?, _ paths: [String]) -> [String] {
        func place(_ text: String) -> String {
            guard let (file, name) = DatasetRoles.parts(of: text, in: paths) else { return text }
            return "\(file.split(separator: "/").last ?? "")#\(name)"
        }
        var words: [String] = []
        for split in ["train", "val", "test"] {
            let prefix = split == "train" ? "--" : "--\(split)-"
            if let images = roles.images[split] { words += ["\(prefix)images", place(images)] }
            if let labels = roles.labels[split] { words += ["\(prefix)labels", place(labels)] }
        }
        if let classes = roles.classes { words += ["--classes", place(classes)] }
        if let layout = roles.layout { words += ["--layout", layout.rawValue] }
        if let classNames { words += ["--class-names", classNames.joined(separator: ",")] }
        return words + (roles.labelBase == 0 ? [] : ["--label-base=\(roles.labelBase)"])
    }

    func rewind(to part: Int) throws {}

    func fetch(_ samples: ArraySlice<Int>, of part: Int, head: Int?, into images: FetchedImages) throws {
        let split = parts[part]
        for sample in samples {
            let room = images.room(split.imageBytes)
            try split.fill(room.baseAddress!, sample: sample)
            if split.pixelType == .float32, !room.bindMemory(to: Float.self).allSatisfy(\.isFinite) {
                images.fail("holds a value that is not finite")
                continue
            }
            images.fill(split.imageBytes)
            images.endImage()
        }
        try split.confirm()
    }

    func sources(_ files: EncodedFiles) throws -> JSON {
        .array(try paths.map { try ByteSource(path: $0).description() })
    }
}
