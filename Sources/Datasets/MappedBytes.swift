internal import CMappedFiles
internal import Diagnostics
internal import Digests
internal import Glibc
internal import Synchronization

/// Bytes that stay where they are for the life of the object: a read-only map of a file, or a block of memory.
///
/// Others may shorten or overwrite a mapped file. A page that is gone reads as zeros instead of ending the process with
/// SIGBUS, and `confirm` says afterwards whether all that was read are the file's bytes as they were at the start. It looks at
/// the size and times of the file (one system call); where these changed, it takes the digest of all bytes again and goes on
/// if they are equal, since touching or linking a file changes no data. On network file systems the times of a change by
/// another host may arrive some seconds later; a change that keeps size and times, or comes in the same tick of the clock
/// (4 ms) as the start, is noticed at the next start that checks the pixels.
///
/// Sendable: the bytes are never written by this program; `state` guards what `confirm` remembers.
final class MappedBytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    /// What the file was when its bytes were mapped or read; nil for bytes of no file.
    let identity: FileIdentity?
    private let path: String
    private let map: Map?
    private let state: Mutex<State>
    private let release: (base: UnsafeMutableRawPointer, mappedCount: Int?)
    /// Up to this size the whole range is asked for ahead of its use; beyond it the order of use decides.
    private static let readAheadBytes = 2 << 30
    /// Bytes digested between two looks at the map.
    private static let digestBytes = 1 << 24

    private struct Map {
        let descriptor: Int32
        /// In the table of maps whose missing pages are no end of the process; -1 when it was full.
        let number: Int32
    }

    private struct State {
        /// Of the last look that found nothing changed.
        var identity: FileIdentity?
        var digest: String?
        var failure: Failure?
    }

    var isMapped: Bool { map != nil }

    /// Maps a range that must lie inside the file, or reads it into memory where the file system maps no files; ranks of a
    /// node share a map's pages. `descriptor` is that of the open file, of which a copy is kept.
    init(path: String, descriptor: Int32, offset: Int, count: Int) throws {
        func failed(_ what: String) -> Failure {
            Failure(.inputOutput, "\(path): \(what): \(String(cString: strerror(errno)))", isLocal: true)
        }
        let own = fcntl(descriptor, F_DUPFD_CLOEXEC, 3)
        guard own >= 0 else { throw failed("cannot keep it open") }
        var keepsDescriptor = false
        defer { if !keepsDescriptor { close(own) } }
        guard let identity = FileIdentity(descriptor: own) else { throw failed("cannot be looked at") }
        guard offset >= 0, count > 0, identity.byteCount - offset >= count else {
            throw Failure(
                .badData,
                "\(path): has \(identity.byteCount) bytes, expected \(offset + count); the file is truncated. "
                    + "Copy or convert it again.")
        }
        self.path = path
        self.identity = identity
        state = Mutex(State(identity: identity))
        let lead = offset % sysconf(Int32(_SC_PAGESIZE))
        for kind in [MAP_SHARED, MAP_PRIVATE] {
            guard
                let base = mmap(nil, lead + count, PROT_READ, kind, own, off_t(offset - lead)), base != MAP_FAILED
            else { continue }
            if lead + count <= Self.readAheadBytes { madvise(base, lead + count, Int32(MADV_WILLNEED)) }
            bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(base) + lead, count: count)
            release = (base, lead + count)
            map = Map(descriptor: own, number: CMappedFiles_add(base, lead + count))
            keepsDescriptor = true
            return
        }
        let memory = try Self.memory(count)
        var done = 0
        while done < count {
            let got = pread(own, memory + done, count - done, off_t(offset + done))
            if got < 0, errno == EINTR { continue }
            guard got > 0 else {
                let failure = failed("cannot read byte \(offset + done)")
                free(memory)
                throw failure
            }
            done += got
        }
        bytes = UnsafeRawBufferPointer(start: memory, count: count)
        release = (memory, nil)
        map = nil
    }

    /// Maps a range of the file of this name.
    convenience init(path: String, offset: Int, count: Int) throws {
        let descriptor = try InputDescriptor.open(path, expected: "a file to map")
        defer { close(descriptor) }
        try self.init(path: path, descriptor: descriptor, offset: offset, count: count)
    }

    /// Memory of our own, filled once by `fill` with what the file of `identity` holds, if it comes from one.
    init(
        count: Int, path: String = "", identity: FileIdentity? = nil,
        filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws {
        let memory = try Self.memory(count)
        do {
            try fill(UnsafeMutableRawBufferPointer(start: memory, count: count))
        } catch {
            free(memory)
            throw error
        }
        self.path = path
        self.identity = identity
        state = Mutex(State())
        bytes = UnsafeRawBufferPointer(start: memory, count: count)
        release = (memory, nil)
        map = nil
    }

    deinit {
        if let map, let mappedCount = release.mappedCount {
            if map.number >= 0 { CMappedFiles_remove(map.number) }
            munmap(release.base, mappedCount)
            close(map.descriptor)
        } else {
            free(release.base)
        }
    }

    /// What the bytes must be if the file is touched: their SHA-256. Unknown, every change counts.
    func expect(digest: String) {
        state.withLock { $0.digest = digest }
    }

    /// Throws: `Failure(.inputOutput)` when bytes that were read may not be those that were mapped.
    func confirm() throws {
        guard let map else { return }
        let now = FileIdentity(descriptor: map.descriptor)
        try state.withLock { state in
            if let failure = state.failure { throw failure }
            if isLost(map) {
                state.failure = lost(now)
            } else if let now, now != state.identity {
                if now.byteCount == state.identity?.byteCount, let digest = state.digest, digest == currentDigest(map) {
                    state.identity = now
                } else {
                    state.failure = isLost(map) || now.byteCount != state.identity?.byteCount ? lost(now) : changed()
                }
            }
            if let failure = state.failure { throw failure }
        }
    }

    /// Gives all bytes to `body` in pieces, in order. Throws: what `body` throws, and `Failure(.inputOutput)` as `confirm`.
    func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        for start in stride(from: 0, to: bytes.count, by: Self.digestBytes) {
            let end = min(bytes.count, start + Self.digestBytes)
            try body(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            if let map, isLost(map) { break }
        }
        try confirm()
    }

    private func currentDigest(_ map: Map) -> String? {
        var hash = SHA256()
        for start in stride(from: 0, to: bytes.count, by: Self.digestBytes) {
            hash.update(UnsafeRawBufferPointer(rebasing: bytes[start..<min(bytes.count, start + Self.digestBytes)]))
            if isLost(map) { return nil }
        }
        return hash.hexadecimal()
    }

    private func isLost(_ map: Map) -> Bool { map.number >= 0 && CMappedFiles_isLost(map.number) }

    private func lost(_ now: FileIdentity?) -> Failure {
        let (had, has) = (identity?.byteCount ?? 0, now?.byteCount ?? 0)
        guard had == has else {
            return Failure(
                .inputOutput,
                "\(path): was changed while it was in use: it has \(has) bytes, expected \(had). Put the file back, or "
                    + "convert it again")
        }
        return Failure(.inputOutput, "\(path): a part of it cannot be read any more; look at the disk or the server")
    }

    private func changed() -> Failure {
        Failure(
            .inputOutput,
            "\(path): was overwritten while it was in use: its images are no longer those of the start. Put the file back, "
                + "or convert it again")
    }

    private static func memory(_ count: Int) throws -> UnsafeMutableRawPointer {
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 64, max(count, 64)) == 0, let memory else {
            throw Failure(.inputOutput, "cannot allocate \(count) bytes for images", isLocal: true)
        }
        return memory
    }
}
