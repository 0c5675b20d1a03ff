internal import CArchive
internal import Diagnostics
internal import Glibc

/// The members of an archive in their order, through libarchive; one is read at a time.
///
/// Throws `Failure`: 66 when the file is missing, 65 when it is damaged or of another kind, 74 when reading fails.
final class Archive {
    enum Kind {
        /// tar, plain or gzip.
        case tar
        case zip
    }
    struct Member {
        let name: [UInt8]
        let isRegularFile: Bool
        let isFolder: Bool
        /// As declared; nil when the archive does not say.
        let size: Int?
    }

    let path: String
    private let handle: OpaquePointer
    private(set) var memberCount = 0
    private static let blockBytes = 1 << 17

    init(path: String, kind: Kind) throws {
        self.path = path
        var status = stat()
        guard stat(path, &status) == 0 else {
            throw Failure(.inputMissing, "\(path): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFREG else { throw Failure(.badData, "\(path): is not a regular file") }
        guard let handle = archive_read_new() else {
            throw Failure(.internalError, "\(path): libarchive does not start")
        }
        self.handle = handle
        switch kind {
        case .tar:
            archive_read_support_format_tar(handle)
            archive_read_support_filter_gzip(handle)
        case .zip: archive_read_support_format_zip_seekable(handle)
        }
        guard archive_read_open_filename(handle, path, Self.blockBytes) == ARCHIVE_OK else {
            throw damaged("is no \(kind == .tar ? "tar, plain or gzip" : "zip archive")")
        }
    }

    deinit { archive_read_free(handle) }

    /// The next member, whose bytes `read` gives; nil at the end.
    func next() throws -> Member? {
        var entry: OpaquePointer?
        let code = archive_read_next_header(handle, &entry)
        if code == ARCHIVE_EOF { return nil }
        guard code == ARCHIVE_OK || code == ARCHIVE_WARN, let entry else { throw damaged("member \(memberCount)") }
        memberCount += 1
        let type = archive_entry_filetype(entry) & S_IFMT
        let isLink = archive_entry_hardlink(entry) != nil
        guard let text = archive_entry_pathname_utf8(entry) ?? archive_entry_pathname(entry) else {
            throw damaged("member \(memberCount - 1) has no name")
        }
        return Member(
            name: Array(UnsafeRawBufferPointer(start: text, count: strlen(text))),
            isRegularFile: type == S_IFREG && !isLink, isFolder: type == S_IFDIR,
            size: archive_entry_size_is_set(entry) != 0 ? Int(archive_entry_size(entry)) : nil)
    }

    /// Fills the buffer from the member as far as it goes; returns the bytes filled.
    func read(into target: UnsafeMutableRawBufferPointer) throws -> Int {
        var filled = 0
        while filled < target.count {
            let count = archive_read_data(handle, target.baseAddress! + filled, target.count - filled)
            guard count >= 0 else { throw damaged("member \(memberCount - 1)") }
            if count == 0 { break }
            filled += count
        }
        return filled
    }

    private func damaged(_ place: String) -> Failure {
        let reason = archive_error_string(handle).map { String(cString: $0) } ?? "unknown reason"
        return Failure(.badData, "\(path): \(place): \(reason)")
    }
}
