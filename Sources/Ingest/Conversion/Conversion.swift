internal import Datasets
internal import Diagnostics
internal import Digests
internal import Glibc
internal import Report

/// One run from a source to a dataset file: decoder threads, one ordered writer, memory bounded by the threads.
///
/// The file's bytes depend on the source and the options, not on the number of threads.
struct Conversion {
    let source: any ImageSource
    /// The words of the command that decide about the bytes, as they stand in the file.
    let command: [String]
    let options: ConversionOptions

    private static let imagesPerMeasuredPiece = 64
    /// Size and channels of nearly every file stand in its beginning.
    private static let headBytes = 1 << 18

    /// Throws `Failure`: 65 when images cannot be read and the policy does not allow it, or when their sizes differ; 73 and 74
    /// for the output. The list of what was left out is written in every case.
    func run(to path: String) throws -> ConversionReport {
        if options.storesEncoded {
            guard source.form == .encoded else {
                throw Failure(.usage, "--store encoded: the source holds pixels, expected JPEG or PNG files")
            }
            guard options.gzipLevel == nil, !options.checksum else {
                throw Failure(
                    .usage,
                    "--store encoded: --compress and --checksum are for pixels; JPEG and PNG are compressed already")
            }
        }
        // Before the source is read for minutes.
        let writer = try DatasetWriter(
            path: path, classes: source.classes, options: options,
            unlike: options.replaceExisting ? source.paths : [])
        var leftOut = LeftOutList()
        leftOut.add(source.leftOut)
        var progress = ConversionProgress(isShown: options.showsProgress)
        defer { progress.end() }
        do {
            try judge(leftOut, isFinal: false, of: 0)
            var splits = source.splits
            guard splits.contains(where: { !$0.samples.isEmpty }) else {
                throw Failure(.badData, "no image was found")
            }
            // Files that turn out to be no images count neither way.
            let total = splits.reduce(leftOut.all.count) { $0 + $1.samples.count }
            let shape = try chooseShape(&splits, &leftOut, &progress)
            let files = try write(splits, shape, to: writer, &leftOut, &progress)
            progress.end()
            try judge(leftOut, isFinal: true, of: total - leftOut.otherCount)
            let list = try writeList(leftOut, besides: path)
            let preprocessing =
                source.form == .encoded
                ? options.preparation.description(of: shape, isStoredEncoded: options.storesEncoded)
                : pixelPreprocessing(shape)
            var report = try writer.finish(
                command: command + options.preparation.words, sources: try source.sources(files),
                preprocessing: .object(source.preprocessing + preprocessing))
            report.warnings = source.warnings
            report.leftOut = leftOut.reasons
            report.leftOutCounts = (leftOut.badCount, leftOut.otherCount)
            report.leftOutPath = list
            return report
        } catch let failure as Failure {
            progress.end()
            guard !leftOut.all.isEmpty, let list = try? writeList(leftOut, besides: path) else { throw failure }
            let note = "\(list) lists \(leftOut.all.count) files left out"
            let isOneLine = !failure.message.contains(where: \.isNewline)
            throw Failure(failure.code, isOneLine ? "\(failure.message) (\(note))" : "\(failure.message)\n\(note)")
        }
    }

    // MARK: Shape

    /// The one shape of the dataset. Reads the heads of all encoded images unless the options say everything; images that fail
    /// already here leave the splits.
    private func chooseShape(
        _ splits: inout [SourceSplit], _ leftOut: inout LeftOutList, _ progress: inout ConversionProgress
    ) throws -> ImageShape {
        let preparation = options.preparation
        if case .pixels(let shape) = source.form {
            guard let size = preparation.size else {
                guard preparation.channels == nil || preparation.channels == shape.channels else {
                    throw Failure(
                        .usage,
                        "--channels \(preparation.channels!): the source's pixels have \(shape.channels) channels")
                }
                return shape
            }
            guard shape.type == .uint8, shape.channels <= 4, shape.slices == nil else {
                throw Failure(
                    .usage,
                    "--size \(size.text): only 8-bit images of at most 4 channels are resized, these are "
                        + "\(shape.text) \(shape.type.rawValue)")
            }
            return ImageShape(height: size.height, width: size.width, channels: shape.channels)
        }
        if let size = preparation.size, let channels = preparation.channels {
            return ImageShape(height: size.height, width: size.width, channels: channels)
        }
        var sizes = SizeHistogram()
        for index in splits.indices { try measure(&splits[index], &sizes, &leftOut, &progress) }
        guard let commonest = sizes.commonest else {
            throw Failure(.badData, "none of the images can be read")
        }
        let channels = preparation.channels ?? (sizes.hasColour ? 3 : 1)
        if let size = preparation.size {
            return ImageShape(height: size.height, width: size.width, channels: channels)
        }
        guard sizes.counts.count == 1 else {
            throw Failure(.badData, sizes.words(invocation: options.invocation))
        }
        return ImageShape(height: commonest.height, width: commonest.width, channels: channels)
    }

