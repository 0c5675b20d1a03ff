internal import CZlib
internal import Datasets
internal import Diagnostics
internal import Digests
internal import Files
internal import Glibc

/// The bytes of a file, unpacked if it is gzip, handed out in order; the digest of the file as it lies is taken on the way.
///
/// Throws `Failure`: 66 when the file is missing, 65 when gzip is damaged or ends early, 74 when reading fails.
final class ByteSource {
    let path: String
    let isCompressed: Bool
    /// Size of the file as it lies.
    let fileBytes: Int
    /// Unpacked bytes handed out so far.
    private(set) var position = 0

    private let descriptor: Int32
    private var hash = SHA256()
    /// At a fixed address, because zlib keeps a pointer to it.
    private let stream: UnsafeMutablePointer<z_stream>
    private let buffer: UnsafeMutableBufferPointer<UInt8>
    private var available = UnsafeMutableBufferPointer<UInt8>(start: nil, count: 0)
    private var isAtEndOfFile = false
    private var isAtEndOfMember = false
    private var fileBytesRead = 0
    /// What stands behind the last gzip member and is no further one: bytes of padding (tapes, block devices) or of something
    /// else, which gzip leaves alone too.
    private(set) var trailingBytes = 0
    private(set) var hasTrailingGarbage = false
    private static let gzipMagic: [UInt8] = [0x1F, 0x8B]
    /// Added to 15 window bits, it makes zlib expect a gzip header and check the trailer's CRC.
    private static let gzipWindowBits: Int32 = 15 + 16

    init(path: String) throws {
        self.path = path
        descriptor = try InputDescriptor.open(path, expected: "IDX, plain or gzip")
        var status = stat()
        guard fstat(descriptor, &status) == 0 else {
            close(descriptor)
            throw Failure(.inputOutput, "\(path): \(String(cString: strerror(errno)))")
        }
        fileBytes = Int(status.st_size)
        var head: [UInt8] = [0, 0]
        var found = -1
        repeat { found = pread(descriptor, &head, 2, 0) } while found < 0 && errno == EINTR
        isCompressed = found == 2 && head == Self.gzipMagic
        buffer = .allocate(capacity: 1 << 18)
        stream = .allocate(capacity: 1)
        stream.initialize(to: z_stream())
        if isCompressed {
            let code = inflateInit2_(stream, Self.gzipWindowBits, ZLIB_VERSION, Int32(MemoryLayout<z_stream>.size))
            guard code == Z_OK else {
                throw Failure(.internalError, "\(path): zlib does not start (code \(code))")
            }
        }
    }

    deinit {
        if isCompressed { inflateEnd(stream) }
        stream.deallocate()
        buffer.deallocate()
        close(descriptor)
    }

    /// Fills the buffer as far as the data goes; returns the bytes filled.
    func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        var filled = 0
        while filled < target.count {
            let rest = UnsafeMutableRawBufferPointer(rebasing: target[filled...])
            let count = isCompressed ? try inflated(into: rest) : try copied(into: rest)
            if count == 0 { break }
            filled += count
            position += count
        }
        return filled
    }

    /// SHA-256 of the file as it lies; reads what is left of it.
    func finishDigest() throws -> String {
        while !isAtEndOfFile {
            available = UnsafeMutableBufferPointer(rebasing: buffer[..<0])
            try refill()
        }
        var complete = SHA256()
        swap(&hash, &complete)
        return complete.hexadecimal()
    }

    private func copied(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        if available.isEmpty { try refill() }
        let count = min(available.count, target.count)
        guard count > 0 else { return 0 }
        target.copyMemory(from: UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: available[..<count])))
        available = UnsafeMutableBufferPointer(rebasing: available[count...])
        return count
    }

    private func inflated(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        // zlib counts in 32 bits.
        let room = min(target.count, 1 << 30)
        stream.pointee.next_out = target.baseAddress?.assumingMemoryBound(to: UInt8.self)
        stream.pointee.avail_out = UInt32(room)
        while stream.pointee.avail_out == UInt32(room) {
            if available.isEmpty { try refill() }
            if isAtEndOfMember {
                guard try nextMemberFollows() else {
                    try skipTrailingBytes()
                    return 0
                }
                guard inflateReset(stream) == Z_OK else { throw damaged("cannot go on after a member") }
                isAtEndOfMember = false
            } else if available.isEmpty {
                throw Failure(
                    .badData,
                    "\(path): gzip data ends after \(fileBytes) bytes in the middle of its stream (\(position) bytes "
                        + "unpacked); the file is truncated. Fetch it again.")
            }
            stream.pointee.next_in = available.baseAddress
            stream.pointee.avail_in = UInt32(available.count)
            let code = inflate(stream, Z_NO_FLUSH)
            let used = available.count - Int(stream.pointee.avail_in)
            available = UnsafeMutableBufferPointer(rebasing: available[used...])
            if code == Z_STREAM_END {
                isAtEndOfMember = true
            } else if code != Z_OK, code != Z_BUF_ERROR {
                throw damaged(stream.pointee.msg.map { String(cString: $0) } ?? "code \(code)")
            }
        }
        return room - Int(stream.pointee.avail_out)
    }

    private func nextMemberFollows() throws -> Bool {
        if available.count == 1 { try refill() }
        return available.starts(with: Self.gzipMagic)
    }

    private func skipTrailingBytes() throws {
        while !available.isEmpty {
            trailingBytes += available.count
            if available.contains(where: { $0 != 0 }) { hasTrailingGarbage = true }
            available = UnsafeMutableBufferPointer(rebasing: available[available.count...])
            try refill()
        }
    }

    private func damaged(_ reason: String) -> Failure {
        Failure(
            .badData,
            "\(path): gzip data is damaged before byte \(fileBytesRead - available.count) of \(fileBytes): \(reason). "
                + "Fetch the file again.")
    }

    /// Reads on behind what is still available.
    private func refill() throws {
        guard !isAtEndOfFile else { return }
        let kept = available.count
        if kept > 0, let start = available.baseAddress { buffer.baseAddress!.update(from: start, count: kept) }
        var count = -1
        repeat {
            count = Glibc.read(descriptor, buffer.baseAddress! + kept, buffer.count - kept)
        } while count < 0 && errno == EINTR
        guard count >= 0 else {
            throw Failure(
                .inputOutput, "\(path): reading failed at byte \(fileBytesRead): \(String(cString: strerror(errno)))")
        }
        isAtEndOfFile = count == 0
        fileBytesRead += count
        hash.update(UnsafeRawBufferPointer(UnsafeMutableBufferPointer(rebasing: buffer[kept..<kept + count])))
        available = UnsafeMutableBufferPointer(rebasing: buffer[..<(kept + count)])
    }
}
