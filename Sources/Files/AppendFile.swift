internal import Diagnostics
internal import Glibc

/// A regular file that only grows: a log.
///
/// A link, a pipe or a folder under its name is refused, so that nobody's file is written to. A file that has other names
/// (`cp -l` made a copy of the folder) is replaced by one of its own first, so that these keep what they have.
package final class AppendFile {
    package let path: String
    package private(set) var byteCount: Int
    private let descriptor: Int32

    /// Opens or makes the file and cuts it to its first `keeping` bytes. Throws: `Failure(.cannotCreate)`.
    package init(path: String, keeping: Int = .max) throws {
        self.path = path
        var (descriptor, status) = try Self.open(path)
        let kept = min(Int(status.st_size), keeping)
        // Files that may only grow (chattr +a) cannot be cut.
        if status.st_nlink > 1 || status.st_size > kept && ftruncate(descriptor, off_t(kept)) != 0 {
            close(descriptor)
            do {
                try DurableFile.copy(path, to: path, atMost: kept)
            } catch let failure as Failure {
                throw Failure(.cannotCreate, failure.message)
            }
            (descriptor, status) = try Self.open(path)
        }
        (self.descriptor, byteCount) = (descriptor, kept)
    }

    deinit { close(descriptor) }

    /// Appends bytes, all of them or none. Throws: `SystemError`.
    package func append(_ bytes: UnsafeRawBufferPointer) throws(SystemError) {
        do {
            try writeAll(bytes, to: descriptor, path: path)
        } catch {
            // Half a line would spoil the ones behind it.
            ftruncate(descriptor, off_t(byteCount))
            throw error
        }
        byteCount += bytes.count
    }

    package func append(_ text: String) throws(SystemError) {
        var text = text
        let outcome = text.withUTF8 { bytes in
            Result { () throws(SystemError) in try append(UnsafeRawBufferPointer(bytes)) }
        }
        try outcome.get()
    }

    /// Makes what has been appended durable. Throws: `Failure(.inputOutput)`.
    package func synchronize() throws {
        do {
            try synchronizeFile(descriptor, path: path)
        } catch {
            throw error.failure(.inputOutput)
        }
    }

    private static func open(_ path: String) throws -> (Int32, stat) {
        let flags = O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC
        do {
            let descriptor = try systemCall("open", path) { Glibc.open(path, flags, 0o666) }
            do {
                let status = try FileKind.status(of: descriptor, path)
                let kind = FileKind(mode: status.st_mode)
                guard kind == .regular else { throw wrong(kind, path) }
                return (descriptor, status)
            } catch {
                close(descriptor)
                throw error
            }
        } catch let error as SystemError {
            if let kind = FileKind(of: path, followingLinks: false), kind != .regular { throw wrong(kind, path) }
            throw error.failure(.cannotCreate)
        }
    }

    private static func wrong(_ kind: FileKind, _ path: String) -> Failure {
        Failure(
            .cannotCreate,
            "\(path): is \(kind.words), expected a regular file or none; remove it or name another folder")
    }
}
