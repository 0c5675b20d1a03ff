internal import Datasets
internal import Diagnostics
internal import Glibc
internal import Report

/// `convert numpy`: arrays of images and labels, in `.npz` archives (Keras, MedMNIST) or `.npy` files.
package final class NumPyImages: ImageSource {
    package enum Layout: String, Sendable, CaseIterable {
        case nhwc, nchw
    }
    package struct Description: Sendable {
        package var layout: Layout?
        /// height, width, channels of images whose array is flat.
        package var shape: [Int]?
        /// Names of the arrays of train, where they do not say it.
        package var images: String?
        package var labels: String?
        package var classNames: [String]?
        package var labelBase = 0

        package init() {}

        fileprivate var words: [String] {
            var words: [String] = []
            if let layout { words += ["--layout", layout.rawValue] }
            if let shape { words += ["--shape", shape.map(String.init).joined(separator: "x")] }
            if let images { words += ["--images", images] }
            if let labels { words += ["--labels", labels] }
            if let classNames { words += ["--class-names", classNames.joined(separator: ",")] }
            return words + (labelBase == 0 ? [] : ["--label-base=\(labelBase)"])
        }
    }

    let form: ImageForm
    let classes: [String]
    let warnings: [String]
    private(set) var splits: [SourceSplit] = []
    let preprocessing: [JSON.Member]

    let paths: [String]
    private let pairs: [ImageArray]
    private let shape: ImageShape
    private var stream: NPYStream?
    /// All of an array whose images do not lie together.
    private var whole: [UInt8] = []
    private var raw: [UInt8] = []
    private var nextImage = 0
    private static let largestInMemory = 2 << 30

    @discardableResult
    package static func convert(
        paths: [String], to path: String, description: Description = Description(),
        fractions: SplitFractions = SplitFractions(), options: ConversionOptions = ConversionOptions()
    ) throws -> ConversionReport {
        let source = try NumPyImages(paths, description, fractions)
        return try Conversion(
            source: source, command: ["swift-train", "convert", "numpy"] + description.words + fractions.words,
            options: options
        ).run(to: path)
    }

    init(_ paths: [String], _ description: Description, _ fractions: SplitFractions) throws {
        self.paths = paths
        let arrays = try paths.flatMap { path in
            path.hasSuffix(".npz") ? try NPYArray.all(inArchive: path) : [try NPYArray(file: path)]
        }
        let found = try ArrayRoles(arrays, description, place: paths[0])
        pairs = try found.splits.map { try ImageArray($0.images, description) }
        guard let first = pairs.first else { preconditionFailure("no roles") }
        shape = first.shape
        for pair in pairs where pair.shape != shape {
            throw Failure(
                .badData,
                "\(pair.array.place): has images of \(pair.shape.text) \(pair.shape.type.rawValue), "
                    + "\(first.array.place) of \(shape.text) \(shape.type.rawValue); expected one kind")
        }
        form = .pixels(shape)
        preprocessing = first.preprocessing
        var words: [[String]] = []
        for (split, pair) in zip(found.splits, pairs) {
            words.append(try LabelArray.read(split.labels, count: pair.count))
        }
        let labels = try ClassLabels(
            distinct: Set(words.joined()), names: description.classNames, base: description.labelBase,
            place: found.splits[0].labels.place)
        (classes, warnings) = (labels.classes, labels.warnings)
        for (part, (split, own)) in zip(found.splits, words).enumerated() {
            if fractions.val != nil && split.name == "val" || fractions.test != nil && split.name == "test" {
                throw Failure(.usage, "--\(split.name): \(paths[0]) has \(split.images.name) already")
            }
            let one = SourceSplit(
                name: split.name, part: part, samples: Array(own.indices), labels: own.map { labels[$0] }, names: [])
            splits += split.name == "train" ? try fractions.divide(one) : [one]
        }
        let order = ["train": 0, "val": 1, "test": 2]
        splits = splits.enumerated().sorted {
            (order[$0.element.name]!, $0.offset) < (order[$1.element.name]!, $1.offset)
        }.map(\.element)
    }

    func rewind(to part: Int) throws {
        let pair = pairs[part]
        nextImage = 0
        whole = []
        stream = nil
        if pair.array.header.isFortranOrder {
            whole = try pair.array.readAll(atMost: Self.largestInMemory)
        } else {
            stream = try pair.array.open()
            raw = [UInt8](repeating: 0, count: pair.rawImageBytes)
        }
    }

    func fetch(_ samples: ArraySlice<Int>, of part: Int, head: Int?, into images: FetchedImages) throws {
        let pair = pairs[part]
        for sample in samples {
            let room = images.room(shape.bytes)
            var isFinite = true
            if let stream {
                while nextImage <= sample {
                    if pair.isPlain, nextImage == sample {
                        try stream.read(into: room)
                    } else {
                        try raw.withUnsafeMutableBytes { try stream.read(into: $0) }
                    }
                    nextImage += 1
                }
                if !pair.isPlain { raw.withUnsafeBytes { isFinite = pair.convert($0.baseAddress!, into: room) } }
            } else {
                whole.withUnsafeBytes {
                    isFinite = pair.convert($0.baseAddress! + sample * pair.array.header.itemBytes, into: room)
                }
            }
            guard isFinite else {
                images.fail("holds a value that is not finite")
                continue
            }
            images.fill(shape.bytes)
            images.endImage()
        }
    }

    func sources(_ files: EncodedFiles) throws -> JSON {
        .array(try paths.map { try ByteSource(path: $0).description() })
    }
}

