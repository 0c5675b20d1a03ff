internal import Diagnostics
internal import Glibc

/// An open folder: what is listed and removed through it lies in it, whatever becomes of its name.
package final class Folder {
    package let path: String
    private let descriptor: Int32

    /// Throws: `SystemError`; `ENOTDIR` or `ELOOP` for a symbolic link unless it is followed.
    package init(_ path: String, followingLinks: Bool = true) throws(SystemError) {
        self.path = path
        let flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC | (followingLinks ? 0 : O_NOFOLLOW)
        descriptor = try systemCall("open", path) { open(path, flags) }
    }

    /// Takes over an open folder; `path` is for messages.
    private init(descriptor: Int32, _ path: String) {
        (self.descriptor, self.path) = (descriptor, path)
    }

    deinit { close(descriptor) }

    /// The names in the folder as they are, in no order. Throws: `SystemError`.
    package func nameBytes() throws(SystemError) -> [[UInt8]] {
        let again = try systemCall("open", path) { openat(descriptor, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) }
        guard let stream = fdopendir(again) else {
            close(again)
            throw SystemError("fdopendir", path, errno)
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while true {
            errno = 0
            guard let entry = readdir(stream) else { break }
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
            if name != Array(".".utf8), name != Array("..".utf8) { names.append(name) }
        }
        guard errno == 0 else { throw SystemError("readdir", path, errno) }
        return names
    }

    /// Those names that are UTF-8, sorted by their bytes.
    package func names() throws(SystemError) -> [String] {
        try nameBytes().sorted { $0.lexicographicallyPrecedes($1) }.compactMap { String(validating: $0, as: UTF8.self) }
    }

    /// Removes a name; never what a link of that name leads to. Throws: `SystemError`.
    package func remove(_ name: String) throws(SystemError) {
        try systemCall("unlink", "\(path)/\(name)") { unlinkat(descriptor, name, 0) }
    }

    /// Removes a folder with all that is in it; never what links lead to. Throws: `SystemError`, when it is still there.
    package static func removeTree(_ path: String) throws(SystemError) {
        if let folder = try? Folder(path, followingLinks: false) { folder.removeContents() }
        try systemCall("rmdir", path) { rmdir(path) }
    }

    /// As much as can be removed.
    private func removeContents() {
        for name in (try? nameBytes()) ?? [] {
            let name = name.map(CChar.init(bitPattern:)) + [0]
            guard unlinkat(descriptor, name, 0) != 0 else { continue }
            let inner = openat(descriptor, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
            if inner >= 0 { Folder(descriptor: inner, path).removeContents() }
            _ = unlinkat(descriptor, name, AT_REMOVEDIR)
        }
    }

    /// Makes names given and removed in the folder durable, where the file system can.
    ///
    /// Throws: `SystemError` when what was done may be lost; a folder that cannot be synced at all is no error.
    package static func synchronize(_ path: String) throws(SystemError) {
        do {
            let folder = try Folder(path)
            try systemCall("fsync", path) { fsync(folder.descriptor) }
        } catch  where error.isRefusal {}
    }

    /// Makes a folder and those above it that are missing, with what the umask leaves of 0777.
    ///
    /// Throws: `Failure(.cannotCreate)` naming the first that fails.
    package static func make(_ path: String) throws {
        var made = path.utf8.first == UInt8(ascii: "/") ? "/" : ""
        for name in FilePath.names(in: path) {
            made += (made.isEmpty || made == "/" ? "" : "/") + name
            if mkdir(made, 0o777) == 0 { continue }
            let problem = errno
            let kind = FileKind(of: made)
            if kind == .folder { continue }
            guard problem == EEXIST else { throw SystemError("mkdir", made, problem).failure(.cannotCreate) }
            let reason = kind.map { "\($0.words) of this name exists" } ?? "a link that leads nowhere has this name"
            throw Failure(.cannotCreate, "\(made): cannot make this folder: \(reason); name another path")
        }
    }

    /// Removes what killed writers left half written, of any file or of `target` alone: temporary files whose lock nobody holds.
    package func removeTemporaries(of target: String? = nil) {
        for name in (try? names()) ?? [] where TemporaryFile.isTemporary(name, of: target) {
            let path = "\(path)/\(name)"
            let kind = FileKind(of: path, followingLinks: false)
            // Links have no lock, and are renamed as soon as they are made.
            guard kind == .symbolicLink || kind == .regular && TemporaryFile.isAbandoned(path) else { continue }
            try? remove(name)
        }
    }
}
