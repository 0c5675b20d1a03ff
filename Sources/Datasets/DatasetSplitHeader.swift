internal import Diagnostics
internal import Digests
internal import HDF5
internal import Report
internal import Tensors

/// Everything about a split but its pixels, read and judged when the file is opened.
package struct DatasetSplitHeader: ImageExtents, Sendable {
    package let name: String
    package let count: Int
    package let height: Int
    package let width: Int
    package let channels: Int
    package let slices: Int?
    package let pixelType: PixelType
    package let labels: [Int32]
    package let labelDigest: String
    package let mean: [Float]
    package let std: [Float]
    /// The stored digest of the pixels, when there is one.
    package let storedImageDigest: String?
    /// The stored digest of the bytes that lie in the file: of encoded pictures another than that of their pixels.
    let storedDigest: String?
    let fileOffset: Int?
    /// How the images lie in the file, in words.
    package let storage: String
    /// The shape of the images' chunks; nil where they are not chunked.
    package let chunkShape: [Int]?
    /// What a user should hear though the split can be used.
    package let warnings: [String]
    /// Images of a file that others wrote; nil for one of our format.
    let foreign: ForeignImages?
    /// JPEG and PNG files in the place of pixels; nil for pixels.
    let encoded: EncodedPictures?
    /// Name of the images in their file.
    package let imagesPath: String

    /// Number of images of each class.
    package func counts(of classCount: Int) -> [Int64] {
        var counts = [Int64](repeating: 0, count: classCount)
        for label in labels { counts[Int(label)] += 1 }
        return counts
    }
    var byteCount: Int { count * imageBytes }
    /// Bytes of one image.
    package var imageBytes: Int { height * width * channels * pixelType.byteCount }

    init(_ file: HDF5File, name: String, classCount: Int) throws {
        self.name = name
        foreign = nil
        let isEncoded = Self.isEncoded(name, in: file)
        imagesPath = "/\(name)/\(isEncoded ? "encoded" : "images")"
        let imagesPath = imagesPath
        let labelsPath = "/\(name)/labels"
        func bad(_ path: String, _ text: String) -> Failure {
            Failure(.badData, "\(file.path):\(path.printable)\(text.hasPrefix("@") ? "" : " ")\(text)")
        }

        let dataset = try file.dataset(imagesPath)
        let images = try isEncoded ? Images(encoded: dataset, offsetsAt: "/\(name)/offsets") : Images(pixels: dataset)
        (count, pixelType) = (images.count, images.shape.type)
        (height, width, channels) = (images.shape.height, images.shape.width, images.shape.channels)
        slices = images.slices
        (fileOffset, chunkShape, storage) = (images.fileOffset, images.chunkShape, images.storage)
        (storedDigest, storedImageDigest) = (images.storedDigest, images.pixelDigest)
        (encoded, warnings) = (images.encoded, images.warnings)
        mean = try Self.channelValues("mean", file, imagesPath, channels)
        std = try Self.channelValues("std", file, imagesPath, channels)
        guard mean.isEmpty == std.isEmpty else {
            throw bad(imagesPath, "@\(mean.isEmpty ? "mean" : "std") is missing, expected both mean and std or neither")
        }
        guard std.allSatisfy({ $0 >= 0 }) else { throw bad(imagesPath, "has a negative std, expected 0 or more") }

        let labelSet = try file.dataset(labelsPath)
        let wide = try Self.labels(labelSet, count: count, bad: { bad(labelsPath, $0) })
        if let index = wide.firstIndex(where: { $0 < 0 || $0 >= classCount }) {
            throw Failure(
                .badData,
                "\(file.path):\(labelsPath.printable)[\(index)] = \(wide[index]), expected 0…\(classCount - 1) "
                    + "(\(classCount) classes). Fix the source and convert it again.")
        }
        labels = wide.map { Int32(truncatingIfNeeded: $0) }
        labelDigest = wide.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        if labelSet.elementType == .int64, let stored = try Self.storedDigest(file, labelsPath), stored != labelDigest {
            throw bad(labelsPath, "has SHA-256 \(labelDigest), expected \(stored); the file is damaged. Convert again.")
        }
        if let value = try file.attribute("counts", on: imagesPath), value != .integers(counts(of: classCount)) {
            let expected = HDF5Value.integers(counts(of: classCount))
            throw bad(
                imagesPath,
                "@counts is \(value.description.printable), but its labels count \(expected). Convert again.")
        }
    }

    /// A split of files that others wrote, with class numbers that are known to be good.
    init(name: String, images: ForeignImages, labels: [Int64], warnings: [String] = []) {
        self.name = name
        foreign = images
        encoded = nil
        imagesPath = images.dataset.name
        (count, height, width, channels) = (images.count, images.height, images.width, images.channels)
        slices = images.slices
        pixelType = images.values.pixelType
        self.labels = labels.map { Int32(truncatingIfNeeded: $0) }
        labelDigest = labels.withUnsafeBytes { SHA256.hexadecimal(of: $0) }
        (mean, std) = ([], [])
        (storedImageDigest, storedDigest) = (nil, nil)
        fileOffset = images.isPlain ? images.dataset.fileOffset : nil
        chunkShape = images.dataset.chunkShape
        storage = ([images.dataset.storageDescription] + [images.note].compactMap { $0 }).joined(separator: "; ")
        self.warnings = warnings
    }

    /// What the images were called in their source: a row of texts, `names`, beside them. Empty where the file has none.
    func sampleNames(in file: HDF5File) throws(HDF5Error) -> [String] {
        try names(in: file)?.readStrings() ?? []
    }

    func names(in file: HDF5File) throws(HDF5Error) -> HDF5Dataset? {
        guard let names = try dataset("names", in: file), names.elementType == .string, names.shape == [count] else {
            return nil
        }
        return names
    }

    /// Height and width that the images had before they were brought to one size: `source_sizes` beside them. Empty where the file
    /// has none.
    func sourceSizes(in file: HDF5File) throws(HDF5Error) -> [(height: Int, width: Int)] {
        guard let sizes = try dataset("source_sizes", in: file), sizes.elementType.isInteger, sizes.shape == [count, 2]
        else { return [] }
        let numbers = try sizes.readIntegers()
        return (0..<count).map { (max(1, Int(numbers[2 * $0])), max(1, Int(numbers[2 * $0 + 1]))) }
    }

    /// The dataset of a name in the group that holds the images; nil where there is none.
    private func dataset(_ name: String, in file: HDF5File) throws(HDF5Error) -> HDF5Dataset? {
        let file = foreign?.dataset.file ?? file
        let path = imagesPath.split(separator: "/").dropLast().map { "/\($0)" }.joined() + "/\(name)"
        return file.exists(path) ? try file.dataset(path) : nil
    }

    /// One class number for each image, of any integer type or whole numbers as floats, as (N,) or (N, 1).
    private static func labels(
        _ labels: HDF5Dataset, count: Int, bad: (String) -> Failure
    ) throws -> [Int64] {
        guard labels.shape == [count] || labels.shape == [count, 1] else {
            let isOneHot = labels.shape.count == 2 && labels.shape[0] == count
            throw bad(
                "has shape \(labels.shape), expected [\(count)], one label for each image"
                    + (isOneHot ? "; it looks one-hot: labels.argmax(axis=1) in NumPy gives class numbers" : ""))
        }
        let reals: [Double]
        switch labels.elementType {
        case .float32: reals = try labels.readAll(as: Float.self).map(Double.init)
        case .float64: reals = try labels.readAll(as: Double.self)
        case _ where labels.elementType.isInteger: return try labels.readIntegers()
        default: throw bad("is \(labels.elementType), expected int64 or another integer type")
        }
        return try reals.enumerated().map { index, value in
            guard let whole = Int64(exactly: value) else {
                throw bad("holds \(value) at \(index), expected whole numbers, the classes of the images")
            }
            return whole
        }
    }

    /// None when the attribute is missing.
    private static func channelValues(
        _ name: String, _ file: HDF5File, _ path: String, _ channels: Int
    ) throws -> [Float] {
        let values: [Double]
        let found = try file.attribute(name, on: path)
        switch found {
        case nil, .empty: return []
        case .reals(let numbers): values = numbers
        case .integers(let numbers): values = numbers.map { Double($0) }
        case .real(let number): values = [number]
        case .integer(let number): values = [Double(number)]
        case .string: values = []
        }
        let narrow = values.map { Float($0) }
        guard narrow.count == channels, narrow.allSatisfy(\.isFinite) else {
            throw Failure(
                .badData,
                "\(file.path):\(path.printable)@\(name) is \(found?.description.printable ?? ""), expected \(channels) "
                    + "finite numbers, one a channel")
        }
        return narrow
    }

    /// Whether a group that is not named as a split holds what one does.
    static func isLabelled(_ name: String, in file: HDF5File) -> Bool {
        file.exists("/\(name)/labels") && (file.exists("/\(name)/images") || isEncoded(name, in: file))
    }

    /// Whether a split holds encoded pictures and no pixels.
    static func isEncoded(_ name: String, in file: HDF5File) -> Bool {
        !file.exists("/\(name)/images") && file.exists("/\(name)/encoded")
    }

    fileprivate static func storedDigest(
        _ file: HDF5File, _ path: String, _ attribute: String = "sha256"
    ) throws -> String? {
        guard let value = try file.attribute(attribute, on: path) else { return nil }
        guard case .string(let text) = value, text.utf8.count == 64,
            text.utf8.allSatisfy({ (48...57).contains($0) || (97...102).contains($0) })
        else {
            throw Failure(
                .badData,
                "\(file.path):\(path.printable)@\(attribute) is \(value.description.printable), expected 64 hexadecimal digits"
            )
        }
        return text
    }
}

