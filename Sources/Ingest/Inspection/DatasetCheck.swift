package import Datasets
package import Diagnostics
internal import Digests
internal import Foundation
internal import Report

/// What is wrong with the images of a dataset file, found by reading each of them once.
///
/// Memory: about 170 bytes an image, and one image a thread. The findings do not depend on the number of threads.
package struct DatasetCheck {
    /// What the pixels of a split are, in levels 0…1.
    package struct SplitPixels: Sendable {
        package let name: String
        package let minimum: Float
        package let maximum: Float
        package let mean: [Double]
        package let std: [Double]
    }

    package private(set) var findings: [Finding] = []
    package private(set) var splits: [SplitPixels] = []
    /// Images read.
    package let count: Int
    private let file: DatasetFile
    /// The number of each split's first image.
    private let starts: [Int]
    private var labels: [Int32] = []
    private var names: [[String]] = []

    /// What makes a finding. Levels are of 255.
    private enum Limit {
        /// Nothing brighter than this, or darker, but for one pixel in a hundred: a sixth of the range.
        static let dark: UInt8 = 40
        static let bright: UInt8 = 215
        /// Compression turns one colour into a few levels.
        static let singleColour: Float = 8
        /// A blurred image has less than this part of the fine detail of the median image.
        static let blur: Float = 1.0 / 6
        /// Candidates for near duplicates: distance of thumbnails.
        static let thumbnailRadius: Float = 0.06
        /// Near duplicates: correlation of their fine detail. Different products before one background reach 0.989
        /// (Fashion-MNIST), different digits of one shape 0.965 (MNIST); a JPEG copy of quality 90 has 0.99 to 0.995.
        static let detailCorrelation: Float = 0.99
        /// Enlarged more than this, or with more than this part of the shape cut off, filled up or stretched.
        static let enlarged = 2.0
        static let shape = 2.0
        static let imbalance = 10
        /// Chunks that are worth a word: larger than this, and more than one image.
        static let chunkBytes = 4 << 20
    }

    /// Throws: `Failure`: 74 when the file changes meanwhile, and what opening a split throws.
    package init(_ file: DatasetFile, threads: Int, showsProgress: Bool) throws {
        self.file = file
        var starts: [Int] = []
        var count = 0
        for header in file.headers {
            starts.append(count)
            count += header.count
        }
        (self.starts, self.count) = (starts, count)
        labels.reserveCapacity(count)
        var survey = Survey()
        var progress = ConversionProgress(isShown: showsProgress)
        defer { progress.end() }
        for header in file.headers {
            labels += header.labels
            names.append(try file.sampleNames(of: header.name))
            try read(header, &survey, threads, &progress)
        }
        progress.begin("comparing", total: count)
        judgeImages(survey)
        try judgeDuplicates(survey)
        try judgeSizes()
        judgeClasses()
        judgeStorage()
        let order = Dictionary(uniqueKeysWithValues: Finding.Kind.allCases.enumerated().map { ($1, $0) })
        findings.sort { order[$0.kind, default: 0] < order[$1.kind, default: 0] }
    }

    /// A number among all images → what to call it.
    package func name(of image: Int) -> SampleName {
        let split = starts.lastIndex { $0 <= image } ?? 0
        let index = image - starts[split]
        return SampleName(
            split: file.headers[split].name, index: index, className: file.classes[Int(labels[image])],
            name: names[split].isEmpty ? nil : names[split][index])
    }

    // MARK: Reading

    /// What is remembered of the images until all are read.
    private struct Survey {
        var digests: [ImageDigest] = []
        var detail: [Float] = []
        var thumbnails = ThumbnailIndex()
        var listed: [Finding.Kind: [Int]] = [:]
        /// Colour images whose channels are equal.
        var grayCount = 0
    }

    private final class Piece {
        let image: UnsafeMutableRawBufferPointer
        let coordinates: UnsafeMutableBufferPointer<Int16>
        let meter: ImageMeter
        var measures: [ImageMeasures] = []

        init(_ header: DatasetSplitHeader, images: Int) {
            meter = ImageMeter(
                height: header.height, width: header.width, channels: header.channels, type: header.pixelType)
            image = .allocate(byteCount: images * meter.imageBytes, alignment: 64)
            coordinates = .allocate(capacity: images * ThumbnailIndex.dimensions)
        }

        deinit {
            image.deallocate()
            coordinates.deallocate()
        }
    }

    private mutating func read(
        _ header: DatasetSplitHeader, _ survey: inout Survey, _ threads: Int, _ progress: inout ConversionProgress
    ) throws {
        let split = try file.split(header.name)
        let bytes = split.imageBytes
        let perPiece = DatasetWriter.imagesPerPiece(imageBytes: bytes)
        split.keep(samples: perPiece * (threads + 2))
        var statistics: any ChannelStatistics =
            split.pixelType == .uint8
            ? PixelStatistics(channels: split.channels) : RealStatistics(channels: split.channels)
        var (minimum, maximum) = (Float.infinity, -Float.infinity)
        var hash = SHA256()
        progress.begin("checking \(header.name)", total: split.count)
        try OrderedWork<Piece>.run(
            (split.count + perPiece - 1) / perPiece, threads: threads,
            buffers: (0..<threads + 2).map { _ in Piece(header, images: min(perPiece, split.count)) },
            takesInOrder: false,
            take: { piece, buffer in
                for (place, sample) in Self.range(piece, perPiece, split.count).enumerated() {
                    try split.fill(buffer.image.baseAddress! + place * bytes, sample: sample)
                }
            },
            work: { piece, buffer in
                buffer.measures = Self.range(piece, perPiece, split.count).enumerated().map { place, _ in
                    buffer.meter.measure(
                        buffer.image.baseAddress! + place * bytes,
                        coordinates: buffer.coordinates.baseAddress! + place * ThumbnailIndex.dimensions)
                }
            },
            use: { piece, buffer in
                try split.confirm()
                let range = Self.range(piece, perPiece, split.count)
                let pixels = UnsafeRawBufferPointer(rebasing: buffer.image[..<(range.count * bytes)])
                hash.update(pixels)
                statistics.add(pixels)
                Self.widen(&minimum, &maximum, pixels, split.pixelType)
                let start = starts[file.headers.firstIndex { $0.name == header.name } ?? 0] + range.lowerBound
                for (place, measures) in buffer.measures.enumerated() {
                    Self.list(measures, image: start + place, channels: split.channels, &survey)
                }
                survey.thumbnails.append(
                    UnsafeBufferPointer(rebasing: buffer.coordinates[..<(range.count * ThumbnailIndex.dimensions)]))
                progress.update(range.upperBound)
            })
        splits.append(
            SplitPixels(
                name: header.name, minimum: minimum, maximum: maximum, mean: statistics.mean,
                std: statistics.standardDeviation))
        let digest = hash.hexadecimal()
        if let stored = header.storedImageDigest, stored != digest {
            add(
                .damaged, [],
                "the images of \(header.name) have SHA-256 \(digest), expected \(stored), which was stored with them",
                "copy the file again from where it is whole, or convert it again")
        }
    }

    private static func list(_ measures: ImageMeasures, image: Int, channels: Int, _ survey: inout Survey) {
        func add(_ kind: Finding.Kind) { survey.listed[kind, default: []].append(image) }
        survey.digests.append(measures.digest)
        survey.detail.append(measures.fineDetail ?? .infinity)
        if measures.notFinite > 0 { add(.notFinite) }
        if measures.outsideRange > 0 { add(.outsideRange) }
        if channels == 3, measures.isGray { survey.grayCount += 1 }
        if measures.range <= Limit.singleColour {
            add(.singleColour)
        } else if measures.brightLevel <= Limit.dark {
            add(.dark)
        } else if measures.darkLevel >= Limit.bright {
            add(.bright)
        }
    }

    /// Takes pixels into a range, in units of 0…1.
    private static func widen(
        _ minimum: inout Float, _ maximum: inout Float, _ pixels: UnsafeRawBufferPointer, _ type: PixelType
    ) {
        switch type {
        case .uint8:
            var (low, high) = (UInt8.max, UInt8.min)
            for value in pixels { (low, high) = (min(low, value), max(high, value)) }
            (minimum, maximum) = (min(minimum, Float(low) / 255), max(maximum, Float(high) / 255))
        case .float32:
            for value in pixels.bindMemory(to: Float.self) where value.isFinite {
                (minimum, maximum) = (min(minimum, value), max(maximum, value))
            }
        }
    }

    private static func range(_ piece: Int, _ size: Int, _ count: Int) -> Range<Int> {
        piece * size..<min(count, (piece + 1) * size)
    }

    // MARK: Judging

    private mutating func add(_ kind: Finding.Kind, _ groups: [[Int]], _ words: String, _ advice: String) {
        findings.append(Finding(kind: kind, words: words, advice: advice, groups: groups))
    }

    private mutating func judgeImages(_ survey: Survey) {
        let look = "look at them; leave out of the source what shows nothing, and convert again"
        func each(_ kind: Finding.Kind) -> [[Int]] { (survey.listed[kind] ?? []).map { [$0] } }
        func report(_ kind: Finding.Kind, _ words: String, _ advice: String = look) {
            let groups = each(kind)
            if !groups.isEmpty { add(kind, groups, words, advice) }
        }
        report(
            .notFinite, "they hold NaN or infinity",
            "find where these come from in the source; a loss over them is not finite")
        report(
            .outsideRange, "they hold pixels outside 0…1",
            "scale them when the file is made (divide by 255, or subtract the minimum), or use data.normalize")
        report(.singleColour, "no channel spans more than \(Int(Limit.singleColour)) of 255 levels")
        report(.dark, "99 of 100 pixels are at level \(Limit.dark) of 255 or darker in every channel")
        report(.bright, "99 of 100 pixels are at level \(Limit.bright) of 255 or brighter in every channel")
        let known = survey.detail.filter(\.isFinite).sorted()
        if !known.isEmpty {
            let limit = known[known.count / 2] * Limit.blur
            let blurred = survey.detail.indices.filter { survey.detail[$0] < limit }
            if !blurred.isEmpty {
                add(
                    .blurred, blurred.map { [$0] },
                    "they have less than a sixth of the fine detail of the median image", look)
            }
        }
        guard survey.grayCount == count, file.channels == 3 else { return }
        add(
            .gray, [], "all images have three equal channels",
            "convert again with --channels 1: a third of the bytes, and a network of one input channel")
    }

    private mutating func judgeDuplicates(_ survey: Survey) throws {
        let digests = survey.digests
        let order = digests.indices.sorted { (digests[$0], $0) < (digests[$1], $1) }
        var groups: [[Int]] = []
        var representatives: [Int32] = []
        var start = 0
        while start < order.count {
            var end = start + 1
            while end < order.count, digests[order[end]] == digests[order[start]] { end += 1 }
            if end - start > 1 { groups.append(Array(order[start..<end])) }
            if survey.thumbnails.hasThumbnail(order[start]) { representatives.append(Int32(order[start])) }
            start = end
        }
        groups.sort { $0[0] < $1[0] }
        reportDuplicates(groups, near: false)
        reportDuplicates(try nearGroups(survey.thumbnails, representatives.sorted()), near: true)
    }

    private func nearGroups(_ thumbnails: ThumbnailIndex, _ images: [Int32]) throws -> [[Int]] {
        var sets = DisjointSets(count: count)
        let details = try DetailReader(file, starts: starts)
        try thumbnails.forEachClosePair(of: images, radius: Limit.thumbnailRadius) { left, right in
            guard sets.find(left) != sets.find(right) else { return }
            guard let first = try details.detail(left), let second = try details.detail(right) else { return }
            let correlation = zip(first, second).reduce(Float(0)) { $0 + $1.0 * $1.1 }
            if correlation >= Limit.detailCorrelation { sets.join(left, right) }
        }
        try details.confirm()
        var groups: [Int: [Int]] = [:]
        for image in images { groups[sets.find(Int(image)), default: []].append(Int(image)) }
        return groups.values.filter { $0.count > 1 }.sorted { $0[0] < $1[0] }
    }

    private mutating func reportDuplicates(_ groups: [[Int]], near: Bool) {
        let words =
            near
            ? "nearly identical: the same picture but for brightness, compression or a little noise"
            : "equal in every byte"
        let disagreeing = groups.filter { group in group.contains { labels[$0] != labels[group[0]] } }
        let crossing = groups.filter { group in Set(group.map(split(of:))).count > 1 }
        let others = groups.filter { group in Set(group.map(split(of:))).count == 1 }
        if !disagreeing.isEmpty {
            add(
                near ? .nearLabelsDisagree : .labelsDisagree, disagreeing,
                "they are \(words), and of different classes",
                "decide which label is right, or leave all of a group out; no network can learn both")
        }
        if !crossing.isEmpty {
            add(
                near ? .nearAcrossSplits : .acrossSplits, crossing,
                "they are \(words), and stand in more than one split: what is scored was trained on",
                "leave them out of train, or results on the other split are too good")
        }
        if !others.isEmpty {
            add(
                near ? .nearlyIdentical : .identical, others, "they are \(words)",
                "keep one of each group, unless they are meant to count more than others")
        }
    }

    private func split(of image: Int) -> Int { starts.lastIndex { $0 <= image } ?? 0 }

    private mutating func judgeSizes() throws {
        let target = (height: Double(file.height), width: Double(file.width))
        var odd: [[Int]] = []
        for (start, header) in zip(starts, file.headers) {
            for (index, size) in try file.sourceSizes(of: header.name).enumerated() {
                let rows = Double(size.height) / target.height
                let columns = Double(size.width) / target.width
                // What resizing had to do: enlarge by more than the limit, or fit a shape that differs by more.
                let isSmall = max(rows, columns) < 1 / Limit.enlarged
                if isSmall || max(rows / columns, columns / rows) > Limit.shape { odd.append([start + index]) }
            }
        }
        guard !odd.isEmpty else { return }
        add(
            .oddlySized, odd,
            "their files were less than half as large as \(file.width)×\(file.height), or more than twice as long or as narrow",
            "look at what --fit made of them; leave them out, or choose another --size or --fit")
    }

    private mutating func judgeClasses() {
        let counts = file.headers.map { $0.counts(of: file.classes.count) }
        guard let train = file.headers.firstIndex(where: { $0.name == "train" }) else { return }
        for (split, header) in file.headers.enumerated() {
            let missing = file.classes.indices.filter { counts[split][$0] == 0 }
            guard !missing.isEmpty else { continue }
            let names = Self.list(missing.map { file.classes[$0] })
            let isTrain = split == train
            add(
                .missingClasses, [],
                "\(header.name) has no image of \(names)"
                    + (isTrain
                        ? ", which a network trained on it never predicts rightly"
                        : ", so nothing is known of it there"),
                isTrain
                    ? "add images, or take the class out of the set"
                    : "move some of its images to \(header.name), or split with --\(header.name == "val" ? "val" : "test") 20%, class by class"
            )
        }
        let present = file.classes.indices.filter { counts[train][$0] > 0 }
        guard let least = present.min(by: { counts[train][$0] < counts[train][$1] }),
            let most = present.max(by: { counts[train][$0] < counts[train][$1] }),
            counts[train][most] >= Int64(Limit.imbalance) * counts[train][least]
        else { return }
        add(
            .unbalanced, [],
            "train has \(counts[train][most]) images of \(file.classes[most].printable) and "
                + "\(counts[train][least]) of \(file.classes[least].printable)",
            "look at the score of every class, not at the accuracy alone; weigh the classes in the loss")
    }

    private mutating func judgeStorage() {
        for header in file.headers {
            guard let chunk = header.chunkShape else { continue }
            let elementBytes = header.pixelType.byteCount
            let bytes = chunk.reduce(elementBytes, *)
            let cuts = chunk.count == header.extents.count + 1 && Array(chunk.dropFirst()) != header.extents
            guard cuts || chunk[0] > 1 && bytes > Limit.chunkBytes else { continue }
            let shape = chunk.map(String.init).joined(separator: "×")
            add(
                .storage, [],
                "\(header.name) lies in chunks of \(shape)"
                    + (cuts ? ", which cut images in pieces" : ", \(NumberText.megabytes(bytes)) for one image of it"),
                "store it contiguously, or in chunks of \(max(1, (1 << 20) / max(1, header.imageBytes))) whole images: "
                    + "swift-train convert, or h5repack -l CHUNK=…")
        }
    }

    private static func list(_ names: [String]) -> String {
        let shown = names.prefix(5).map(\.printable).joined(separator: ", ")
        return names.count > 5 ? "\(shown) and \(names.count - 5) more classes" : shown
    }
}

