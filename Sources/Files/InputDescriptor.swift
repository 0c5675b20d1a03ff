internal import Diagnostics
internal import Glibc

/// Opening files that others made.
package enum InputDescriptor {
    /// Why a file was not opened.
    package enum Refusal: Error {
        /// `errno`.
        case system(Int32)
        /// It is no regular file.
        case kind(FileKind)
    }

    /// Opens a regular file for reading; a pipe that nobody writes to does not hold the program up. The caller closes it.
    package static func open(_ path: UnsafePointer<CChar>) throws(Refusal) -> Int32 {
        let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            switch errno {
            // Sockets and devices without a driver cannot be opened at all.
            case ENXIO, ENODEV: throw .kind(FileKind(of: String(cString: path)) ?? .device)
            case let reason: throw .system(reason)
            }
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            close(descriptor)
            throw .kind(FileKind(mode: status.st_mode))
        }
        _ = fcntl(descriptor, F_SETFL, fcntl(descriptor, F_GETFL) & ~O_NONBLOCK)
        return descriptor
    }

    /// The same, with words: `expected` ends those for anything but a regular file, `advice` the others.
    ///
    /// Throws: `Failure`: 66 when there is no such file or it must not be read, 65 for anything but a regular file, 74 when
    ///         the system has no room to open it.
    package static func open(_ path: String, expected: String, advice: String = "") throws -> Int32 {
        do throws(Refusal) {
            guard !path.utf8.contains(0) else { throw .system(EINVAL) }
            return try open(path)
        } catch {
            switch error {
            case .kind(let kind):
                throw Failure(.badData, "\(path): is \(kind.words), not a regular file; expected \(expected)")
            case .system(let reason):
                let code: ExitCode = [EIO, EMFILE, ENFILE, ENOMEM].contains(reason) ? .inputOutput : .inputMissing
                throw Failure(code, "\(path): \(SystemError.reason(reason))\(advice.isEmpty ? "" : ". \(advice)")")
            }
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
