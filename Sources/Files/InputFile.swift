internal import Diagnostics
internal import Glibc

/// A regular file that is open for reading.
package final class InputFile {
    package let path: String
    package let descriptor: Int32
    /// Size when it was opened.
    package let byteCount: Int

    /// Opens without waiting, so that a named pipe is refused instead of waited for.
    ///
    /// `expected` ends the message: `expected a checkpoint, such as RUN/checkpoints/last`. Throws: `Failure(.inputMissing)`
    /// for what is not there or may not be read, `.inputOutput` when the disk fails, `.badData` for a folder, a pipe, a
    /// socket or a device, and for a symbolic link unless it is followed.
    package init(_ path: String, expected: String, followingLinks: Bool = true) throws {
        self.path = path
        let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | (followingLinks ? 0 : O_NOFOLLOW)
        do {
            descriptor = try systemCall("open", path) { open(path, flags) }
        } catch {
            if let kind = FileKind(of: path, followingLinks: followingLinks), kind != .regular, kind != .folder {
                throw Self.wrong(kind, path, expected)
            }
            throw Self.failure(error, expected)
        }
        do {
            let status = try FileKind.status(of: descriptor, path)
            let kind = FileKind(mode: status.st_mode)
            guard kind == .regular else { throw Self.wrong(kind, path, expected) }
            byteCount = Int(status.st_size)
            // Regular files never wait for a partner; some file systems take the flag literally all the same.
            let flags = try systemCall("fcntl", path) { fcntl(descriptor, F_GETFL) }
            try systemCall("fcntl", path) { fcntl(descriptor, F_SETFL, flags & ~O_NONBLOCK) }
        } catch {
            close(descriptor)
            throw (error as? SystemError)?.failure(.inputOutput) ?? error
        }
    }

    deinit { close(descriptor) }

    /// Fills the buffer from a place in the file as far as the file goes; returns the bytes filled.
    package func read(into buffer: UnsafeMutableRawBufferPointer, at offset: Int = 0) throws -> Int {
        do {
            var done = 0
            while done < buffer.count {
                let rest = UnsafeMutableRawBufferPointer(rebasing: buffer[done...].prefix(1 << 30))
                let count = try systemCall("read", path) {
                    pread(descriptor, rest.baseAddress, rest.count, off_t(offset + done))
                }
                guard count > 0 else { break }
                done += count
            }
            return done
        } catch {
            throw error.failure(.inputOutput)
        }
    }

    /// Bytes of a range, as far as the file goes.
    package func bytes(_ range: Range<Int>) throws -> [UInt8] {
        try [UInt8](unsafeUninitializedCapacity: range.count) { buffer, count in
            count = try read(into: UnsafeMutableRawBufferPointer(buffer), at: range.lowerBound)
        }
    }

    /// The whole file. Throws: `Failure(.badData)` when it has more than `limit` bytes.
    package func bytes(atMost limit: Int) throws -> [UInt8] {
        guard byteCount <= limit else {
            throw Failure(.badData, "\(path): has \(byteCount) bytes, expected at most \(limit)")
        }
        return try bytes(0..<byteCount)
    }

    private static func wrong(_ kind: FileKind, _ path: String, _ expected: String) -> Failure {
        Failure(.badData, "\(path): is \(kind.words), not a regular file; \(expected)")
    }

    private static func failure(_ error: SystemError, _ expected: String) -> Failure {
        let isTrouble = [EIO, ESTALE, EMFILE, ENFILE, ENOMEM].contains(error.number)
        guard error.number == ENOENT || error.number == ENOTDIR else {
            return error.failure(isTrouble ? .inputOutput : .inputMissing)
        }
        return Failure(.inputMissing, "\(error.path): \(SystemError.reason(error.number)); \(expected)")
    }
}
