internal import Digests
internal import Glibc

/// Which file, and which state of it, as far as the system tells without reading it: every write changes the times.
struct FileIdentity: Equatable, Sendable {
    let device: UInt64
    let inode: UInt64
    let byteCount: Int
    /// Of the last change of the contents, and of anything about the file, in nanoseconds since 1970.
    let modification: Int64
    let change: Int64

    /// nil when the system does not tell.
    init?(descriptor: Int32) {
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return nil }
        device = UInt64(status.st_dev)
        inode = UInt64(status.st_ino)
        byteCount = Int(status.st_size)
        modification = Self.nanoseconds(status.st_mtim)
        change = Self.nanoseconds(status.st_ctim)
    }

    /// A name for a part of the file in this state, which tells nothing about it.
    func key(of part: String) -> String {
        let text = "\(device) \(inode) \(byteCount) \(modification) \(change) \(part)"
        return Array(text.utf8).withUnsafeBytes { SHA256.hexadecimal(of: $0) }
    }

    /// Whether a later change could still carry the same times: clocks of file systems tick in milliseconds, some in seconds.
    var isFresh: Bool {
        var now = timespec()
        clock_gettime(CLOCK_REALTIME, &now)
        return Self.nanoseconds(now) - max(modification, change) < 3_000_000_000
    }

    private static func nanoseconds(_ time: timespec) -> Int64 {
        Int64(time.tv_sec) &* 1_000_000_000 &+ Int64(time.tv_nsec)
    }
}
