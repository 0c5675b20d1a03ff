internal import CZlib
internal import HDF5

/// Undoes what HDF5's filters did to a chunk. Throws the reason, in words, when the bytes are not what the filters make.
struct ChunkFilters {
    struct Damage: Error {
        let reason: String
    }

    let filters: [HDF5ChunkTable.Filter]
    let elementBytes: Int
    /// Without filters.
    let chunkBytes: Int

    /// `stored` as it lies in the file; what is in it is lost. `scratch` and `target` take `chunkBytes`.
    func undo(
        _ stored: UnsafeMutableRawBufferPointer, skipping skipped: UInt32, scratch: UnsafeMutableRawPointer,
        to target: UnsafeMutableRawPointer
    ) throws(Damage) {
        var bytes = UnsafeRawBufferPointer(stored)
        let used = filters.indices.reversed().filter { $0 >= 32 || skipped & 1 << UInt32($0) == 0 }.map { filters[$0] }
        var writersLeft = used.count { $0 != .fletcher32 }
        for filter in used {
            // They take turns, and the last one writes to the target.
            let next = writersLeft.isMultiple(of: 2) ? scratch : target
            switch filter {
            case .fletcher32:
                bytes = try Self.checked(bytes)
                continue
            case .deflate:
                try inflate(bytes, to: next)
            case .shuffle:
                guard bytes.count == chunkBytes else { throw wrongSize(bytes.count) }
                unshuffle(bytes, to: next)
            }
            bytes = UnsafeRawBufferPointer(start: next, count: chunkBytes)
            writersLeft -= 1
        }
        guard bytes.count == chunkBytes else { throw wrongSize(bytes.count) }
        if let base = bytes.baseAddress, base != UnsafeRawPointer(target) {
            target.copyMemory(from: base, byteCount: chunkBytes)
        }
    }

    private func wrongSize(_ count: Int) -> Damage { Damage(reason: "holds \(count) bytes, expected \(chunkBytes)") }

    private func inflate(_ bytes: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) throws(Damage) {
        var size = uLongf(chunkBytes)
        let code = uncompress(
            target.assumingMemoryBound(to: UInt8.self), &size, bytes.baseAddress?.assumingMemoryBound(to: UInt8.self),
            uLong(bytes.count))
        switch code {
        case Z_OK where Int(size) == chunkBytes: return
        case Z_OK: throw wrongSize(Int(size))
        case Z_BUF_ERROR: throw Damage(reason: "unpacks to more than \(chunkBytes) bytes, or ends early")
        case Z_MEM_ERROR: throw Damage(reason: "cannot be unpacked: no memory")
        default: throw Damage(reason: "is not what gzip makes")
        }
    }

    /// Byte b of all elements stands together; what does not fill an element stays at the end.
    private func unshuffle(_ bytes: UnsafeRawBufferPointer, to target: UnsafeMutableRawPointer) {
        let (elements, rest) = (bytes.count / elementBytes, bytes.count % elementBytes)
        for byte in 0..<elementBytes {
            for element in 0..<elements {
                target.storeBytes(
                    of: bytes[byte * elements + element], toByteOffset: element * elementBytes + byte, as: UInt8.self)
            }
        }
        for place in bytes.count - rest..<bytes.count {
            target.storeBytes(of: bytes[place], toByteOffset: place, as: UInt8.self)
        }
    }

    /// Without the checksum at the end. Early writers on little-endian machines swapped the bytes of its halves.
    private static func checked(_ bytes: UnsafeRawBufferPointer) throws(Damage) -> UnsafeRawBufferPointer {
        guard bytes.count >= 4 else { throw Damage(reason: "has \(bytes.count) bytes, no room for a checksum") }
        let content = UnsafeRawBufferPointer(rebasing: bytes[..<(bytes.count - 4)])
        let stored = UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: content.count, as: UInt32.self))
        let found = fletcher32(content)
        let swapped = (found & 0x00FF_00FF) << 8 | (found & 0xFF00_FF00) >> 8
        guard stored == found || stored == swapped else {
            throw Damage(
                reason: "has the Fletcher32 checksum \(String(found, radix: 16)), expected \(String(stored, radix: 16))"
            )
        }
        return content
    }

    /// Over big-endian words of 16 bits, a last odd byte as the upper half of one. Source: Fletcher, "An arithmetic checksum for
    /// serial transmissions", 1982; HDF5 File Format Specification.
    static func fletcher32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
        var (first, second): (UInt32, UInt32) = (0, 0)
        func fold(_ sum: UInt32) -> UInt32 { (sum & 0xFFFF) + sum >> 16 }
        // So many words fit before the second sum leaves 32 bits.
        let words = bytes.count / 2
        for start in stride(from: 0, to: words, by: 360) {
            for word in start..<min(words, start + 360) {
                let pair = bytes.loadUnaligned(fromByteOffset: 2 * word, as: UInt16.self)
                first &+= UInt32(UInt16(bigEndian: pair))
                second &+= first
            }
            (first, second) = (fold(first), fold(second))
        }
        if !bytes.count.isMultiple(of: 2) {
            first &+= UInt32(bytes[bytes.count - 1]) << 8
            second &+= first
            (first, second) = (fold(first), fold(second))
        }
        return fold(second) << 16 | fold(first)
    }
}