/// What lies in a dataset file as the images of a split, and what becomes of it.
private struct Images {
    let count: Int
    let shape: ImageShape
    /// Of volumes.
    var slices: Int?
    let storage: String
    var fileOffset: Int?
    var chunkShape: [Int]?
    var encoded: EncodedPictures?
    var warnings: [String] = []
    /// The stored digests of the bytes in the file and of the pixels.
    let storedDigest: String?
    let pixelDigest: String?

    /// Throws: `Failure`: 65 for what is no images, `HDF5Error`.
    init(pixels images: HDF5Dataset) throws {
        func bad(_ text: String) -> Failure { Failure(.badData, "\(images.place) \(text)") }
        let isVolume = images.shape.count == 5
        guard images.shape.count == 4 || isVolume, images.shape.allSatisfy({ $0 > 0 }) else {
            let advice = images.shape.count == 3 ? "; if they are gray, add an axis: images[..., None] in NumPy" : ""
            throw bad(
                "has shape \(images.shape), expected (N, H, W, C), or (N, D, H, W, C) of volumes, with no extent 0\(advice)"
            )
        }
        let layout = try images.file.attribute("layout", on: images.name)
        let expected = isVolume ? "NDHWC" : "NHWC"
        guard layout == nil || layout == .empty || layout == .string(expected) else {
            throw bad("has layout \(layout?.description.printable ?? ""), expected \(expected)")
        }
        guard layout == .string(expected) || !Self.looksLikeChannelsFirst(images.shape) else {
            let (first, axes, order) =
                isVolume ? ("NCDHW", "(N, D, H, W, C)", "0, 2, 3, 4, 1") : ("NCHW", "(N, H, W, C)", "0, 2, 3, 1")
            throw bad(
                "has shape \(images.shape), which looks like channels first (\(first)), expected \(axes): "
                    + "images.transpose(\(order)) in NumPy; or, if it is right, say so with the attribute layout = \(expected)"
            )
        }
        let type: PixelType
        switch images.elementType {
        case .uint8: type = .uint8
        case .float32, .float64: type = .float32
        default:
            throw bad(
                "is \(images.elementType), expected uint8 or float32: images.astype('uint8') in NumPy for 0…255, "
                    + "images.astype('float32') for 0…1")
        }
        let isNarrowed = images.elementType == .float64
        count = images.shape[0]
        slices = isVolume ? images.shape[1] : nil
        let plane = images.shape.suffix(3).map { $0 }
        shape = ImageShape(
            height: Int.product(slices ?? 1, plane[0]), width: plane[1], channels: plane[2], type: type)
        fileOffset = isNarrowed ? nil : images.fileOffset
        chunkShape = images.chunkShape
        storage = images.storageDescription + (isNarrowed ? ", float64 read as float32" : "")
        // It is of bytes that are not used as they are.
        storedDigest = isNarrowed ? nil : try DatasetSplitHeader.storedDigest(images.file, images.name)
        pixelDigest = storedDigest
        warnings = isNarrowed ? ["\(images.place) is float64, read as float32"] : []
    }

    /// Throws: `Failure`: 65 for what are no pictures, `HDF5Error`.
    init(encoded bytes: HDF5Dataset, offsetsAt path: String) throws {
        var preprocessing: String?
        if case .string(let text)? = try bytes.file.attribute("preprocessing", on: "/") { preprocessing = text }
        let pictures = try EncodedPictures(bytes, offsetsAt: path, preprocessing: preprocessing)
        encoded = pictures
        (count, shape) = (pictures.count, pictures.shape)
        storage = "JPEG and PNG files of \(NumberText.megabytes(bytes.count))"
        storedDigest = try DatasetSplitHeader.storedDigest(bytes.file, bytes.name)
        pixelDigest = try DatasetSplitHeader.storedDigest(bytes.file, bytes.name, "pixels_sha256")
    }

    /// Few channels where the height should be, and more of everything behind them.
    private static func looksLikeChannelsFirst(_ shape: [Int]) -> Bool {
        [1, 3, 4].contains(shape[1]) && shape[2...].allSatisfy { $0 > 4 }
    }
}