    private func measure(
        _ split: inout SourceSplit, _ sizes: inout SizeHistogram, _ leftOut: inout LeftOutList,
        _ progress: inout ConversionProgress
    ) throws {
        final class Piece {
            let fetched = FetchedImages()
            var results: [Result<ImageShape, Unreadable>] = []
        }
        let all = split
        let size = Self.imagesPerMeasuredPiece
        progress.begin("measuring \(split.name)", total: all.samples.count)
        if !source.isConcurrent { try source.rewind(to: all.part) }
        var kept: [Int] = []
        kept.reserveCapacity(all.samples.count)
        try OrderedWork<Piece>.run(
            (all.samples.count + size - 1) / size, threads: options.threads,
            buffers: (0..<options.threads + 2).map { _ in Piece() }, takesInOrder: !source.isConcurrent,
            take: { piece, buffer in
                buffer.fetched.removeAll()
                let range = Self.range(piece, size, all.samples.count)
                try source.fetch(all.samples[range], of: all.part, head: Self.headBytes, into: buffer.fetched)
                guard source.isConcurrent else { return }
                // A head that does not say enough: the whole file is read.
                for index in 0..<buffer.fetched.count where Self.isShort(buffer.fetched[index], options.preparation) {
                    buffer.fetched.removeAll()
                    try source.fetch(all.samples[range], of: all.part, head: nil, into: buffer.fetched)
                    break
                }
            },
            work: { _, buffer in
                buffer.results = (0..<buffer.fetched.count).map { index in
                    buffer.fetched[index].flatMap { options.preparation.measure($0) }
                }
            },
            use: { piece, buffer in
                let start = piece * size
                for (offset, result) in buffer.results.enumerated() {
                    switch result {
                    case .success(let shape):
                        sizes.add(shape)
                        kept.append(start + offset)
                    case .failure(let unreadable):
                        try add(unreadable, all.name(of: start + offset), to: &leftOut)
                    }
                }
                progress.update(start + buffer.results.count)
            })
        guard kept.count < all.samples.count else { return }
        split = all.subset(kept)
    }

    private static func isShort(
        _ image: Result<UnsafeRawBufferPointer, Unreadable>, _ preparation: ImagePreparation
    ) -> Bool {
        guard case .success(let bytes) = image, bytes.count >= headBytes,
            case .failure = preparation.measure(bytes)
        else { return false }
        return true
    }

    // MARK: Pixels

    private final class Piece {
        let fetched = FetchedImages()
        let pixels: UnsafeMutableRawBufferPointer
        let scratch = ResizeScratch()
        var kept: [Int] = []
        var failures: [(index: Int, reason: Unreadable)] = []
        var digests: [UInt8] = []
        /// Height and width of each encoded image as it was.
        var sizes: [Int32] = []
        var fileBytes = 0

        /// The bytes of some of the images as they were fetched.
        func files(_ images: [Int]) -> [UnsafeRawBufferPointer] { images.compactMap { try? fetched[$0].get() } }

        init(bytes: Int) { pixels = .allocate(byteCount: bytes, alignment: 64) }
        deinit { pixels.deallocate() }
    }