/// Reads single images of a file and takes their fine detail; used by one thread.
private final class DetailReader {
    private let splits: [(start: Int, source: any SampleSource, meter: ImageMeter)]
    private let image: UnsafeMutableRawPointer

    init(_ file: DatasetFile, starts: [Int]) throws {
        splits = try zip(starts, file.headers).map { start, header in
            let split = try file.split(header.name)
            let meter = ImageMeter(
                height: split.height, width: split.width, channels: split.channels, type: split.pixelType)
            return (start, split, meter)
        }
        image = .allocate(byteCount: splits.map(\.meter.imageBytes).max() ?? 1, alignment: 64)
    }

    deinit { image.deallocate() }

    func detail(_ number: Int) throws -> [Float]? {
        guard let split = splits.last(where: { $0.start <= number }) else { return nil }
        try split.source.fill(image, sample: number - split.start)
        return split.meter.detail(image)
    }

    func confirm() throws { for split in splits { try split.source.confirm() } }
}

// MARK: - What is said

extension DatasetCheck {
    private static let groupsShown = 5
    private static let imagesShown = 4

    package var text: String {
        var lines = splits.map { split in
            func list(_ values: [Double]) -> String { values.map { NumberText.decimal($0, 4) }.joined(separator: " ") }
            return "pixels    \(split.name.printable) from \(NumberText.significant(Double(split.minimum))) to "
                + "\(NumberText.significant(Double(split.maximum))), mean \(list(split.mean)), std \(list(split.std))"
        }
        let number = findings.isEmpty ? "nothing" : findings.count == 1 ? "1 finding" : "\(findings.count) findings"
        lines.append("check     \(number) in \(NumberText.grouped(count)) images")
        for finding in findings {
            let images = finding.count == 1 ? "1 image" : "\(NumberText.grouped(finding.count)) images"
            let isGrouped = finding.groups.contains { $0.count > 1 }
            let groups =
                isGrouped
                ? " in \(NumberText.grouped(finding.groups.count)) group\(finding.groups.count == 1 ? "" : "s")" : ""
            let title = finding.groups.isEmpty ? "" : ": \(images)\(groups)"
            lines.append("\(finding.kind.rawValue)\(title)")
            lines.append("    found   \(finding.words)")
            for group in finding.groups.prefix(Self.groupsShown) {
                let shown = group.prefix(Self.imagesShown).map { name(of: $0).text }.joined(separator: " = ")
                lines.append(
                    "            \(shown)"
                        + (group.count > Self.imagesShown ? " and \(group.count - Self.imagesShown) more" : ""))
            }
            if finding.groups.count > Self.groupsShown {
                lines.append(
                    "            and \(NumberText.grouped(finding.groups.count - Self.groupsShown)) more; --json lists all"
                )
            }
            lines.append("    do      \(finding.advice)")
        }
        return lines.joined(separator: "\n")
    }