/// Which arrays are the images and labels of which split.
private struct ArrayRoles {
    private(set) var splits: [(name: String, images: NPYArray, labels: NPYArray)] = []

    private static let splitWords = [
        "train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "dev": "val",
        "test": "test",
        "testing": "test",
    ]
    private static let imageWords: Set<String> = ["x", "image", "images", "img", "imgs", "data", "features", "arr"]
    private static let labelWords: Set<String> = ["y", "label", "labels", "target", "targets", "class", "classes"]

    init(_ arrays: [NPYArray], _ description: NumPyImages.Description, place: String) throws {
        func named(_ name: String, _ option: String) throws -> NPYArray {
            guard let array = arrays.first(where: { $0.name == name || $0.place == name }) else {
                throw Failure(
                    .usage,
                    "\(option) \(name): there is no such array, expected one of \(arrays.map(\.name).joined(separator: ", "))"
                )
            }
            return array
        }
        if description.images != nil || description.labels != nil {
            guard let images = description.images, let labels = description.labels else {
                throw Failure(.usage, "--images and --labels belong together")
            }
            splits = [("train", try named(images, "--images"), try named(labels, "--labels"))]
            return
        }
        var images: [String: [NPYArray]] = [:]
        var labels: [String: [NPYArray]] = [:]
        for array in arrays {
            let words = array.name.lowercased().split(whereSeparator: { !$0.isLetter }).map(String.init)
            let split = words.lazy.compactMap { Self.splitWords[$0] }.first ?? "train"
            if words.contains(where: Self.labelWords.contains) {
                labels[split, default: []].append(array)
            } else if words.contains(where: Self.imageWords.contains) {
                images[split, default: []].append(array)
            }
        }
        for name in ["train", "val", "test"] {
            let (image, label) = (images[name] ?? [], labels[name] ?? [])
            if image.isEmpty, label.isEmpty { continue }
            guard image.count == 1, label.count == 1 else { throw Self.ambiguous(arrays, place) }
            splits.append((name, image[0], label[0]))
        }
        guard splits.first?.name == "train" else { throw Self.ambiguous(arrays, place) }
    }

    private static func ambiguous(_ arrays: [NPYArray], _ place: String) -> Failure {
        let list = arrays.map { "\($0.name) \($0.header.typeName) \($0.header.shape)" }.joined(separator: ", ")
        return Failure(
            .badData,
            "\(place): which arrays are images and labels is not clear from their names: \(list). "
                + "Name them: --images \(arrays[0].name) --labels \(arrays.count > 1 ? arrays[1].name : "NAME")")
    }
}