    private func write(
        _ splits: [SourceSplit], _ shape: ImageShape, to writer: DatasetWriter, _ leftOut: inout LeftOutList,
        _ progress: inout ConversionProgress
    ) throws -> EncodedFiles {
        let perPiece = DatasetWriter.imagesPerPiece(imageBytes: shape.bytes)
        let buffers = (0..<options.threads + 2).map { _ in Piece(bytes: perPiece * shape.bytes) }
        var files = EncodedFiles()
        var filesHash = SHA256()
        for split in splits {
            guard !split.samples.isEmpty else {
                throw Failure(.badData, "\(split.name): holds no image that can be read")
            }
            try writer.beginSplit(split.name, shape: shape, atMost: split.samples.count)
            if !source.isConcurrent { try source.rewind(to: split.part) }
            progress.begin(split.name, total: split.samples.count)
            var kept: [Int] = []
            var sizes: [Int32] = []
            kept.reserveCapacity(split.samples.count)
            try OrderedWork<Piece>.run(
                (split.samples.count + perPiece - 1) / perPiece, threads: options.threads, buffers: buffers,
                takesInOrder: !source.isConcurrent,
                take: { piece, buffer in
                    buffer.fetched.removeAll()
                    let range = Self.range(piece, perPiece, split.samples.count)
                    try source.fetch(split.samples[range], of: split.part, head: nil, into: buffer.fetched)
                },
                work: { piece, buffer in produce(buffer, shape, first: piece * perPiece) },
                use: { piece, buffer in
                    for (index, reason) in buffer.failures { try add(reason, split.name(of: index), to: &leftOut) }
                    kept += buffer.kept
                    sizes += buffer.sizes
                    let bytes = UnsafeRawBufferPointer(rebasing: buffer.pixels[..<(buffer.kept.count * shape.bytes)])
                    try writer.append(
                        bytes,
                        files: options.storesEncoded ? buffer.files(buffer.kept.map { $0 - piece * perPiece }) : [])
                    files.count += buffer.digests.count / 32
                    files.bytes += buffer.fileBytes
                    buffer.digests.withUnsafeBytes { filesHash.update($0) }
                    progress.update(min((piece + 1) * perPiece, split.samples.count))
                })
            guard !kept.isEmpty else { throw Failure(.badData, "\(split.name): none of its images can be read") }
            let final = kept.count == split.samples.count ? split : split.subset(kept)
            let isResized = options.preparation.size != nil
            try writer.endSplit(labels: final.labels, names: final.names, sourceSizes: isResized ? sizes : [])
        }
        files.sha256 = filesHash.hexadecimal()
        return files
    }

    /// Turns what was fetched into pixels; images that fail leave no gap.
    private func produce(_ buffer: Piece, _ shape: ImageShape, first: Int) {
        buffer.kept.removeAll(keepingCapacity: true)
        buffer.failures.removeAll(keepingCapacity: true)
        buffer.digests.removeAll(keepingCapacity: true)
        buffer.sizes.removeAll(keepingCapacity: true)
        buffer.fileBytes = 0
        for index in 0..<buffer.fetched.count {
            let target = buffer.pixels.baseAddress! + buffer.kept.count * shape.bytes
            var failure: Unreadable?
            switch buffer.fetched[index] {
            case .failure(let unreadable): failure = unreadable
            case .success(let bytes):
                switch source.form {
                case .encoded:
                    switch options.preparation.decode(bytes, to: shape, target, buffer.scratch) {
                    case .failure(let unreadable): failure = unreadable
                    case .success(let size):
                        buffer.sizes += [Int32(size.height), Int32(size.width)]
                        var hash = SHA256()
                        hash.update(bytes)
                        buffer.digests += hash.finalize()
                        buffer.fileBytes += bytes.count
                    }
                case .pixels(let own) where own == shape:
                    target.copyMemory(from: bytes.baseAddress!, byteCount: shape.bytes)
                case .pixels(let own):
                    failure = options.preparation.fit(
                        bytes.baseAddress!.assumingMemoryBound(to: UInt8.self), height: own.height, width: own.width,
                        to: shape, target.assumingMemoryBound(to: UInt8.self), buffer.scratch)
                }
            }
            if let failure {
                buffer.failures.append((first + index, failure))
            } else {
                buffer.kept.append(first + index)
            }
        }
    }

    private func pixelPreprocessing(_ shape: ImageShape) -> [JSON.Member] {
        guard source.form != .pixels(shape) else {
            return source.preprocessing.isEmpty ? [JSON.Member("pixels", "unchanged")] : []
        }
        let preparation = options.preparation
        return [
            JSON.Member("width", .integer(shape.width)), JSON.Member("height", .integer(shape.height)),
            JSON.Member("fit", .string(preparation.fit.rawValue)),
            JSON.Member("filter", .string(preparation.filter.rawValue)),
        ]
    }

    // MARK: What is left out

    private func add(_ unreadable: Unreadable, _ name: String, to leftOut: inout LeftOutList) throws {
        let isBad = !unreadable.isForeign || ForeignFormat.isImageName(name)
        leftOut.add([LeftOut(file: name, reason: unreadable.reason, isBad: isBad)])
        try judge(leftOut, isFinal: false, of: 0)
    }

