internal import Diagnostics
internal import HDF5
internal import Synchronization

/// The pixels of encoded pictures, [N, H, W, C], decoded when they are asked for by the threads that ask.
///
/// Sendable: `idle` is guarded by its lock, the library by `library`; the rest does not change.
final class EncodedPixels: ImageStorage, @unchecked Sendable {
    /// The files' bytes.
    let files: any PixelStorage
    private let pictures: EncodedPictures
    /// File and dataset, for messages.
    private let place: String
    /// What the pictures are called in their source, if the file says it; read where one cannot be decoded.
    private let names: HDF5Dataset?
    /// Held while the library reads.
    private let library = Mutex(())
    /// Of threads that are not decoding.
    private let idle = Mutex<[Scratch]>([])

    private final class Scratch: @unchecked Sendable {
        let resizing = ResizeScratch()
        private var bytes = UnsafeMutableRawBufferPointer(start: nil, count: 0)

        deinit { bytes.deallocate() }

        func room(_ count: Int) -> UnsafeMutableRawBufferPointer {
            if bytes.count < count {
                bytes.deallocate()
                bytes = .allocate(byteCount: max(count, 2 * bytes.count), alignment: 64)
            }
            return UnsafeMutableRawBufferPointer(rebasing: bytes[..<count])
        }
    }

    init(_ pictures: EncodedPictures, files: any PixelStorage, place: String, names: HDF5Dataset?) {
        (self.pictures, self.files, self.place, self.names) = (pictures, files, place, names)
    }

    var identity: FileIdentity? { files.identity }
    var imageCount: Int { pictures.count }
    var imageBytes: Int { pictures.shape.bytes }
    var imagesPerPiece: Int { max(1, (1 << 20) / imageBytes) }
    /// The pixels of as many pictures as lie in a unit of the files' bytes on average.
    var unitBytes: Int { files.unitBytes == 1 ? 1 : max(1, files.unitBytes / meanBytes) * imageBytes }
    /// Bytes of a picture, rounded up.
    private var meanBytes: Int { (pictures.offsets[imageCount] + imageCount - 1) / imageCount }

    /// What is watched are the files' bytes.
    func expect(digest: String) {}
    func confirm() throws { try files.confirm() }

    /// Twice the bytes that so many pictures take on average: pictures begin and end inside of units, and some are larger.
    func keep(bytes: Int) { files.keep(bytes: Int.product(2 * meanBytes, (bytes + imageBytes - 1) / imageBytes)) }

    func prepare(_ range: Range<Int>) {
        let images = range.lowerBound / imageBytes..<(range.upperBound + imageBytes - 1) / imageBytes
        files.prepare(pictures.offsets[images.lowerBound]..<pictures.offsets[images.upperBound])
    }

    func read(_ images: Range<Int>, to target: UnsafeMutableRawPointer) throws {
        let scratch = idle.withLock { $0.popLast() } ?? Scratch()
        defer { idle.withLock { $0.append(scratch) } }
        for image in images {
            // A copy, which nobody changes while it is decoded.
            let range = pictures.offsets[image]..<pictures.offsets[image + 1]
            let bytes = scratch.room(range.count)
            try files.copy(range, to: bytes.baseAddress!)
            let result = pictures.preparation.decode(
                UnsafeRawBufferPointer(bytes), to: pictures.shape,
                target + (image - images.lowerBound) * imageBytes, scratch.resizing)
            guard case .failure(let unreadable) = result else { continue }
            // Of a file that has changed it is said that it has.
            try files.confirm()
            throw Failure(
                .badData,
                "\(place)[\(image)]\(name(of: image).map { " (\($0.printable))" } ?? "") \(unreadable.reason); convert the "
                    + "pictures again")
        }
    }

    private func name(of image: Int) -> String? {
        guard let names, let all = try? library.withLock({ _ in try names.readStrings() }) else { return nil }
        return all[image]
    }
}
