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
                throw Failure(.badData, "\(path): \(name.printable) has \(byteCount) bytes, expected at most \(limit)")
            }
            return try [UInt8](unsafeUninitializedCapacity: byteCount) { buffer, count in
                try fill(UnsafeMutableRawBufferPointer(buffer))
                count = byteCount
            }
        }

        /// Numbers of this type, converted piece by piece.
        func read(_ type: ElementType, into values: UnsafeMutableBufferPointer<Float>) throws {
            precondition(byteCount == values.count * type.byteCount, "\(byteCount) bytes for \(values.count) values")
            guard type != .float32 else { return try fill(UnsafeMutableRawBufferPointer(values)) }
            let valuesPerPiece = (1 << 20) / type.byteCount
            let piece = UnsafeMutableRawBufferPointer.allocate(
                byteCount: min(valuesPerPiece, max(values.count, 1)) * type.byteCount, alignment: 64)
            defer { piece.deallocate() }
            for start in stride(from: 0, to: values.count, by: valuesPerPiece) {
                let count = min(valuesPerPiece, values.count - start)
                let part = UnsafeMutableRawBufferPointer(rebasing: piece[..<(count * type.byteCount)])
                try fill(part)
                type.convert(
                    UnsafeRawBufferPointer(part), to: UnsafeMutableBufferPointer(rebasing: values[start..<start + count]))
            }
        }

        private func fill(_ buffer: UnsafeMutableRawBufferPointer) throws {
            var done = 0
            while done < buffer.count {
                let count = archive_read_data(archive, buffer.baseAddress! + done, buffer.count - done)
                guard count > 0 else {
                    let reason = count == 0 ? "it ends after \(done) of \(buffer.count) bytes" : ZipArchive.reason(archive)
                    throw Failure(.badData, "\(path): \(name.printable) is damaged: \(reason)")
                }
                done += count
            }
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
            guard let name = archive_entry_pathname_utf8(entry).map({ String(cString: $0) }),
                name.utf8.count <= TensorLimits.keyBytes, archive_entry_size_is_set(entry) != 0
            else { throw Failure(.badData, "\(file.path): has an entry without a name or a size") }
            // What torch.save writes is not compressed, so nothing can be larger than the archive.
            let byteCount = archive_entry_size(entry)
            guard (0...Int64(file.byteCount)).contains(byteCount) else {
                throw Failure(
                    .badData,
                    "\(file.path): \(name.printable) declares \(byteCount) bytes, the archive has \(file.byteCount)")
            }
            let isOver = try !body(Entry(name: name, byteCount: Int(byteCount), archive: archive, path: file.path))
            if isOver { return }
        }
    }

    private func damaged(_ archive: OpaquePointer) -> Failure {
        Failure(.badData, "\(file.path): is a damaged zip archive: \(Self.reason(archive))")
    }

    private static func reason(_ archive: OpaquePointer) -> String {
        archive_error_string(archive).map { String(cString: $0).printable } ?? "no reason given"
    }
}
