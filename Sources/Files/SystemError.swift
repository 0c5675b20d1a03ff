package import Diagnostics
internal import Glibc

/// A system call on a file that failed.
package struct SystemError: Error, Equatable, CustomStringConvertible {
    package let call: String
    package let path: String
    /// `errno`.
    package let number: Int32

    package init(_ call: String, _ path: String, _ number: Int32) {
        self.call = call
        self.path = path
        self.number = number
    }

    /// `FILE: CALL: REASON`, and what to do where the reason says it.
    package var description: String { "\(path): \(call): \(Self.reason(number))" + (advice.map { "; \($0)" } ?? "") }

    package func failure(_ code: ExitCode, _ more: String = "", isLocal: Bool = false) -> Failure {
        Failure(code, description + more, isLocal: isLocal)
    }

    package static func reason(_ number: Int32) -> String { String(cString: strerror(number)) }

    /// Whether the call is one that this file system does not have, or not for this object: there is another way, or none
    /// is needed. FAT, exFAT, CIFS, FUSE, 9p, NFS without its lock service and Lustre without `flock` each refuse some, with
    /// any of these numbers.
    package var isRefusal: Bool {
        [
            EPERM, EACCES, EINVAL, ENOSYS, ENOTSUP, EMLINK, EXDEV, EBADF, EISDIR, EROFS, ENODEV, ENOTTY, ENOLCK,
        ].contains(number)
    }

    private var advice: String? {
        switch number {
        case ENOSPC: "make room on this file system"
        case EDQUOT: "make room: your quota of this file system is used up"
        case EFBIG: "raise the limit on the size of files (ulimit -f), or use a file system that takes larger ones"
        case EROFS: "the file system is mounted read-only; use another one"
        case EACCES, EPERM: "see who owns it and what its mode and its folder's allow"
        case EIO: "the disk, or the connection to it, fails; see the system's log"
        case ESTALE: "the server of this network file system has lost it; mount it again"
        case ENAMETOOLONG: "a name takes at most 255 bytes on most file systems, a path 4095"
        case ELOOP: "is a symbolic link that is not followed here, or one of a ring"
        case EMFILE, ENFILE: "raise the limit on open files (ulimit -n)"
        default: nil
        }
    }
}

/// Runs a system call, again while a signal interrupts it; -1 becomes an error. `path` is for the message.
@discardableResult
package func systemCall<Value: SignedInteger>(
    _ name: String, _ path: String, _ body: () -> Value
) throws(SystemError) -> Value {
    while true {
        let value = body()
        guard value == -1 else { return value }
        guard errno == EINTR else { throw SystemError(name, path, errno) }
    }
}
