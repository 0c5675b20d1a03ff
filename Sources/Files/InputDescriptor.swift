internal import Diagnostics
internal import Glibc

/// Opening files that others made.
package enum InputDescriptor {
    /// Opens a regular file for reading; a pipe that nobody writes to does not hold the program up. The caller closes it.
    ///
    /// Throws: `Failure`: 66 when there is no such file or it must not be read, 65 for anything but a regular file, 74 when
    ///         the system has no room to open it.
    package static func open(_ path: String, expected: String, advice: String = "") throws -> Int32 {
        let descriptor = path.utf8.contains(0) ? -1 : Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            let reason = path.utf8.contains(0) ? EINVAL : errno
            // Sockets and devices without a driver cannot be opened at all.
            if reason == ENXIO || reason == ENODEV { throw other("a socket or a device") }
            let code: ExitCode = [EIO, EMFILE, ENFILE, ENOMEM].contains(reason) ? .inputOutput : .inputMissing
            let words = String(cString: strerror(reason))
            throw Failure(code, "\(path): \(words)\(advice.isEmpty ? "" : ". \(advice)")")
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            switch status.st_mode & S_IFMT {
            case S_IFDIR: throw other("a folder")
            case S_IFIFO: throw other("a named pipe")
            case S_IFSOCK: throw other("a socket")
            default: throw other("a device")
            }
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        return descriptor

        func other(_ kind: String) -> Failure {
            Failure(.badData, "\(path): is \(kind), not a regular file; expected \(expected)")
        }
    }

    /// The bytes at a place of the file, fewer at its end; none where it cannot be read.
    package static func bytes(_ descriptor: Int32, count: Int, at offset: Int) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: count)
        var found = -1
        repeat { found = pread(descriptor, &bytes, count, off_t(offset)) } while found < 0 && errno == EINTR
        return Array(bytes.prefix(max(0, found)))
    }
}