/// An array of images: how it is read as [N, H, W, C].
private struct ImageArray {
    let array: NPYArray
    let shape: ImageShape
    let count: Int
    /// Elements between neighbours of the array along height, width and channels.
    private let strides: (height: Int, width: Int, channel: Int)
    private let scale: Double
    let preprocessing: [JSON.Member]

    var rawImageBytes: Int { array.header.byteCount / max(count, 1) }
    /// The bytes are the pixels.
    var isPlain: Bool {
        let header = array.header
        return header.kind == .unsigned && header.itemBytes == 1 && !header.isFortranOrder
            && strides == (shape.width * shape.channels, shape.channels, 1)
    }

    init(_ array: NPYArray, _ description: NumPyImages.Description) throws {
        self.array = array
        let header = array.header
        let extents = header.shape
        func bad(_ text: String) -> Failure { Failure(.badData, "\(array.place): \(text)") }
        guard extents.count >= 2, extents.allSatisfy({ $0 > 0 }) else {
            throw bad("has shape \(extents), expected (N, H, W), (N, H, W, C) or (N, C, H, W) with no extent 0")
        }
        count = extents[0]
        // Axes of the array that are height, width and channels, and the image's extents along the array's axes.
        var inner = Array(extents.dropFirst())
        if let given = description.shape {
            guard given.reduce(1, *) == inner.reduce(1, *) else {
                throw bad("has shape \(extents), whose images do not have the shape \(given)")
            }
            inner = description.layout == .nchw ? [given[2], given[0], given[1]] : given
            guard !header.isFortranOrder || inner == Array(extents.dropFirst()) else {
                throw bad("is in Fortran order, so --shape cannot be applied")
            }
        }
        let isChannelsFirst: Bool
        switch inner.count {
        case 2: isChannelsFirst = false
        case 3:
            if let layout = description.layout {
                isChannelsFirst = layout == .nchw
            } else if inner[2] <= 4 || inner[0] == inner[1] && (inner[0] > 4 || inner[1] != inner[2]) {
                isChannelsFirst = false
            } else if inner[0] <= 4 || inner[1] == inner[2] {
                isChannelsFirst = true
            } else {
                throw bad("has shape \(extents); give --layout nhwc or nchw")
            }
        default:
            throw bad("has shape \(extents), expected 3 or 4 extents, or --shape HEIGHTxWIDTHxCHANNELS")
        }
        var steps = [Int](repeating: 1, count: inner.count)
        if header.isFortranOrder {
            var step = count
            for axis in inner.indices {
                steps[axis] = step
                step *= inner[axis]
            }
        } else {
            for axis in inner.indices.dropLast().reversed() { steps[axis] = steps[axis + 1] * inner[axis + 1] }
        }
        let type: PixelType
        (type, scale, preprocessing) = try Self.pixels(array)
        if inner.count == 2 {
            shape = ImageShape(height: inner[0], width: inner[1], channels: 1, type: type)
            strides = (steps[0], steps[1], 1)
        } else if isChannelsFirst {
            shape = ImageShape(height: inner[1], width: inner[2], channels: inner[0], type: type)
            strides = (steps[1], steps[2], steps[0])
        } else {
            shape = ImageShape(height: inner[0], width: inner[1], channels: inner[2], type: type)
            strides = (steps[0], steps[1], steps[2])
        }
        guard shape.bytes <= 1 << 30 else {
            throw bad("has images of \(shape.bytes) bytes, expected at most \(1 << 30)")
        }
    }

