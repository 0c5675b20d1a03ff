internal import Diagnostics
internal import Glibc

/// A file that appears under its name complete and durable, or not at all.
///
/// It is written under a temporary name in the same folder; `commit` syncs it, renames it and syncs the folder. A throw,
/// a dropped object and SIGINT, SIGTERM or SIGHUP remove the temporary file.
final class OutputFile {
    let path: String
    let temporaryPath: String
    private var isCommitted = false
    private let cleanup: SignalCleanup

    /// Throws 73 when the folder cannot take the file, and when the file exists and must not be replaced.
    init(path: String, replacing: Bool) throws {
        self.path = path
        let folder = Self.folder(of: path)
        var status = stat()
        if lstat(path, &status) == 0 {
            guard status.st_mode & S_IFMT != S_IFDIR else {
                throw Failure(.cannotCreate, "\(path): is a folder, expected the name of a file to write")
            }
            guard replacing else {
                throw Failure(
                    .cannotCreate, "\(path): exists already. Give another --output, or --force to replace it.")
            }
        }
        guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure(.cannotCreate, "\(path): there is no folder \(folder). Create it first.")
        }
        guard access(folder, W_OK | X_OK) == 0 else {
            throw Failure(.cannotCreate, "\(path): \(folder): \(String(cString: strerror(errno)))")
        }
        temporaryPath = "\(path).\(getpid()).tmp"
        unlink(temporaryPath)
        cleanup = SignalCleanup(removing: temporaryPath)
    }

    deinit {
        if !isCommitted { unlink(temporaryPath) }
        cleanup.end()
    }

    /// Makes the written bytes durable; the temporary name still stands.
    func synchronize() throws {
        try Self.synchronize(temporaryPath, flags: O_RDWR)
    }

    /// Gives the file its name, durably.
    func commit() throws {
        guard rename(temporaryPath, path) == 0 else {
            throw Failure(.inputOutput, "\(path): cannot rename \(temporaryPath): \(String(cString: strerror(errno)))")
        }
        isCommitted = true
        try Self.synchronize(Self.folder(of: path), flags: O_RDONLY | O_DIRECTORY)
    }

    private static func synchronize(_ path: String, flags: Int32) throws {
        let descriptor = open(path, flags | O_CLOEXEC)
        guard descriptor >= 0 else {
            throw Failure(.inputOutput, "\(path): cannot open for sync: \(String(cString: strerror(errno)))")
        }
        let synced = fsync(descriptor) == 0
        let reason = errno
        let closed = close(descriptor) == 0
        guard synced, closed else {
            throw Failure(.inputOutput, "\(path): cannot sync: \(String(cString: strerror(synced ? errno : reason)))")
        }
    }

    private static func folder(of path: String) -> String {
        guard let slash = path.lastIndex(of: "/") else { return "." }
        return slash == path.startIndex ? "/" : String(path[..<slash])
    }
}

/// The file that a deadly signal removes on its way, for the one output that a process writes at a time.
private final class SignalCleanup {
    /// Read by the handler, so a plain C string that is never freed while a handler is installed.
    nonisolated(unsafe) private static var pathToRemove: UnsafeMutablePointer<CChar>?
    private static let signals = [SIGINT, SIGTERM, SIGHUP]
    private var previous: [(Int32, sigaction)] = []

    init(removing path: String) {
        guard Self.pathToRemove == nil else { return }
        Self.pathToRemove = strdup(path)
        for signal in Self.signals {
            var old = sigaction()
            var new = sigaction()
            new.__sigaction_handler.sa_handler = { signal in
                if let path = SignalCleanup.pathToRemove { unlink(path) }
                // The default action came back when the handler began; it runs when the handler returns.
                raise(signal)
            }
            new.sa_flags = Int32(bitPattern: UInt32(SA_RESETHAND))
            guard sigaction(signal, nil, &old) == 0 else { continue }
            // An ignored signal (nohup) stays ignored.
            if old.__sigaction_handler.sa_handler.map({ unsafeBitCast($0, to: Int.self) }) == 1 { continue }
            if sigaction(signal, &new, nil) == 0 { previous.append((signal, old)) }
        }
    }

    func end() {
        guard !previous.isEmpty else { return }
        for (signal, var action) in previous { sigaction(signal, &action, nil) }
        previous = []
        free(Self.pathToRemove)
        Self.pathToRemove = nil
    }
}
