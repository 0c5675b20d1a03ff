internal import Diagnostics
internal import Report

/// One IDX file of unsigned bytes: a header of extents, then the elements, outermost extent first.
///
/// Layout: two zero bytes, type (8: unsigned byte), number of extents, each extent as a big-endian 32-bit integer, data.
/// Source: Y. LeCun, C. Cortes, C. Burges, "The MNIST database", description of the file format.
final class IDXFile {
    /// The two files of a split.
    enum Kind: String {
        case images
        case labels
        var rank: Int { self == .images ? 3 : 1 }
        var magic: UInt32 { 0x0800 | UInt32(rank) }
    }

    let path: String
    let extents: [Int]
    /// Elements of one image; 1 for labels.
    var itemBytes: Int { extents.dropFirst().reduce(1, *) }
    var count: Int { extents[0] }

    /// Of bytes behind the gzip data that are no zeros; known after `finish`.
    var warning: String? {
        guard source.hasTrailingGarbage else { return nil }
        return "\(path): \(source.trailingBytes) bytes behind the gzip data are no gzip and were left alone"
    }

    private let source: ByteSource
    private let headerBytes: Int
    private static let largestExtent = 65536
    /// Deflate shrinks by at most 1032.
    private static let largestCompression = 1100

    /// Reads and judges the header; a plain file must have exactly the declared size.
    init(path: String, kind: Kind) throws {
        self.path = path
        source = try ByteSource(path: path)
        headerBytes = 4 + 4 * kind.rank
        let magic = try Self.word(source, what: "the magic number", headerBytes)
        guard magic == kind.magic else { throw Self.wrongMagic(magic, kind, path) }
        var extents: [Int] = []
        for axis in 0..<kind.rank {
            let extent = Int(try Self.word(source, what: "extent \(axis)", headerBytes))
            guard extent > 0, axis == 0 || extent <= Self.largestExtent else {
                let limit = axis == 0 ? "1 or more" : "1…\(Self.largestExtent)"
                throw Failure(.badData, "\(path): byte \(4 + 4 * axis): extent \(axis) is \(extent), expected \(limit)")
            }
            extents.append(extent)
        }
        self.extents = extents
        // At most 2³² · 2¹⁶ · 2¹⁶, which may not fit.
        var declared = 1
        for extent in extents {
            let (next, overflow) = declared.multipliedReportingOverflow(by: extent)
            guard !overflow else { throw Failure(.badData, "\(path): extents \(extents) are too many bytes to count") }
            declared = next
        }
        let text = "extents \(extents.map(String.init).joined(separator: "×")) declare \(headerBytes + declared) bytes"
        if source.isCompressed {
            guard declared / Self.largestCompression <= source.fileBytes else {
                throw Failure(
                    .badData,
                    "\(path): \(text), which \(source.fileBytes) bytes of gzip cannot hold. Fetch the file again.")
            }
        } else {
            guard source.fileBytes == headerBytes + declared else {
                throw Failure(
                    .badData, "\(path): \(text) with the header, the file has \(source.fileBytes). Fetch it again.")
            }
        }
    }

    /// The next elements; all of the buffer is filled.
    func read(into target: UnsafeMutableRawBufferPointer) throws {
        let place = source.position
        let count = try source.read(into: target)
        guard count == target.count else {
            let expected = headerBytes + self.count * itemBytes
            throw Failure(
                .badData,
                "\(path): has \(place + count) bytes\(source.isCompressed ? " unpacked" : ""), expected \(expected); "
                    + "the file is truncated. Fetch it again.")
        }
    }

    /// Insists that nothing follows the elements, and gives the source's name, size and digest as JSON.
    func finish() throws -> JSON {
        var extra: UInt8 = 0
        let place = source.position
        guard try withUnsafeMutableBytes(of: &extra, { try source.read(into: $0) }) == 0 else {
            throw Failure(
                .badData,
                "\(path): byte \(place): more data than the extents \(extents.map(String.init).joined(separator: "×")) "
                    + "declare, expected the end")
        }
        return try source.description()
    }

    private static func word(_ source: ByteSource, what: String, _ headerBytes: Int) throws -> UInt32 {
        var word: UInt32 = 0
        let place = source.position
        guard try withUnsafeMutableBytes(of: &word, { try source.read(into: $0) }) == 4 else {
            throw Failure(
                .badData,
                "\(source.path): byte \(place): ends within \(what), expected an IDX header of \(headerBytes) bytes")
        }
        return UInt32(bigEndian: word)
    }

    private static func wrongMagic(_ magic: UInt32, _ kind: Kind, _ path: String) -> Failure {
        func hexadecimal(_ value: UInt32) -> String {
            let digits = String(value, radix: 16)
            return "0x" + String(repeating: "0", count: 8 - digits.count) + digits
        }
        let other: Kind = kind == .images ? .labels : .images
        let hint: String
        if magic == other.magic {
            hint = "this is a file of \(other.rawValue): are images and labels swapped?"
        } else if magic >> 16 == 0, magic >> 8 & 0xFF != 8, (8...14).contains(magic >> 8 & 0xFF) {
            hint = "the element type 0x\(String(magic >> 8, radix: 16)) is not unsigned byte (0x8)"
        } else if magic >> 16 == 0, magic >> 8 & 0xFF == 8 {
            hint = "\(magic & 0xFF) extents, expected \(kind.rank)"
        } else {
            hint = "this is not an IDX file"
        }
        return Failure(
            .badData,
            "\(path): byte 0: magic number \(hexadecimal(magic)), expected \(hexadecimal(kind.magic)) "
                + "(\(kind.rawValue)); \(hint)")
    }
}