    private func judge(_ leftOut: LeftOutList, isFinal: Bool, of total: Int) throws {
        let bad = leftOut.badCount
        guard bad > 0 else { return }
        if options.onError == .fail, let first = leftOut.all.first(where: \.isBad) {
            throw Failure(.badData, "\(first.file): \(first.reason). --on-error skip leaves such files out")
        }
        guard isFinal, Double(bad) > options.largestBadFraction * Double(total) else { return }
        let examples = leftOut.reasons.prefix(3).joined(separator: "; ")
        throw Failure(
            .badData,
            "\(bad) of \(total) images cannot be used, more than --max-bad \(ConversionOptions.percent(options.largestBadFraction)) "
                + "allows: \(examples). Fix them, or allow more")
    }

    /// Writes the list beside the output, or where it is wanted. Returns its path, nil when there is nothing to list.
    private func writeList(_ leftOut: LeftOutList, besides path: String) throws -> String? {
        guard !leftOut.all.isEmpty || options.reportPath != nil else { return nil }
        let target = options.reportPath ?? "\(path).left-out.csv"
        let output = try OutputFile(path: target, replacing: true)
        guard let file = fopen(output.temporaryPath, "we") else {
            throw Failure(.cannotCreate, "\(target): \(String(cString: strerror(errno)))")
        }
        let text = Array(leftOut.csv.utf8)
        let written = fwrite(text, 1, text.count, file)
        guard fclose(file) == 0, written == text.count else {
            throw Failure(.inputOutput, "\(target): cannot write: \(String(cString: strerror(errno)))")
        }
        try output.synchronize()
        try output.commit()
        return target
    }

    private static func range(_ piece: Int, _ size: Int, _ count: Int) -> Range<Int> {
        piece * size..<min(count, (piece + 1) * size)
    }
}

extension SourceSplit {
    /// Some of the samples, by their places in this split.
    func subset(_ places: [Int]) -> SourceSplit {
        SourceSplit(
            name: name, part: part, samples: places.map { samples[$0] }, labels: places.map { labels[$0] },
            names: names.isEmpty ? [] : places.map { names[$0] })
    }
}

/// How many images have which size.
struct SizeHistogram {
    private struct Size: Hashable {
        let width: Int
        let height: Int
    }
    private var bySize: [Size: Int] = [:]
    private(set) var hasColour = false
    private static let linesShown = 8

    mutating func add(_ shape: ImageShape) {
        bySize[Size(width: shape.width, height: shape.height), default: 0] += 1
        if shape.channels == 3 { hasColour = true }
    }

    /// Commonest first, then smaller first.
    var counts: [(width: Int, height: Int, count: Int)] {
        bySize.map { ($0.key.width, $0.key.height, $0.value) }.sorted { ($1.2, $0.0, $0.1) < ($0.2, $1.0, $1.1) }
    }

    var commonest: (width: Int, height: Int)? { counts.first.map { ($0.width, $0.height) } }

    /// What to say when one size is needed: the histogram and three commands that can be run as they stand.
    func words(invocation: [String]) -> String {
        let counts = counts
        var lines = ["the images have \(counts.count) sizes, expected one, or --size:"]
        lines += counts.prefix(Self.linesShown).map {
            "  \($0.width)×\($0.height): \(NumberText.counted($0.count, "image"))"
        }
        if counts.count > Self.linesShown {
            let others = counts.dropFirst(Self.linesShown)
            lines.append("  \(others.count) other sizes: \(others.reduce(0) { $0 + $1.count }) images")
        }
        let shortSides = counts.flatMap { size in [(min(size.width, size.height), size.count)] }.sorted { $0.0 < $1.0 }
        let total = counts.reduce(0) { $0 + $1.count }
        var seen = 0
        let median =
            shortSides.first {
                seen += $0.1; return seen * 2 >= total
            }?.0 ?? 224
        let side = median >= 224 ? 224 : median >= 128 ? 128 : median >= 64 ? 64 : 32
        let command = invocation.isEmpty ? "swift-train convert …" : ShellWords.quoted(invocation)
        lines.append("Choose one:")
        lines.append("  \(command) --size \(side)                  # short side to \(side), the middle kept")
        lines.append("  \(command) --size \(side) --fit pad        # all of every image, black borders")
        lines.append("  \(command) --size \(side) --fit stretch    # all of every image, shapes change")
        return lines.joined(separator: "\n")
    }
}
