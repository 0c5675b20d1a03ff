internal import Diagnostics
internal import Foundation

/// Files that are either there whole or not at all, also after a crash.
package enum DurableFile {
    /// Writes pieces of bytes under a temporary name beside `path`, then fsync, rename, fsync of the folder.
    ///
    /// Memory: none. Throws: `Failure` with the failing call, `.inputOutput` once the file could be created; the
    /// temporary file is removed.
    package static func write(_ pieces: [UnsafeRawBufferPointer], to path: String) throws {
        let folder = folder(of: path)
        let temporary = temporaryPath(for: path)
        // What a killed process of the same number left behind; in containers numbers repeat.
        unlink(temporary)
        let file = open(temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
        guard file >= 0 else { throw failure(.cannotCreate, "open", temporary) }
        do {
            defer { close(file) }
            for piece in pieces { try writeAll(piece, to: file, path: temporary) }
            guard fsync(file) == 0 else { throw failure(.inputOutput, "fsync", temporary) }
        } catch {
            unlink(temporary)
            throw error
        }
        guard rename(temporary, path) == 0 else {
            let failure = failure(.inputOutput, "rename", path)
            unlink(temporary)
            throw failure
        }
        try synchronizeFolder(folder)
    }

    package static func write(_ text: String, to path: String) throws {
        try Array(text.utf8).withUnsafeBytes { try write([$0], to: path) }
    }

    /// Finds out before the work begins that `path` cannot take its result. Nothing is created.
    ///
    /// Throws: `Failure(.cannotCreate)` for a folder, a folder that is missing or must not be written to, and for one of
    /// `inputs`, which would be replaced.
    package static func requireWritable(_ path: String, unlike inputs: [String] = []) throws {
        var status = stat()
        if stat(path, &status) == 0 {
            guard status.st_mode & S_IFMT == S_IFREG else {
                throw Failure(.cannotCreate, "\(path): is no regular file, expected the name of a file to write")
            }
            for input in inputs {
                var other = stat()
                guard stat(input, &other) != 0 || (other.st_dev, other.st_ino) != (status.st_dev, status.st_ino) else {
                    throw Failure(.cannotCreate, "\(path): is what is read from (\(input)); name another file")
                }
            }
        }
        let folder = folder(of: path)
        guard !path.isEmpty, !path.hasSuffix("/") else {
            throw Failure(.cannotCreate, "\"\(path)\": expected the name of a file to write")
        }
        guard stat(folder, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure(.cannotCreate, "\(path): there is no folder \(folder); create it first")
        }
        guard access(folder, W_OK | X_OK) == 0 else { throw failure(.cannotCreate, "access", folder) }
    }

    /// Makes `path` another name of the file `target` in the same folder, replacing what had that name.
    package static func link(_ target: String, to path: String) throws {
        let temporary = temporaryPath(for: path)
        unlink(temporary)
        guard Glibc.link(target, temporary) == 0 else { throw failure(.inputOutput, "link", path) }
        // rename does nothing, and leaves both names, when they are names of one file already.
        defer { unlink(temporary) }
        try finish(temporary, as: path)
    }

    /// Makes `path` a symbolic link to `target`, a name in the same folder.
    package static func symbolicLink(to target: String, at path: String) throws {
        let temporary = temporaryPath(for: path)
        unlink(temporary)
        guard symlink(target, temporary) == 0 else { throw failure(.inputOutput, "symlink", path) }
        try finish(temporary, as: path)
    }

    /// Makes a folder and those above it that are missing. Throws: `Failure(.cannotCreate)` naming the first that fails.
    package static func makeFolders(_ path: String) throws {
        var made = path.hasPrefix("/") ? "/" : ""
        for name in path.split(separator: "/") {
            made += (made.isEmpty || made.hasSuffix("/") ? "" : "/") + name
            if mkdir(made, 0o755) == 0 { continue }
            let problem = errno
            var status = stat()
            guard stat(made, &status) == 0, status.st_mode & S_IFMT == S_IFDIR else {
                let reason = problem == EEXIST ? "a file of this name exists" : String(cString: strerror(problem))
                throw Failure(.cannotCreate, "\(made): cannot make this folder: \(reason); name another path")
            }
        }
    }

    /// Removes what killed processes left half written in a folder that no other process writes to.
    package static func removeTemporaries(in folder: String) {
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        where name.hasPrefix(".") && name.hasSuffix(temporarySuffix) {
            unlink("\(folder)/\(name)")
        }
    }

    package static func synchronizeFolder(_ folder: String) throws {
        let handle = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard handle >= 0 else { throw failure(.inputOutput, "open", folder) }
        defer { close(handle) }
        guard fsync(handle) == 0 else { throw failure(.inputOutput, "fsync", folder) }
    }

    private static func finish(_ temporary: String, as path: String) throws {
        guard rename(temporary, path) == 0 else {
            let failure = failure(.inputOutput, "rename", path)
            unlink(temporary)
            throw failure
        }
        // Renaming one name of a file to another name of the same file leaves both (POSIX).
        unlink(temporary)
        try synchronizeFolder(folder(of: path))
    }

    private static let temporarySuffix = ".tmp"

    private static func temporaryPath(for path: String) -> String {
        "\(folder(of: path))/.\((path as NSString).lastPathComponent).\(getpid())\(temporarySuffix)"
    }

    private static func folder(of path: String) -> String {
        let folder = (path as NSString).deletingLastPathComponent
        return folder.isEmpty ? "." : folder
    }

    private static func writeAll(_ bytes: UnsafeRawBufferPointer, to file: Int32, path: String) throws {
        var done = 0
        while done < bytes.count {
            let written = Glibc.write(file, bytes.baseAddress! + done, min(bytes.count - done, 1 << 30))
            if written > 0 {
                done += written
            } else if written < 0 && errno != EINTR {
                throw failure(.inputOutput, "write", path)
            }
        }
    }

    private static func failure(_ code: ExitCode, _ call: String, _ path: String) -> Failure {
        let reason = String(cString: strerror(errno))
        return Failure(code, "\(path): \(call): \(reason)")
    }
}
