internal import Datasets
internal import Diagnostics
internal import Digests
internal import Glibc
internal import Report

/// `convert tar`: tar files of images, plain or gzip.
///
/// WebDataset: the members of one sample follow each other and share their name up to the first dot; `.jpg` or `.png` is the
/// image, `.cls` (a number), `.txt` (a number or a name) or `.json` (`label`, `cls`, `class` or `class_name`) the label.
/// Where no member is a label, the folders in the names are, as in an image folder.
/// Source: https://github.com/webdataset/webdataset, "The WebDataset Format".
package final class TarImages: ImageSource {
    let form = ImageForm.encoded
    let classes: [String]
    let warnings: [String]
    private(set) var splits: [SourceSplit] = []
    private(set) var leftOut: [LeftOut] = []

    /// The shards of each part.
    private let parts: [[String]]
    var paths: [String] { parts.flatMap { $0 } }
    private var walk = TarWalk([])

    /// Shards by split; numbers in braces stand for several files.
    package struct Shards: Sendable {
        package var train: [String]
        package var val: [String]
        package var test: [String]

        package init(train: [String], val: [String] = [], test: [String] = []) throws {
            (self.train, self.val, self.test) = (
                try train.flatMap { try Self.expanded($0) }, try val.flatMap { try Self.expanded($0) },
                try test.flatMap { try Self.expanded($0) }
            )
        }

        /// `a-{000..012}.tar` → `a-000.tar` … `a-012.tar`.
        static func expanded(_ pattern: String) throws -> [String] {
            guard let open = pattern.firstIndex(of: "{"), let close = pattern[open...].firstIndex(of: "}"),
                let dots = pattern[open..<close].firstRange(of: "..")
            else { return [pattern] }
            let first = pattern[pattern.index(after: open)..<dots.lowerBound]
            let last = pattern[dots.upperBound..<close]
            guard let from = Int(first), let to = Int(last), from >= 0, to >= from, to - from < 100_000 else {
                throw Failure(.usage, "\(pattern): expected numbers in braces, as {0000..0147}")
            }
            return try (from...to).flatMap { number in
                let digits = String(number)
                let padding = String(repeating: "0", count: max(0, first.count - digits.count))
                return try expanded(pattern[..<open] + padding + digits + pattern[pattern.index(after: close)...])
            }
        }

        var all: [(name: String, paths: [String])] {
            [("train", train), ("val", val), ("test", test)].filter { !$0.1.isEmpty }
        }
    }

    @discardableResult
    package static func convert(
        shards: Shards, to path: String, fractions: SplitFractions = SplitFractions(), classNames: [String]? = nil,
        labelBase: Int = 0, options: ConversionOptions = ConversionOptions()
    ) throws -> ConversionReport {
        let source = try TarImages(shards, fractions: fractions, classNames: classNames, labelBase: labelBase)
        var words = fractions.words
        if let classNames { words += ["--class-names", classNames.joined(separator: ",")] }
        if labelBase != 0 { words += ["--label-base=\(labelBase)"] }
        return try Conversion(source: source, command: ["swift-train", "convert", "tar"] + words, options: options)
            .run(to: path)
    }

    init(_ shards: Shards, fractions: SplitFractions, classNames: [String]?, labelBase: Int) throws {
        parts = shards.all.map(\.paths)
        for (name, fraction, taken) in [("val", fractions.val, shards.val), ("test", fractions.test, shards.test)] {
            guard let fraction, !taken.isEmpty else { continue }
            throw Failure(.usage, "--\(name) \(fraction.text): --\(name)-from is given too")
        }
        var lists: [TarIndex] = []
        for paths in parts { lists.append(try TarIndex(paths)) }
        let place = parts[0][0]
        guard lists.contains(where: \.hasLabels) else {
            // Folders are the classes.
            guard lists.count == 1 else {
                throw Failure(
                    .badData, "\(place): has no labels (.cls, .txt or .json), and folders in names divide one set only")
            }
            let layout = try FolderLayout(lists[0].images.map(\.name), fractions: fractions, place: place)
            (classes, warnings) = (layout.classes, [])
            leftOut = lists[0].leftOut + layout.leftOut
            splits = layout.splits.map { split in
                var split = split
                split.samples = split.samples.map { lists[0].images[$0].member }
                return split
            }
            return
        }
        let labels = try ClassLabels(
            distinct: Set(lists.flatMap { $0.samples.map(\.label) }), names: classNames, base: labelBase, place: place)
        (classes, warnings) = (labels.classes, labels.warnings)
        for (part, ((name, _), list)) in zip(shards.all, lists).enumerated() {
            leftOut += list.leftOut + list.unlabelled
            let split = SourceSplit(
                name: name, part: part, samples: list.samples.map(\.member),
                labels: list.samples.map { labels[$0.label] },
                names: list.samples.map(\.name))
            splits += name == "train" ? try fractions.divide(split) : [split]
        }
        let order = ["train": 0, "val": 1, "test": 2]
        splits = splits.enumerated().sorted {
            (order[$0.element.name]!, $0.offset) < (order[$1.element.name]!, $1.offset)
        }.map(\.element)
    }

    func rewind(to part: Int) {
        walk = TarWalk(parts[part])
    }

    func fetch(_ samples: ArraySlice<Int>, of part: Int, head: Int?, into images: FetchedImages) throws {
        for sample in samples { try walk.fetch(sample, into: images) }
    }

    func sources(_ files: EncodedFiles) throws -> JSON {
        .array(try parts.joined().map { try ByteSource(path: $0).description() })
    }
}

