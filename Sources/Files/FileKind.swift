package import Glibc

/// What stands under a name.
package enum FileKind: Equatable, Sendable {
    case regular, folder, symbolicLink, namedPipe, socket, device

    package init(mode: mode_t) {
        self =
            switch mode & S_IFMT {
            case S_IFREG: .regular
            case S_IFDIR: .folder
            case S_IFLNK: .symbolicLink
            case S_IFIFO: .namedPipe
            case S_IFSOCK: .socket
            default: .device
            }
    }

    /// Of what `path` names, nil when there is nothing; of a symbolic link itself unless it is followed.
    package init?(of path: String, followingLinks: Bool = true) {
        guard let status = FileKind.status(of: path, followingLinks: followingLinks) else { return nil }
        self.init(mode: status.st_mode)
    }

    /// With its article.
    package var words: String {
        switch self {
        case .regular: "a regular file"
        case .folder: "a folder"
        case .symbolicLink: "a symbolic link"
        case .namedPipe: "a named pipe"
        case .socket: "a socket"
        case .device: "a device"
        }
    }

    package static func status(of path: String, followingLinks: Bool = true) -> stat? {
        var status = stat()
        return (followingLinks ? stat(path, &status) : lstat(path, &status)) == 0 ? status : nil
    }

    static func status(of descriptor: Int32, _ path: String) throws(SystemError) -> stat {
        var status = stat()
        try systemCall("fstat", path) { fstat(descriptor, &status) }
        return status
    }
}

extension stat {
    /// Whether two names stand for one file.
    package func isSameFile(as other: stat) -> Bool { st_dev == other.st_dev && st_ino == other.st_ino }
}
