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

    /// Looks at a file's length and its last bytes alone. Throws: `Failure(.badData)` when no seal of this length is there.
    static func requireLength(_ fileBytes: Int, tail: [UInt8], path: String) throws {
        guard fileBytes > byteCount else {
            throw Failure(
                .badData, "\(path): \(fileBytes) bytes, too short for a checkpoint; it is truncated or something else")
        }
        guard tail.count == byteCount, tail.withUnsafeBytes(isMarked) else {
            throw Failure(
                .badData,
                "\(path): no seal in the last \(byteCount) bytes, expected one; the file is truncated, or not a "
                    + "checkpoint of this program")
        }
        let length = tail.withUnsafeBytes {
            Int64(littleEndian: $0.loadUnaligned(fromByteOffset: magic.count, as: Int64.self))
        }
        guard length == fileBytes - byteCount else { throw damaged(path) }
    }

    /// The image in front of a whole and unchanged seal. Throws: `Failure(.badData)`.
    static func image(in file: UnsafeRawBufferPointer, path: String) throws -> UnsafeRawBufferPointer {
        let tail = UnsafeRawBufferPointer(rebasing: file.suffix(byteCount))
        try requireLength(file.count, tail: Array(tail), path: path)
        let image = UnsafeRawBufferPointer(rebasing: file.dropLast(byteCount))
        guard tail.elementsEqual(seal(for: image)) else { throw damaged(path) }
        return image
    }

    private static func damaged(_ path: String) -> Failure {
        Failure(
            .badData,
            "\(path): the contents do not match their SHA-256 seal; the file is damaged, use an earlier checkpoint")
    }
}
