internal import Diagnostics
internal import HDF5
internal import Tensors

/// A dataset of images that others wrote: how its elements become pixels, [H, W, C], or voxels, [D, H, W, C].
final class ForeignImages: ImageExtents, @unchecked Sendable {
    let dataset: HDF5Dataset
    let count: Int
    let height: Int
    let width: Int
    let channels: Int
    let slices: Int?
    let values: Values
    let layout: DatasetRoles.Layout
    /// Elements between neighbours along height (on to the next slice), width and channels.
    private let strides: (height: Int, width: Int, channel: Int)

    /// What an element becomes.
    enum Values: String, FactsLine {
        /// uint8 as it is.
        case bytes
        /// Whole numbers in 0…255 of another type: uint8.
        case levels
        /// float32 as it is, or rounded to it.
        case reals
        /// Numbers in 0…255 with fractions: float32, divided by 255.
        case scaledLevels
        /// uint16: float32, divided by 65,535.
        case words

        init?(line: some StringProtocol) { self.init(rawValue: String(line)) }
        var line: String { rawValue }

        var pixelType: PixelType { self == .bytes || self == .levels ? .uint8 : .float32 }
        var scale: Double { self == .scaledLevels ? 1.0 / 255 : self == .words ? 1.0 / 65_535 : 1 }

        /// nil where nothing is done.
        func note(_ type: HDF5ElementType) -> String? {
            switch self {
            case .bytes: nil
            case .levels: "\(type) with whole numbers in 0…255, read as uint8"
            case .reals: type == .float32 ? nil : "\(type), read as float32"
            case .scaledLevels: "\(type) in 0…255, divided by 255"
            case .words: "uint16, divided by 65,535"
            }
        }
    }

    /// Numbers of an image, in bytes and in other types: those are read as float64, a whole image at least.
    private static let (largestByteImage, largestImage) = (1 << 27, 1 << 24)

    /// Reads all numbers of what is neither uint8 nor uint16, to see what they mean; `cache` remembers it.
    ///
    /// `roles` is nil where nobody can say what is not clear.
    ///
    /// Throws: `Failure`: 65 for shapes and numbers that are no images, `HDF5Error`.
    init(_ dataset: HDF5Dataset, _ roles: DatasetRoles?, _ cache: PixelFactsCache) throws {
        self.dataset = dataset
        func bad(_ text: String) -> Failure { Failure(.badData, "\(dataset.place) \(text)") }
        let extents = dataset.shape
        layout = try Self.layout(extents, roles, bad)
        count = extents[0]
        // The axis of slices and that of rows, which follow each other in all layouts, are one.
        var plane = Array(extents.dropFirst())
        let depthAxis = layout == .ncdhw ? 1 : 0
        slices = layout.isOfVolumes ? plane.remove(at: depthAxis) : nil
        plane[layout.ofSlices == .nchw ? 1 : 0] *= slices ?? 1
        switch layout.ofSlices {
        case .nchw:
            (channels, height, width) = (plane[0], plane[1], plane[2])
            strides = (width, 1, height * width)
        default:
            (height, width, channels) = (plane[0], plane[1], plane.count == 3 ? plane[2] : 1)
            strides = (width * channels, channels, 1)
        }
        let elements = Int.product(height, width, channels)
        let largest = dataset.elementType == .uint8 ? Self.largestByteImage : Self.largestImage
        guard elements <= largest else {
            throw bad(
                "is \(dataset.elementType) of shape \(extents), whose images have more than \(largest >> 20) Mi numbers"
                    + (elements <= Self.largestByteImage ? "; uint8 may have 128 Mi" : ""))
        }
        switch dataset.elementType {
        case .uint8: values = .bytes
        case .integer(bits: 16, isSigned: false): values = .words
        case let type where !type.isNumber: throw bad("is \(type), expected numbers")
        default:
            let find = { try Self.values(dataset, elements: elements, bad) }
            let identity = FileIdentity(descriptor: try dataset.file.descriptor())
            values = try identity.map { try cache.facts(about: "values \(dataset.name)", in: $0, find) } ?? find()
        }
    }

    /// Throws: `Failure(.badData)` unless these images can stand in one dataset with others.
    func requireKind(of others: ForeignImages) throws {
        func words(_ images: ForeignImages) -> String {
            "\(images.sizeText) images (\(images.values.pixelType))"
        }
        guard words(self) != words(others) else { return }
        throw Failure(
            .badData,
            "\(dataset.place) holds \(words(self)), \(others.dataset.place) \(words(others)); expected one kind")
    }

    /// True when the bytes are the pixels.
    var isPlain: Bool {
        (values == .bytes || values == .reals && dataset.elementType == .float32)
            && (layout.ofSlices != .nchw || channels == 1)
    }

    /// How the images are read, in words: `(N, C, H, W); float64, read as float32`.
    var note: String? {
        let axes = layout.ofSlices == .nchw && channels > 1 ? "channels first" : nil
        let parts = [axes, values.note(dataset.elementType)].compactMap { $0 }
        return parts.isEmpty ? nil : parts.joined(separator: "; ")
    }

