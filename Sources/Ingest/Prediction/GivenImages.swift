package import Datasets
internal import Diagnostics
internal import Glibc
package import Tensors

/// The images that a user names: pictures, folders of them, tars and dataset files, in the order given, brought to the shape that
/// a network takes.
///
/// Memory: the names, and the bytes of the images that are being loaded.
package final class GivenImages: ImageList {
    package let count: Int
    package let pixelType: PixelType
    /// Files that cannot be images, found while listing.
    package let leftOut: [(name: String, reason: UnreadableImage)]

    private let parts: [any ImagePart]
    /// The first image of each part.
    private let starts: [Int]
    private let shape: ImageShape
    private let preparation: ImagePreparation
    private var fetched: [FetchedImages] = []
    private var scratch: [ResizeScratch] = []
    private var bytes: [UnsafeMutableRawBufferPointer] = []

    /// Lists what lies at the paths. `split` chooses one of the dataset files' (all).
    ///
    /// Throws: `Failure`: 66 for a path where nothing is, 65 for a dataset file whose images the network does not take, and
    /// where there is no image at all.
    package init(
        paths: [String], height: Int, width: Int, channels: Int, preparation: ImagePreparation, split: String? = nil
    ) throws {
        var preparation = preparation
        preparation.size = ImagePreparation.Size(width: width, height: height)
        preparation.channels = channels
        self.preparation = preparation
        let shape = ImageShape(height: height, width: width, channels: channels)
        self.shape = shape
        var (parts, leftOut) = ([any ImagePart](), [(String, UnreadableImage)]())
        for path in paths {
            switch FileGlance(path) {
            case .missing: throw Failure(.inputMissing, "\(path): \(String(cString: strerror(errno)))")
            case .folder:
                let tree = try FileTree(path)
                for item in tree.leftOut where item.isBad {
                    leftOut.append((Self.join(path, item.file), UnreadableImage(item.reason)))
                }
                parts.append(PictureFiles(root: path, files: tree.files))
            case .tar: parts.append(try TarPictures(path))
            case .gzip where Self.isTarName(path): parts.append(try TarPictures(path))
            case .hdf5: parts += try HDF5Pictures.parts(of: path, split: split, shape: shape)
            default: parts.append(PictureFiles(file: path))
            }
        }
        self.parts = parts.filter { $0.count > 0 }
        self.leftOut = leftOut
        var starts = [0]
        for part in self.parts { starts.append(starts[starts.count - 1] + part.count) }
        count = starts.removeLast()
        self.starts = starts
        pixelType = self.parts.contains { $0.pixels?.type == .float32 } ? .float32 : .uint8
        guard count > 0 else {
            throw Failure(
                .badData,
                "\(paths.joined(separator: ", ")): no image; expected JPEG or PNG files, folders or tars of them, or dataset files"
            )
        }
    }

    deinit {
        for buffer in bytes { buffer.deallocate() }
    }

    package func name(of image: Int) -> String {
        let part = starts.run(holding: image)
        return parts[part].name(of: image - starts[part])
    }

    package func load(
        _ images: Range<Int>, into pixels: UnsafeMutableRawPointer, pool: ThreadPool
    ) throws -> [UnreadableImage?] {
        var results: [UnreadableImage?] = []
        results.reserveCapacity(images.count)
        var next = images.lowerBound
        while next < images.upperBound {
            let part = starts.run(holding: next)
            let end = min(images.upperBound, starts[part] + parts[part].count)
            let target = pixels + results.count * shape.height * shape.width * shape.channels * pixelType.byteCount
            results += try load(next - starts[part]..<end - starts[part], of: parts[part], into: target, pool)
            try parts[part].confirm()
            next = end
        }
        return results
    }

    private func load(
        _ images: Range<Int>, of part: any ImagePart, into pixels: UnsafeMutableRawPointer, _ pool: ThreadPool
    ) throws -> [UnreadableImage?] {
        let slotBytes = shape.bytes * pixelType.byteCount
        while fetched.count < max(pool.threads, 1) {
            fetched.append(FetchedImages())
            scratch.append(ResizeScratch())
            bytes.append(.allocate(byteCount: pixelType == .float32 ? shape.bytes : 0, alignment: 64))
        }
        if !part.isConcurrent {
            fetched[0].removeAll()
            for image in images { try part.fetch(image, into: fetched[0]) }
        }
        var results = [UnreadableImage?](repeating: nil, count: images.count)
        results.withUnsafeMutableBufferPointer { results in
            // Each unit writes its own element alone.
            let reasons = results.baseAddress!
            pool.run(images.count) { [self] unit, worker in
                var source = fetched[0]
                if part.isConcurrent {
                    source = fetched[worker]
                    source.removeAll()
                    do { try part.fetch(images.lowerBound + unit, into: source) } catch {
                        return reasons[unit] = UnreadableImage((error as? Failure)?.message ?? "\(error)")
                    }
                }
                let failure = source[part.isConcurrent ? 0 : unit].flatMapFailure { image in
                    prepare(image, part.pixels, pixels + unit * slotBytes, worker)
                }
                reasons[unit] = failure.map {
                    UnreadableImage(
                        $0.reason,
                        isBad: !$0.isForeign || part.isNamed(images.lowerBound + unit)
                            || ForeignFormat.isImageName(part.name(of: images.lowerBound + unit)))
                }
            }
        }
        return results
    }

    /// Brings one image to the network's shape and type.
    private func prepare(
        _ image: UnsafeRawBufferPointer, _ own: ImageShape?, _ slot: UnsafeMutableRawPointer, _ worker: Int
    ) -> Unreadable? {
        if own?.type == .float32 {
            slot.copyMemory(from: image.baseAddress!, byteCount: image.count)
            return nil
        }
        let target = pixelType == .uint8 ? slot : bytes[worker].baseAddress!
        let failure: Unreadable?
        if let own {
            failure = preparation.fit(
                image.baseAddress!.assumingMemoryBound(to: UInt8.self), height: own.height, width: own.width, to: shape,
                target.assumingMemoryBound(to: UInt8.self), scratch[worker])
        } else {
            switch preparation.decode(image, to: shape, target, scratch[worker]) {
            case .success: failure = nil
            case .failure(let unreadable): failure = unreadable
            }
        }
        if pixelType == .float32, failure == nil {
            let reals = slot.assumingMemoryBound(to: Float.self)
            for place in 0..<shape.bytes {
                reals[place] = Float(target.load(fromByteOffset: place, as: UInt8.self)) / 255
            }
        }
        return failure
    }

    private static func isTarName(_ path: String) -> Bool {
        let name = path.lowercased()
        return name.hasSuffix(".tgz") || name.hasSuffix(".tar.gz")
    }

    fileprivate static func join(_ folder: String, _ name: String) -> String {
        folder.hasSuffix("/") ? folder + name : "\(folder)/\(name)"
    }
}

