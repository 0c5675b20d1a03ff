package import Datasets
internal import Diagnostics
internal import Files
internal import Foundation
internal import Tensors

/// One image that a user names: a picture, or `DATASET:SPLIT:INDEX`, an image of a dataset file (the first one where no
/// index is given, of the first split where no split is).
package struct GivenImage {
    /// As it is called in a title: the picture's file name, or `d.h5/test/7`.
    package let name: String
    package let shape: ImageShape
    /// [H, W, C], uint8, or float32 in 0…1.
    package let bytes: [UInt8]

    /// At its own size, at another, or brought to a shape [C, H, W], as `preparation` says. Throws: `Failure`: 66 where nothing
    /// is, 64 for an index outside, 65 for what is no image.
    package init(
        _ text: String, fitting target: (channels: Int, height: Int, width: Int)? = nil,
        size: ImagePreparation.Size? = nil,
        preparation: ImagePreparation = ImagePreparation()
    ) throws {
        let place = try Place(text)
        var own =
            try target.map { ImageShape(height: $0.height, width: $0.width, channels: $0.channels) }
            ?? place.shape(preparation)
        if let size { (own.height, own.width) = (size.height, size.width) }
        let images = try GivenImages(
            paths: [place.path], height: own.height, width: own.width, channels: own.channels, preparation: preparation,
            split: place.split)
        guard place.index < images.count else {
            throw Failure(.usage, "\(text): image \(place.index), expected 0…\(images.count - 1)")
        }
        var bytes = [UInt8](repeating: 0, count: own.count * images.pixelType.byteCount)
        let pool = try ThreadPool(threads: 1)
        let reason = try bytes.withUnsafeMutableBytes {
            try images.load(place.index..<place.index + 1, into: $0.baseAddress!, pool: pool)[0]
        }
        if let reason { throw Failure(.badData, "\(text): \(reason.reason)") }
        name = place.split == nil && !place.isDataset ? FilePath.name(of: place.path) : images.name(of: place.index)
        shape = ImageShape(height: own.height, width: own.width, channels: own.channels, type: images.pixelType)
        self.bytes = bytes
    }

    /// The file that such a text names, whether it is there or not.
    package static func file(of text: String) -> String { Place.divided(text).path }

    /// [H, W, C] in 0…1.
    package var values: [Float] {
        guard shape.type == .float32 else { return bytes.map { Float($0) / 255 } }
        return bytes.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
    }

    /// [C, H, W] in 0…1.
    package var planes: [Float] {
        let (values, channels) = (values, shape.channels)
        return (0..<channels).flatMap { channel in
            stride(from: channel, to: values.count, by: channels).map { values[$0] }
        }
    }
}

/// Where an image lies.
private struct Place {
    let path: String
    var split: String?
    var index = 0
    let isDataset: Bool

    /// A path may hold colons: the longest beginning that exists is the file.
    static func divided(_ text: String) -> (path: String, tail: [String]) {
        var parts = text.split(separator: ":", omittingEmptySubsequences: false).map(String.init)
        var tail: [String] = []
        while parts.count > 1, tail.count < 2, !FileManager.default.fileExists(atPath: parts.joined(separator: ":")) {
            tail.insert(parts.removeLast(), at: 0)
        }
        return (parts.joined(separator: ":"), tail)
    }

    init(_ text: String) throws {
        let tail: [String]
        (path, tail) = Self.divided(text)
        let glance = FileGlance(path)
        guard glance != .missing else {
            throw Failure(.inputMissing, "\(path): \(String(cString: strerror(errno)))")
        }
        guard glance != .folder else {
            throw Failure(.usage, "\(path): is a folder, expected one picture, or DATASET:SPLIT:INDEX")
        }
        isDataset = glance == .hdf5
        guard let last = tail.last else { return }
        guard isDataset else {
            throw Failure(.usage, "\(text): \(path) is \(glance.words); SPLIT:INDEX belong to a dataset file")
        }
        if let number = Int(last) {
            guard number >= 0 else { throw Failure(.usage, "\(text): image \(number), expected 0 or more") }
            (index, split) = (number, tail.count > 1 ? tail[0] : nil)
        } else {
            guard tail.count == 1 else {
                throw Failure(.usage, "\(text): \(last) is no number, expected DATASET:SPLIT:INDEX")
            }
            split = last
        }
    }

    /// The shape that the image has where it lies.
    func shape(_ preparation: ImagePreparation) throws -> ImageShape {
        if isDataset {
            guard let images = try StoredImages.all(in: path, split: split).first?.images else {
                throw Failure(.badData, "\(path): holds no images")
            }
            guard images.slices == nil else {
                throw Failure(.badData, "\(path): holds volumes \(images.sizeText), expected images")
            }
            return ImageShape(height: images.height, width: images.width, channels: images.channels)
        }
        let fetched = FetchedImages()
        ImageFile.read(Array(path.utf8CString), head: nil, into: fetched)
        switch fetched[0].flatMap({ preparation.measure($0) }) {
        case .success(let shape): return shape
        case .failure(let unreadable): throw Failure(.badData, "\(path): \(unreadable.reason)")
        }
    }
}
