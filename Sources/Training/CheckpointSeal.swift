internal import Diagnostics
internal import Digests

/// The 64 bytes behind a checkpoint's HDF5 image that say where it ends and what it must be.
///
/// Layout: 16 bytes magic, int64 little-endian image length, 32 bytes SHA-256 of the image, 8 bytes zero. It is verified
/// with plain reads before libhdf5 sees the file, because a flipped bit can crash libhdf5 1.10.8.
enum CheckpointSeal {
    static let byteCount = 64
    private static let magic = Array("swift-train.seal".utf8)

    static func seal(for image: UnsafeRawBufferPointer) -> [UInt8] {
        var hash = SHA256()
        hash.update(image)
        return magic + withUnsafeBytes(of: Int64(image.count).littleEndian, Array.init) + hash.finalize()
            + [UInt8](repeating: 0, count: 8)
    }

    /// Whether these bytes open with the seal's magic.
    static func isMarked(_ bytes: UnsafeRawBufferPointer) -> Bool { bytes.prefix(magic.count).elementsEqual(magic) }

    /// The image in front of a whole and unchanged seal. Throws: `Failure(.badData)`.
    static func image(in file: UnsafeRawBufferPointer, path: String) throws -> UnsafeRawBufferPointer {
        guard file.count > byteCount else {
            throw Failure(
                .badData, "\(path): \(file.count) bytes, too short for a checkpoint; it is truncated or something else")
        }
        let image = UnsafeRawBufferPointer(rebasing: file[..<(file.count - byteCount)])
        let found = file[(file.count - byteCount)...]
        guard isMarked(UnsafeRawBufferPointer(rebasing: found)) else {
            throw Failure(
                .badData,
                "\(path): no seal in the last \(byteCount) bytes, expected one; the file is truncated, or not a "
                    + "checkpoint of this program")
        }
        guard found.elementsEqual(seal(for: image)) else {
            throw Failure(
                .badData,
                "\(path): the contents do not match their SHA-256 seal; the file is damaged, use an earlier checkpoint")
        }
        return image
    }
}