    private static func layout(
        _ extents: [Int], _ roles: DatasetRoles?, _ bad: (String) -> Failure
    ) throws -> DatasetRoles.Layout {
        guard (3...5).contains(extents.count), extents.allSatisfy({ $0 > 0 }) else {
            throw bad(
                "has shape \(extents), expected (N, H, W, C), (N, C, H, W) or (N, H, W), or (N, D, H, W, C) or (N, C, D, H, W) of "
                    + "volumes, with no extent 0")
        }
        if let layout = roles?.layout {
            guard layout.rawValue.count == extents.count else {
                throw bad("has shape \(extents), which is not \(layout.rawValue.uppercased())")
            }
            return layout
        }
        if extents.count == 5 { return try volumeLayout(extents, roles, bad) }
        guard extents.count == 4 else { return .nhw }
        let (first, middle, last) = (extents[1], extents[2], extents[3])
        let channels = 1...4
        switch (channels.contains(first) && middle > 4 && last > 4, channels.contains(last) && first > 4 && middle > 4)
        {
        case (true, false): return .nchw
        case (false, true): return .nhwc
        default:
            // Square images of many channels.
            if first == middle, middle != last { return .nhwc }
            if middle == last, first != middle { return .nchw }
            guard roles != nil else {
                throw bad(
                    "has shape \(extents), whose axes can be read in two ways; make a dataset file of it with "
                        + "swift-train convert hdf5 and --layout nhwc or --layout nchw")
            }
            let choices = ["nhwc", "nchw"].flatMap { DatasetRoles.choice([("layout", $0)]) }
            throw bad(
                "has shape \(extents), whose axes can be read in two ways. Choose one:\n"
                    + choices.joined(separator: "\n"))
        }
    }

    /// Channels are few, and stand first or last.
    private static func volumeLayout(
        _ extents: [Int], _ roles: DatasetRoles?, _ bad: (String) -> Failure
    ) throws -> DatasetRoles.Layout {
        switch ((1...4).contains(extents[1]), (1...4).contains(extents[4])) {
        case (true, false): return .ncdhw
        case (false, true): return .ndhwc
        default:
            let advice =
                roles == nil
                ? "; make a dataset file of it with swift-train convert hdf5 and --layout ndhwc or --layout ncdhw"
                : ". Choose one:\n"
                    + ["ndhwc", "ncdhw"].flatMap { DatasetRoles.choice([("layout", $0)]) }.joined(separator: "\n")
            throw bad("has shape \(extents), whose axes can be read in two ways\(advice)")
        }
    }

    /// What numbers mean that are neither uint8 nor uint16, by reading all of them.
    private static func values(
        _ dataset: HDF5Dataset, elements: Int, _ bad: (String) -> Failure
    ) throws -> Values {
        let rows = dataset.rowsPerRead(atLeast: (1 << 17) / elements)
        let piece = UnsafeMutableBufferPointer<Double>.allocate(capacity: min(rows, dataset.shape[0]) * elements)
        defer { piece.deallocate() }
        var (isWhole, least, most) = (true, Double.infinity, -Double.infinity)
        var notFinite: (place: Int, value: Double)?
        for start in stride(from: 0, to: dataset.shape[0], by: rows) {
            let end = min(dataset.shape[0], start + rows)
            let part = UnsafeMutableBufferPointer(rebasing: piece[..<((end - start) * elements)])
            try dataset.readNumbers(rows: start..<end, into: part)
            for (place, value) in part.enumerated() {
                guard value.isFinite else {
                    notFinite = notFinite ?? (start + place / elements, value)
                    continue
                }
                isWhole = isWhole && value == value.rounded()
                (least, most) = (min(least, value), max(most, value))
            }
        }
        let isInteger = dataset.elementType.isInteger
        // Zeros and ones alone are a picture of two colours, in either type.
        if least >= 0, most <= 255, isInteger || isWhole && most > 1 {
            if let (place, value) = notFinite {
                throw bad("holds \(value) in image \(place) among whole numbers in 0…255, expected finite numbers")
            }
            return .levels
        }
        guard !isInteger else {
            throw bad("is \(dataset.elementType) and holds \(least) to \(most), expected 0…255, or uint16 or floats")
        }
        return least >= 0 && most > 1 && most <= 255 ? .scaledLevels : .reals
    }

    /// Writes the pixels of an image whose elements lie in the file's order.
    func convert<Element>(
        _ source: UnsafePointer<Element>, to target: UnsafeMutableRawPointer, _ number: (Element) -> Double
    ) {
        let scale = values.scale
        var place = 0
        for y in 0..<height {
            for x in 0..<width {
                let pixel = source + y * strides.height + x * strides.width
                for channel in 0..<channels {
                    let value = number(pixel[channel * strides.channel])
                    switch values.pixelType {
                    case .uint8:
                        // What is no level was not there when the file was judged; `confirm` says that it has changed.
                        target.storeBytes(of: UInt8(exactly: value) ?? 0, toByteOffset: place, as: UInt8.self)
                    case .float32:
                        target.storeBytes(of: Float(value * scale), toByteOffset: 4 * place, as: Float.self)
                    }
                    place += 1
                }
            }
        }
    }
}
