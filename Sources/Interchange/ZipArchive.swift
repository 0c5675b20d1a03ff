internal import CArchive
internal import Diagnostics
internal import Files
internal import Glibc

/// A walk through the files of a zip archive, by libarchive.
struct ZipArchive {
    private let file: InputFile

    init(_ file: InputFile) {
        self.file = file
    }

    /// One file of the archive, during its turn.
    struct Entry {
        let name: String
        /// As the archive declares it; no more are ever read.
        let byteCount: Int
        fileprivate let archive: OpaquePointer
        fileprivate let path: String

        /// All bytes. Throws: `Failure(.badData)` for more than `limit`, and for damage.
        func bytes(atMost limit: Int) throws -> [UInt8] {
            guard byteCount <= limit else {
                throw Failure(.badData, "\(path): \(name.quoted) has \(byteCount) bytes, expected at most \(limit)")
            }
            let bytes = try [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
                try fill(UnsafeMutableRawBufferPointer(rebasing: UnsafeMutableRawBufferPointer(buffer)[..<byteCount]))
                count = byteCount
            }
            try finish()
            return bytes
        }

        /// The next bytes. Throws: `Failure(.badData)`.
        func fill(_ buffer: UnsafeMutableRawBufferPointer) throws {
            var done = 0
            while done < buffer.count {
                let count = try read(into: UnsafeMutableRawBufferPointer(rebasing: buffer[done...]))
                guard count > 0 else { throw damaged("it ends too early") }
                done += count
            }
        }

        /// Finds out that nothing follows; libarchive compares the checksum only then. Throws: `Failure(.badData)`.
        func finish() throws {
            let count = try withUnsafeTemporaryAllocation(byteCount: 1, alignment: 1, read)
            guard count == 0 else { throw damaged("it is longer than its \(byteCount) bytes") }
        }

        private func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
            let count = archive_read_data(archive, buffer.baseAddress, buffer.count)
            guard count >= 0 else { throw damaged(ZipArchive.reason(archive)) }
            return count
        }

        private func damaged(_ reason: String) -> Failure {
            Failure(.badData, "\(path): \(name.quoted) is damaged: \(reason)")
        }
    }

    /// Calls `body` for each regular file in turn until it returns false. Throws: `Failure(.badData)` for a damaged archive.
    func forEachEntry(_ body: (Entry) throws -> Bool) throws {
        guard let archive = archive_read_new() else { throw Failure(.internalError, "libarchive does not start") }
        defer { archive_read_free(archive) }
        archive_read_support_format_zip_seekable(archive)
        lseek(file.descriptor, 0, SEEK_SET)
        guard archive_read_open_fd(archive, file.descriptor, 1 << 16) == ARCHIVE_OK else { throw damaged(archive) }
        while true {
            var entry: OpaquePointer?
            let code = archive_read_next_header(archive, &entry)
            if code == ARCHIVE_EOF { return }
            guard code == ARCHIVE_OK || code == ARCHIVE_WARN, let entry else { throw damaged(archive) }
            guard archive_entry_filetype(entry) == S_IFREG else { continue }
            guard let name = archive_entry_pathname(entry).map({ String(cString: $0) }),
                name.utf8.count <= TensorLimits.keyBytes, archive_entry_size_is_set(entry) != 0
            else { throw Failure(.badData, "\(file.path): has an entry without a name or a size; \(TorchFile.advice)") }
            // What torch.save writes is not compressed, so nothing can be larger than the archive.
            let byteCount = archive_entry_size(entry)
            guard (0...Int64(file.byteCount)).contains(byteCount) else {
                throw Failure(
                    .badData,
                    "\(file.path): \(name.quoted) declares \(byteCount) bytes, expected at most the archive's "
                        + "\(file.byteCount); torch.save compresses nothing")
            }
            let goesOn = try body(
                Entry(name: name, byteCount: Int(byteCount), archive: archive, path: file.path))
            guard goesOn else { return }
        }
    }

    private func damaged(_ archive: OpaquePointer) -> Failure {
        Failure(.badData, "\(file.path): is a damaged zip archive: \(Self.reason(archive)); fetch or save it again")
    }

    private static func reason(_ archive: OpaquePointer) -> String {
        archive_error_string(archive).map { String(cString: $0).quoted } ?? "no reason given"
    }
}