    /// What a pixel becomes, and the factor.
    private static func pixels(_ array: NPYArray) throws -> (PixelType, Double, [JSON.Member]) {
        let header = array.header
        switch header.kind {
        case .bool: return (.uint8, 255, [JSON.Member("values", "false 0, true 255")])
        case .unsigned where header.itemBytes == 1: return (.uint8, 1, [])
        case .unsigned where header.itemBytes == 2:
            return (.float32, 1.0 / 65535, [JSON.Member("values", "divided by 65535")])
        case .real: return (.float32, 1, [JSON.Member("values", "as they are")])
        case .unsigned, .signed:
            // Pixels that became wide integers on their way are 0…255 all the same.
            let stream = try array.open()
            var piece = [UInt8](repeating: 0, count: header.itemBytes << 16)
            var left = header.byteCount
            while left > 0 {
                let bytes = min(left, piece.count)
                try piece.withUnsafeMutableBytes {
                    try stream.read(into: UnsafeMutableRawBufferPointer(rebasing: $0[..<bytes]))
                }
                let odd = piece.withUnsafeBytes { raw in
                    stride(from: 0, to: bytes, by: header.itemBytes).lazy
                        .map { header.number(raw.baseAddress! + $0) }.first { !(0...255).contains($0) }
                }
                if let odd {
                    throw Failure(
                        .badData,
                        "\(array.place): is of type \(header.typeName) and holds \(odd), expected 0…255; "
                            + "save it as uint8, uint16 or float32")
                }
                left -= bytes
            }
            return (.uint8, 1, [])
        case .bytes, .text:
            throw Failure(.badData, "\(array.place): holds text, expected images")
        }
    }

    /// Writes an image as [H, W, C]; `source` is its first element. False when a value is not finite.
    func convert(_ source: UnsafeRawPointer, into target: UnsafeMutableRawBufferPointer) -> Bool {
        let header = array.header
        let item = header.itemBytes
        var place = 0
        var isFinite = true
        for y in 0..<shape.height {
            for x in 0..<shape.width {
                let pixel = source + (y * strides.height + x * strides.width) * item
                for c in 0..<shape.channels {
                    let element = pixel + c * strides.channel * item
                    switch shape.type {
                    case .uint8:
                        target[place] =
                            item == 1 && header.kind == .unsigned
                            ? element.load(as: UInt8.self) : UInt8(header.number(element) * scale)
                    case .float32:
                        let value = Float(header.number(element) * scale)
                        if !value.isFinite { isFinite = false }
                        target.storeBytes(of: value, toByteOffset: 4 * place, as: Float.self)
                    }
                    place += 1
                }
            }
        }
        return isFinite
    }
}

/// An array of labels: numbers, text, or one-hot rows.
private enum LabelArray {
    private static let largestBytes = 1 << 30

    static func read(_ array: NPYArray, count: Int) throws -> [String] {
        let header = array.header
        func bad(_ text: String) -> Failure { Failure(.badData, "\(array.place): \(text)") }
        let elements = header.shape.reduce(1, *)
        guard header.shape.first == count || (header.shape.first == 1 && elements == count) else {
            throw bad("has shape \(header.shape), expected \(count) labels, one for each image")
        }
        let classCount = elements / max(count, 1)
        guard elements == count || header.shape.count == 2 && header.kind != .text && header.kind != .bytes else {
            throw bad("has shape \(header.shape), expected (N,), (N, 1) or one-hot rows (N, K)")
        }
        let bytes = try array.readAll(atMost: largestBytes)
        return try bytes.withUnsafeBytes { raw in
            let base = raw.baseAddress!
            if header.kind == .text || header.kind == .bytes {
                return (0..<count).map { header.text(base + $0 * header.itemBytes) }
            }
            func value(_ sample: Int, _ column: Int) -> Double {
                let place = header.isFortranOrder ? column * count + sample : sample * classCount + column
                return header.number(base + place * header.itemBytes)
            }
            return try (0..<count).map { sample in
                if classCount == 1 {
                    let label = value(sample, 0)
                    guard let whole = Int(exactly: label) else {
                        throw bad("label[\(sample)] = \(label), expected a whole number")
                    }
                    return "\(whole)"
                }
                let ones = (0..<classCount).filter { value(sample, $0) == 1 }
                guard ones.count == 1, (0..<classCount).allSatisfy({ $0 == ones[0] || value(sample, $0) == 0 }) else {
                    throw bad(
                        "row \(sample) has \(ones.count) ones, expected one-hot rows: several labels for an image are not trained"
                    )
                }
                return "\(ones[0])"
            }
        }
    }
}
