internal import Diagnostics
internal import Glibc

/// A file on its way to its name: written under a name of its own in the same folder, made durable, then renamed.
///
/// Its writer holds a lock on it, so that what a killed process left can be told from what another one, perhaps in
/// another container where process numbers repeat, is writing. An object that is dropped takes its file along.
package final class TemporaryFile {
    package let path: String
    private let target: String
    private let descriptor: Int32
    private var isNamed = false

    /// Throws: `Failure(.cannotCreate)`.
    package init(for target: String) throws {
        self.target = target
        for attempt in 0... {
            let path = Self.freshPath(for: target)
            let descriptor: Int32
            do {
                descriptor = try systemCall("open", path) {
                    open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o666)
                }
            } catch  where error.number == EEXIST {
                continue
            } catch {
                throw SystemError(error.call, target, error.number).failure(.cannotCreate)
            }
            let lock = FileLock.take(descriptor, path)
            var status = stat()
            // Between the two calls someone may have taken it for abandoned.
            let isOurs = lock != .heldByAnother && (fstat(descriptor, &status) != 0 || status.st_nlink > 0)
            guard isOurs || attempt == Self.attempts else {
                unlink(path)
                close(descriptor)
                continue
            }
            (self.path, self.descriptor) = (path, descriptor)
            return
        }
        preconditionFailure("the last attempt counts")
    }

    deinit {
        if !isNamed { unlink(path) }
        close(descriptor)
    }

    /// Takes the temporary name away; the bytes stay for as long as this object.
    package func dropName() { unlink(path) }

    /// Appends bytes. Throws: `Failure(.inputOutput)`.
    package func write(_ bytes: UnsafeRawBufferPointer) throws {
        do {
            try writeAll(bytes, to: descriptor, path: target)
        } catch {
            throw error.failure(.inputOutput)
        }
    }

    /// Appends UTF-8 text. Throws: `Failure(.inputOutput)`.
    package func write(_ text: String) throws {
        var text = text
        try text.withUTF8 { try write(UnsafeRawBufferPointer($0)) }
    }

    /// Reads bytes that were written. Throws: `Failure(.inputOutput)`.
    package func read(into bytes: UnsafeMutableRawBufferPointer, at offset: Int) throws {
        var done = 0
        while done < bytes.count {
            do throws(SystemError) {
                let count = try systemCall("read", target) {
                    pread(descriptor, bytes.baseAddress! + done, bytes.count - done, off_t(offset + done))
                }
                guard count > 0 else { throw SystemError("read", target, EIO) }
                done += Int(count)
            } catch {
                throw error.failure(.inputOutput)
            }
        }
    }

    /// Makes the bytes durable; the temporary name still stands. Throws: `Failure(.inputOutput)`.
    package func synchronize() throws {
        do {
            try synchronizeFile(descriptor, path: target)
        } catch {
            throw error.failure(.inputOutput)
        }
    }

    /// Makes the bytes durable and gives the file its name, durably too. Throws: `Failure(.inputOutput)`.
    package func commit() throws {
        try synchronize()
        try takeName()
        do throws(SystemError) {
            try Folder.synchronize(FilePath.folder(of: target))
        } catch {
            throw error.failure(.inputOutput)
        }
    }

    /// Gives the file its name. After a crash of the machine the file may be the one before, or empty.
    ///
    /// Throws: `Failure(.inputOutput)`.
    package func takeName() throws {
        do {
            try systemCall("rename", target) { rename(path, target) }
            isNamed = true
        } catch {
            throw error.failure(.inputOutput)
        }
    }

    /// After so many names that were lost the lock is done without.
    private static let attempts = 8

    // ---- Names

    private static let suffix = ".tmp"
    /// What is kept of a long name: with dots, number and suffix the whole stays below the 143 bytes of eCryptfs.
    private static let keptBytes = 100

    /// `folder/.NAME.NUMBER.tmp`, never used before.
    static func freshPath(for target: String) -> String {
        "\(FilePath.folder(of: target))/\(prefix(for: target))\(UInt64.random(in: 0 ... .max))\(suffix)"
    }

    private static func prefix(for target: String) -> String {
        var name = FilePath.name(of: target)
        while name.utf8.count > keptBytes { name.unicodeScalars.removeLast() }
        return ".\(name)."
    }

    /// Whether a name is one that `freshPath` makes, for any target or for this one.
    static func isTemporary(_ name: String, of target: String? = nil) -> Bool {
        guard name.hasPrefix("."), name.hasSuffix(suffix) else { return false }
        let stem = name.utf8.dropLast(suffix.utf8.count)
        guard let dot = stem.lastIndex(of: UInt8(ascii: ".")), dot > stem.startIndex else { return false }
        guard target.map({ stem[...dot].elementsEqual(prefix(for: $0).utf8) }) ?? true else { return false }
        let digits = stem[stem.index(after: dot)...]
        return !digits.isEmpty && digits.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
    }

    /// Where there are no locks a file counts as abandoned when nobody has written to it for so long.
    private static let abandonedSeconds = 86_400

    /// Whether the writer of a temporary file is gone.
    static func isAbandoned(_ path: String) -> Bool {
        let descriptor = open(path, O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        switch FileLock.take(descriptor, path) {
        case .held: return true
        case .heldByAnother: return false
        case .impossible:
            var status = stat()
            return fstat(descriptor, &status) == 0 && time(nil) - status.st_mtim.tv_sec > abandonedSeconds
        }
    }
}

/// Writes all bytes, however many calls that takes. Throws: `SystemError`.
func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String) throws(SystemError) {
    var done = 0
    while done < bytes.count {
        done += try systemCall("write", path) {
            write(descriptor, bytes.baseAddress! + done, min(bytes.count - done, 1 << 30))
        }
    }
}

/// Makes a file's bytes durable, where the file system can. Throws: `SystemError` when they may be lost.
func synchronizeFile(_ descriptor: Int32, path: String) throws(SystemError) {
    do {
        try systemCall("fsync", path) { fsync(descriptor) }
    } catch  where error.isRefusal {}
}
