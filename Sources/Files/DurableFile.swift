internal import Diagnostics
internal import Glibc

/// Files that are either there whole or not at all, also after a crash.
package enum DurableFile {
    /// Writes pieces of bytes under a temporary name beside `path`, then fsync, rename, fsync of the folder.
    ///
    /// Memory: none. Throws: `Failure` with the failing call, `.inputOutput` once the file could be created; the
    /// temporary file is removed.
    package static func write(_ pieces: [UnsafeRawBufferPointer], to path: String) throws {
        let file = try TemporaryFile(for: path)
        for piece in pieces { try file.write(piece) }
        try file.commit()
    }

    package static func write(_ text: String, to path: String) throws { try write(Array(text.utf8), to: path) }

    package static func write(_ bytes: [UInt8], to path: String) throws {
        try bytes.withUnsafeBytes { try write([$0], to: path) }
    }

    /// Replaces a file at once by one that is whole but need not outlive a crash of the machine: for what is easily made again.
    ///
    /// Throws: as `write` does.
    package static func replace(_ path: String, with text: String) throws {
        let file = try TemporaryFile(for: path)
        try file.write(text)
        try file.takeName()
    }

    /// Finds out before the work begins that `path` cannot take its result. Nothing is created.
    ///
    /// Throws: `Failure(.cannotCreate)` for a folder, a folder that is missing or must not be written to, a name that is
    /// too long, and for one of `inputs`, which would be replaced.
    package static func requireWritable(_ path: String, unlike inputs: [String] = []) throws {
        guard !path.isEmpty, path.utf8.last != UInt8(ascii: "/") else {
            throw Failure(.cannotCreate, "\"\(path)\": expected the name of a file to write")
        }
        if let status = FileKind.status(of: path) {
            let kind = FileKind(mode: status.st_mode)
            guard kind == .regular else {
                throw Failure(
                    .cannotCreate, "\(path): is \(kind.words), no regular file; expected the name of a file to write")
            }
            for input in inputs {
                guard FileKind.status(of: input)?.isSameFile(as: status) != true else {
                    throw Failure(.cannotCreate, "\(path): is what is read from (\(input)); name another file")
                }
            }
        }
        let folder = FilePath.folder(of: path)
        guard FileKind(of: folder) == .folder else {
            throw Failure(.cannotCreate, "\(path): there is no folder \(folder); create it first")
        }
        let (name, longest) = (FilePath.name(of: path), pathconf(folder, Int32(_PC_NAME_MAX)))
        guard longest < 0 || name.utf8.count <= longest else {
            throw Failure(
                .cannotCreate,
                "\(path): its name has \(name.utf8.count) bytes, this file system takes \(longest); give a shorter one")
        }
        do {
            try systemCall("access", folder) { access(folder, W_OK | X_OK) }
        } catch {
            throw error.failure(.cannotCreate)
        }
    }

    /// Makes `path` another name of the file `target` in the same folder, replacing what had that name; a copy of it where
    /// there are no such links.
    ///
    /// Throws: `Failure(.inputOutput)`.
    package static func link(_ target: String, to path: String) throws {
        try replace(path) { temporary throws(SystemError) in
            try systemCall("link", path) { Glibc.link(target, temporary) }
        } orElse: {
            try copy(target, to: path)
        }
    }

    /// Makes `path` a symbolic link to `target`, a name in the same folder; another name of it, or a copy, where there are
    /// no such links.
    ///
    /// Throws: `Failure(.inputOutput)`.
    package static func symbolicLink(to target: String, at path: String) throws {
        try replace(path) { temporary throws(SystemError) in
            try systemCall("symlink", path) { symlink(target, temporary) }
        } orElse: {
            try link("\(FilePath.folder(of: path))/\(target)", to: path)
        }
    }

    /// Writes a copy of a regular file, or of its first bytes, durably; `path` may be `source` itself.
    ///
    /// Throws: `Failure(.inputOutput)`, and what opening the source throws.
    package static func copy(_ source: String, to path: String, atMost limit: Int = .max) throws {
        let input = try InputFile(source, expected: "expected a file to copy")
        let output = try TemporaryFile(for: path)
        let pieceBytes = 1 << 20
        let piece = UnsafeMutableRawBufferPointer.allocate(byteCount: pieceBytes, alignment: 64)
        defer { piece.deallocate() }
        var done = 0
        while done < limit {
            let rest = UnsafeMutableRawBufferPointer(rebasing: piece[..<min(pieceBytes, limit - done)])
            let count = try input.read(into: rest, at: done)
            guard count > 0 else { break }
            try output.write(UnsafeRawBufferPointer(rebasing: rest[..<count]))
            done += count
        }
        try output.commit()
    }

    /// Makes a link under a temporary name and renames it.
    private static func replace(
        _ path: String, _ make: (_ temporary: String) throws(SystemError) -> Void, orElse: () throws -> Void
    ) throws {
        let temporary = TemporaryFile.freshPath(for: path)
        do {
            try make(temporary)
        } catch  where error.isRefusal {
            return try orElse()
        } catch {
            throw error.failure(.inputOutput)
        }
        // Renaming one name of a file to another name of the same file does nothing and leaves both (POSIX).
        defer { unlink(temporary) }
        do {
            try systemCall("rename", path) { rename(temporary, path) }
            try Folder.synchronize(FilePath.folder(of: path))
        } catch {
            throw error.failure(.inputOutput)
        }
    }
}