    /// Members of the report's JSON object: all images of every finding.
    var members: [JSON.Member] {
        let found = findings.map { finding -> JSON in
            [
                "kind": .string(finding.kind.rawValue), "count": .integer(finding.count),
                "words": .string(finding.words), "advice": .string(finding.advice),
                "groups": .array(finding.groups.map { group in .array(group.map { json(name(of: $0)) }) }),
            ]
        }
        let pixels = splits.map { split -> JSON in
            [
                "split": .string(split.name), "minimum": .number(split.minimum), "maximum": .number(split.maximum),
                "mean": .array(split.mean.map { .number($0) }), "std": .array(split.std.map { .number($0) }),
            ]
        }
        return [JSON.Member("pixels", .array(pixels)), JSON.Member("findings", .array(found))]
    }

    private func json(_ sample: SampleName) -> JSON {
        var members = [
            JSON.Member("split", .string(sample.split)), JSON.Member("index", .integer(sample.index)),
            JSON.Member("class", .string(sample.className)),
        ]
        if let name = sample.name { members.append(JSON.Member("name", .string(name))) }
        return .object(members)
    }

    /// What a damaged file ends the program with; nil for a whole one.
    package var failure: Failure? {
        guard let damaged = findings.first(where: { $0.kind == .damaged }) else { return nil }
        return Failure(.badData, "\(file.path): \(damaged.words); the file is damaged. Convert again.")
    }
}
