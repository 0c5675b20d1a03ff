internal import CMappedFiles
internal import Diagnostics
internal import Digests
internal import Glibc

/// Bytes that stay where they are for the life of the object: a read-only map of a file, or a block of memory.
///
/// Others may shorten or overwrite a mapped file. A page that is gone reads as zeros instead of ending the process with
/// SIGBUS, and `confirm` says afterwards whether all that was read are the file's bytes as they were at the start.
///
/// Sendable: the bytes are never written by this program.
final class MappedBytes: PixelStorage, @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    let identity: FileIdentity?
    private let map: Map?
    private let release: (base: UnsafeMutableRawPointer, mappedCount: Int?)
    /// Bytes digested between two looks at the map.
    private static let digestBytes = 1 << 24

    private struct Map {
        let watch: FileWatch
        /// In the table of maps whose missing pages are no end of the process; -1 when it was full.
        let number: Int32

        var isLost: Bool { number >= 0 && CMappedFiles_isLost(number) }
    }

    var isMapped: Bool { map != nil }

    /// Maps a range of the file, which must hold it, or reads it into memory where the file system maps no files; ranks of a
    /// node share a map's pages.
    init(_ watch: FileWatch, offset: Int, count: Int) throws {
        try watch.require(offset: offset, count: count)
        identity = watch.identity
        let lead = offset % sysconf(Int32(_SC_PAGESIZE))
        for kind in [MAP_SHARED, MAP_PRIVATE] {
            guard
                let base = mmap(nil, lead + count, PROT_READ, kind, watch.descriptor, off_t(offset - lead)),
                base != MAP_FAILED
            else { continue }
            madvise(base, lead + count, Int32(MADV_WILLNEED))
            bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(base) + lead, count: count)
            release = (base, lead + count)
            map = Map(watch: watch, number: CMappedFiles_add(base, lead + count))
            return
        }
        let memory = try Self.memory(count)
        do {
            try watch.read(count, at: offset, to: memory)
        } catch {
            free(memory)
            throw error
        }
        bytes = UnsafeRawBufferPointer(start: memory, count: count)
        release = (memory, nil)
        map = nil
    }

    /// Memory of our own, filled once by `fill` with what the file of `identity` holds, if it comes from one.
    init(
        count: Int, identity: FileIdentity? = nil, filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws {
        let memory = try Self.memory(count)
        do {
            try fill(UnsafeMutableRawBufferPointer(start: memory, count: count))
        } catch {
            free(memory)
            throw error
        }
        self.identity = identity
        bytes = UnsafeRawBufferPointer(start: memory, count: count)
        release = (memory, nil)
        map = nil
    }

    deinit {
        if let map, let mappedCount = release.mappedCount {
            if map.number >= 0 { CMappedFiles_remove(map.number) }
            munmap(release.base, mappedCount)
        } else {
            free(release.base)
        }
    }

    func expect(digest: String) { map?.watch.expect(digest: digest) }

    func confirm() throws {
        guard let map else { return }
        try map.watch.confirm(isLost: { map.isLost }, currentDigest: { currentDigest(map) })
    }

    func copy(_ range: Range<Int>, to target: UnsafeMutableRawPointer) {
        precondition(range.lowerBound >= 0 && range.upperBound <= bytes.count, "bytes \(range) of \(bytes.count)")
        guard let base = bytes.baseAddress else { return }
        target.copyMemory(from: base + range.lowerBound, byteCount: range.count)
    }

    func forEachPiece(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
        for start in stride(from: 0, to: bytes.count, by: Self.digestBytes) {
            let end = min(bytes.count, start + Self.digestBytes)
            try body(UnsafeRawBufferPointer(rebasing: bytes[start..<end]))
            if let map, map.isLost { break }
        }
        try confirm()
    }

    private func currentDigest(_ map: Map) -> String? {
        var hash = SHA256()
        for start in stride(from: 0, to: bytes.count, by: Self.digestBytes) {
            hash.update(UnsafeRawBufferPointer(rebasing: bytes[start..<min(bytes.count, start + Self.digestBytes)]))
            if map.isLost { return nil }
        }
        return hash.hexadecimal()
    }

    private static func memory(_ count: Int) throws -> UnsafeMutableRawPointer {
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 64, max(count, 64)) == 0, let memory else {
            throw Failure(.inputOutput, "cannot allocate \(count) bytes for images", isLocal: true)
        }
        return memory
    }
}