/// Members of tar files that count as one, read in ascending order.
final class TarWalk {
    private let paths: [String]
    private var file = 0
    private var archive: Archive?
    private var nextMember = 0

    init(_ paths: [String]) { self.paths = paths }

    /// Adds the bytes of a member by its number, or why there are none. Throws: `Failure` for a damaged or changed archive.
    func fetch(_ wanted: Int, into images: FetchedImages) throws {
        while file < paths.count {
            let archive = try self.archive ?? Archive(path: paths[file], kind: .tar)
            self.archive = archive
            guard let member = try archive.next() else {
                self.archive = nil
                file += 1
                continue
            }
            nextMember += 1
            if nextMember > wanted { return try read(member, of: archive, into: images) }
        }
        throw Failure(.badData, "\(paths.last ?? ""): changed while it was read")
    }

    private func read(_ member: Archive.Member, of archive: Archive, into images: FetchedImages) throws {
        let size = member.size ?? 0
        guard size <= ImageFile.largestBytes else {
            return images.fail("has \(size) bytes, expected at most \(ImageFile.largestBytes)")
        }
        guard size > 0 else { return images.endImage() }
        images.fill(try archive.read(into: images.room(size)))
        images.endImage()
    }
}

/// What the members of some shards are, found in one pass.
struct TarIndex {
    struct Image {
        let member: Int
        let name: [UInt8]
    }
    struct Sample {
        let member: Int
        let name: String
        let label: String
    }
    private(set) var images: [Image] = []
    private(set) var samples: [Sample] = []
    private(set) var leftOut: [LeftOut] = []
    private(set) var unlabelled: [LeftOut] = []
    private(set) var hasLabels = false

    private static let largestLabelBytes = 1 << 20
    private var seen: Set<[UInt8]> = []
    private var key: [UInt8] = []
    private var image: Image?
    private var label: String?

    init(_ paths: [String]) throws {
        var number = 0
        for path in paths {
            let archive = try Archive(path: path, kind: .tar)
            while let member = try archive.next() {
                defer { number += 1 }
                guard !member.isFolder else { continue }
                let name = Self.withoutDotSlash(member.name)
                let base = name[(name.lastIndex(of: UInt8(ascii: "/")).map { $0 + 1 } ?? 0)...]
                func leave(_ reason: String, isBad: Bool = true) {
                    leftOut.append(LeftOut(file: PathText.display(name), reason: reason, isBad: isBad))
                }
                guard base.first != UInt8(ascii: "."), !base.isEmpty else {
                    leave("is hidden or belongs to the system", isBad: false)
                    continue
                }
                guard member.isRegularFile else {
                    leave("is neither a file nor a folder")
                    continue
                }
                let dot = base.firstIndex(of: UInt8(ascii: ".")) ?? base.endIndex
                let stem = Array(name[..<dot])
                if stem != key {
                    endSample()
                    key = stem
                }
                let suffix =
                    String(decoding: base[dot...], as: UTF8.self).split(separator: ".").last?.lowercased() ?? ""
                if ["cls", "txt", "json"].contains(suffix) {
                    guard let text = try Self.label(archive, member, suffix) else {
                        leave("holds no label")
                        continue
                    }
                    label = text
                    hasLabels = true
                } else if ForeignFormat.isImageName("." + suffix) {
                    if image != nil {
                        leave("is a second image of its sample")
                    } else {
                        image = Image(member: number, name: name)
                    }
                } else {
                    leave("is neither an image nor a label", isBad: false)
                }
            }
        }
        endSample()
    }

    private mutating func endSample() {
        defer { (image, label) = (nil, nil) }
        guard let image else {
            if label != nil { leftOut.append(LeftOut(file: PathText.display(key), reason: "has a label but no image")) }
            return
        }
        guard seen.insert(image.name).inserted else {
            leftOut.append(LeftOut(file: PathText.display(image.name), reason: "stands twice"))
            return
        }
        images.append(image)
        if let label {
            samples.append(Sample(member: image.member, name: PathText.display(image.name), label: label))
        } else {
            unlabelled.append(LeftOut(file: PathText.display(image.name), reason: "has no label"))
        }
    }

    private static func withoutDotSlash(_ name: [UInt8]) -> [UInt8] {
        name.starts(with: Array("./".utf8)) ? Array(name.dropFirst(2)) : name
    }

    private static func label(_ archive: Archive, _ member: Archive.Member, _ suffix: String) throws -> String? {
        guard let size = member.size, size > 0, size <= largestLabelBytes else { return nil }
        var bytes = [UInt8](repeating: 0, count: size)
        let count = try bytes.withUnsafeMutableBytes { try archive.read(into: $0) }
        guard let text = String(validating: bytes[..<count], as: UTF8.self) else { return nil }
        let word = suffix == "json" ? JSONLabel.find(in: text) : text
        guard let trimmed = word?.trimmingSpaces, !trimmed.isEmpty, !trimmed.contains(where: \.isNewline) else {
            return nil
        }
        return trimmed
    }
}
