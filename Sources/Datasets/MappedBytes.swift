internal import Diagnostics
internal import Glibc

/// Bytes that stay where they are for the life of the object: a read-only map of a file, or a block of memory.
///
/// Sendable: the bytes do not change after init, and no method writes.
final class MappedBytes: @unchecked Sendable {
    let bytes: UnsafeRawBufferPointer
    private let release: (base: UnsafeMutableRawPointer, mappedCount: Int?)
    /// Up to this size the whole range is asked for ahead of its use; beyond it the order of use decides.
    private static let readAheadBytes = 2 << 30

    /// Maps a range that must lie inside the file; ranks of a node share its pages.
    init(path: String, offset: Int, count: Int) throws {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(.inputMissing, "\(path): \(String(cString: strerror(errno)))", isLocal: true)
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, offset >= 0, count > 0, Int(status.st_size) - offset >= count else {
            throw Failure(
                .badData,
                "\(path): has \(status.st_size) bytes, expected \(offset + count); the file is truncated. "
                    + "Copy or convert it again.")
        }
        let pageBytes = sysconf(Int32(_SC_PAGESIZE))
        let lead = offset % pageBytes
        guard
            let base = mmap(nil, lead + count, PROT_READ, MAP_SHARED, descriptor, off_t(offset - lead)),
            base != MAP_FAILED
        else {
            throw Failure(
                .inputOutput, "\(path): cannot map \(count) bytes: \(String(cString: strerror(errno)))", isLocal: true)
        }
        if lead + count <= Self.readAheadBytes { madvise(base, lead + count, Int32(MADV_WILLNEED)) }
        bytes = UnsafeRawBufferPointer(start: UnsafeRawPointer(base) + lead, count: count)
        release = (base, lead + count)
    }

    /// Memory of our own, filled once by `fill`.
    init(count: Int, filledBy fill: (UnsafeMutableRawBufferPointer) throws -> Void) throws {
        var memory: UnsafeMutableRawPointer?
        guard posix_memalign(&memory, 64, max(count, 64)) == 0, let memory else {
            throw Failure(.inputOutput, "cannot allocate \(count) bytes for images", isLocal: true)
        }
        do {
            try fill(UnsafeMutableRawBufferPointer(start: memory, count: count))
        } catch {
            free(memory)
            throw error
        }
        bytes = UnsafeRawBufferPointer(start: memory, count: count)
        release = (memory, nil)
    }

    deinit {
        if let mappedCount = release.mappedCount {
            munmap(release.base, mappedCount)
        } else {
            free(release.base)
        }
    }
}