extension Result where Failure == Unreadable {
    /// The failure, or what the value leads to.
    fileprivate func flatMapFailure(_ body: (Success) -> Unreadable?) -> Unreadable? {
        switch self {
        case .success(let value): body(value)
        case .failure(let unreadable): unreadable
        }
    }
}

/// The images of one path.
private protocol ImagePart: AnyObject {
    var count: Int { get }
    /// The shape of pixels; nil for encoded pictures.
    var pixels: ImageShape? { get }
    /// Whether `fetch` may be called by several threads at once and in any order.
    var isConcurrent: Bool { get }
    func name(of image: Int) -> String
    /// Whether the user has named this very file.
    func isNamed(_ image: Int) -> Bool
    /// Adds an image's bytes, or why there are none. Throws what makes all later images unreadable.
    func fetch(_ image: Int, into images: FetchedImages) throws
    /// Throws: `Failure(.inputOutput)` when what was fetched may not be what the part held when it was opened.
    func confirm() throws
}

extension ImagePart {
    func confirm() throws {}
    var isConcurrent: Bool { false }
    var pixels: ImageShape? { nil }
    func isNamed(_ image: Int) -> Bool { false }
}

/// Pictures below a folder, or one by itself.
private final class PictureFiles: ImagePart {
    let isConcurrent = true
    private let root: String?
    private let files: [[UInt8]]

    init(root: String, files: [[UInt8]]) { (self.root, self.files) = (root, files) }
    init(file: String) { (root, files) = (nil, [Array(file.utf8)]) }

    var count: Int { files.count }
    func isNamed(_ image: Int) -> Bool { root == nil }

    func name(of image: Int) -> String {
        let name = PathText.display(files[image])
        return root.map { GivenImages.join($0, name) } ?? name
    }

    func fetch(_ image: Int, into images: FetchedImages) {
        let path = root.map { PathText.cPath(Array($0.utf8), files[image]) } ?? PathText.cPath(files[image], [])
        ImageFile.read(path, head: nil, into: images)
    }
}

/// The images of a tar file; labels beside them do not matter.
private final class TarPictures: ImagePart {
    private let path: String
    private let images: [TarIndex.Image]
    private let walk: TarWalk

    init(_ path: String) throws {
        self.path = path
        images = try TarIndex([path]).images
        walk = TarWalk([path])
    }

    var count: Int { images.count }
    func name(of image: Int) -> String { GivenImages.join(path, PathText.display(images[image].name)) }
    func fetch(_ image: Int, into fetched: FetchedImages) throws { try walk.fetch(images[image].member, into: fetched) }
}

/// Images of an HDF5 file, read as training and evaluation read them.
private final class HDF5Pictures: ImagePart {
    let isConcurrent = true
    let pixels: ImageShape?
    private let stored: StoredImages
    private let path: String

    /// Throws: `Failure(.badData)`, also for images that are not brought to the wanted shape.
    static func parts(of path: String, split: String?, shape: ImageShape) throws -> [HDF5Pictures] {
        try StoredImages.all(in: path, split: split).map { try HDF5Pictures($0, path, shape) }
    }

    private init(_ stored: StoredImages, _ path: String, _ wanted: ImageShape) throws {
        (self.stored, self.path) = (stored, path)
        let images = stored.images
        let shape = ImageShape(
            height: images.height, width: images.width, channels: images.channels, slices: images.slices,
            type: images.pixelType)
        guard shape.slices == nil else {
            throw Failure(
                .badData, "\(GivenImages.join(path, stored.name)): holds volumes \(shape.text), expected images")
        }
        let isOfSize = (shape.height, shape.width) == (wanted.height, wanted.width)
        guard shape.channels == wanted.channels, isOfSize || shape.type == .uint8 && shape.bytes <= 1 << 28 else {
            throw Failure(
                .badData,
                "\(GivenImages.join(path, stored.name)): holds images of \(shape.text) \(shape.type.rawValue), expected "
                    + "\(wanted.channels) channels"
                    + (shape.type == .float32
                        ? " and \(wanted.height)×\(wanted.width), which only uint8 is brought to" : ""))
        }
        pixels = shape
    }

    var count: Int { stored.images.count }

    func name(of image: Int) -> String {
        GivenImages.join(path, "\(stored.name)/\(stored.names.isEmpty ? "\(image)" : stored.names[image])")
    }

    func fetch(_ image: Int, into images: FetchedImages) throws {
        let bytes = stored.images.imageBytes
        try stored.images.fill(images.room(bytes).baseAddress!, sample: image)
        images.fill(bytes)
        images.endImage()
    }

    func confirm() throws { try stored.images.confirm() }
}
