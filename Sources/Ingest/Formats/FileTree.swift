internal import Diagnostics
internal import Glibc

/// The regular files below a folder, in byte order of their paths, without leaving it.
///
/// Paths are bytes, as the system has them: names need not be UTF-8. Links are followed inside the folder; what leads out of
/// it, in a circle or to nothing is left out, and so are hidden files and what Windows and macOS leave behind.
struct FileTree {
    /// Paths below the folder, without a leading slash.
    private(set) var files: [[UInt8]] = []
    private(set) var leftOut: [LeftOut] = []
    /// Folders directly below that hold no file.
    private(set) var emptyFolders: [[UInt8]] = []

    private let root: [UInt8]
    private let realRoot: [UInt8]
    private static let largestDepth = 32
    private static let systemNames: Set<String> = ["thumbs.db", "desktop.ini", "ehthumbs.db", "__macosx", "@eadir"]
    private struct Identity: Equatable {
        let device: UInt64
        let number: UInt64
    }

    /// Throws 66 when there is no such folder, 65 when it is something else or cannot be read.
    init(_ folder: String) throws {
        root = Array(folder.utf8)
        var status = stat()
        guard stat(folder, &status) == 0 else {
            throw Failure(.inputMissing, "\(folder): \(String(cString: strerror(errno)))")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            throw Failure(.badData, "\(folder): is not a folder, expected one with a folder for each class")
        }
        guard let real = realpath(folder, nil) else {
            throw Failure(.inputMissing, "\(folder): \(String(cString: strerror(errno)))")
        }
        defer { free(real) }
        realRoot = Self.bytes(real)
        try visit([], ancestors: [Self.identity(status)])
    }

    private mutating func visit(_ folder: [UInt8], ancestors: [Identity]) throws {
        for name in try names(in: folder) {
            let path = folder.isEmpty ? name : folder + [UInt8(ascii: "/")] + name
            func leave(_ reason: String, isBad: Bool = true) -> LeftOut {
                LeftOut(file: PathText.display(path), reason: reason, isBad: isBad)
            }
            if name[0] == UInt8(ascii: ".") || Self.systemNames.contains(PathText.display(name).lowercased()) {
                leftOut.append(leave("is hidden or belongs to the system", isBad: false))
                continue
            }
            var status = stat()
            guard lstat(cPath(path), &status) == 0 else {
                leftOut.append(leave("cannot be read: \(String(cString: strerror(errno)))"))
                continue
            }
            if status.st_mode & S_IFMT == S_IFLNK {
                if let reason = follow(path, &status) {
                    leftOut.append(leave(reason))
                    continue
                }
            }
            switch status.st_mode & S_IFMT {
            case S_IFREG: files.append(path)
            case S_IFDIR:
                let identity = Self.identity(status)
                guard !ancestors.contains(identity) else {
                    leftOut.append(leave("is a link in a circle"))
                    continue
                }
                guard ancestors.count < Self.largestDepth else {
                    leftOut.append(leave("lies more than \(Self.largestDepth) folders deep"))
                    continue
                }
                let before = files.count
                do {
                    try visit(path, ancestors: ancestors + [identity])
                } catch let failure as Failure {
                    leftOut.append(leave(failure.message))
                }
                if files.count == before { emptyFolders.append(path) }
            default: leftOut.append(leave("is neither a file nor a folder"))
            }
        }
    }

    /// Puts the target's status in place of a link's, or says why it is not followed.
    private func follow(_ path: [UInt8], _ status: inout stat) -> String? {
        guard let real = realpath(cPath(path), nil) else {
            return errno == ELOOP ? "is a link in a circle" : "is a link to nothing"
        }
        defer { free(real) }
        let target = Self.bytes(real)
        let inside = realRoot == [UInt8(ascii: "/")] ? realRoot : realRoot + [UInt8(ascii: "/")]
        guard target == realRoot || target.starts(with: inside) else { return "is a link that leaves the folder" }
        guard stat(real, &status) == 0 else { return "cannot be read: \(String(cString: strerror(errno)))" }
        return nil
    }

    private func names(in folder: [UInt8]) throws -> [[UInt8]] {
        guard let stream = opendir(cPath(folder)) else {
            throw Failure(.badData, "cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { closedir(stream) }
        var names: [[UInt8]] = []
        while let entry = readdir(stream) {
            let name = withUnsafePointer(to: &entry.pointee.d_name) { pointer in
                pointer.withMemoryRebound(to: CChar.self, capacity: 256) { Self.bytes($0) }
            }
            if name != [46], name != [46, 46] { names.append(name) }
        }
        return names.sorted { $0.lexicographicallyPrecedes($1) }
    }

    private func cPath(_ path: [UInt8]) -> [CChar] { PathText.cPath(root, path) }

    private static func identity(_ status: stat) -> Identity {
        Identity(device: UInt64(status.st_dev), number: UInt64(status.st_ino))
    }

    private static func bytes(_ text: UnsafePointer<CChar>) -> [UInt8] {
        Array(UnsafeRawBufferPointer(start: text, count: strlen(text)))
    }
}

/// Paths as bytes, and how they are shown and stored.
enum PathText {
    /// UTF-8 as it is; other bytes and control characters as `\xHH`.
    static func display(_ path: [UInt8]) -> String {
        if let text = String(validating: path, as: UTF8.self), !path.contains(where: { $0 < 32 || $0 == 127 }) {
            return text
        }
        var text = ""
        var rest = path[...]
        while let byte = rest.first {
            let width = byte < 0x80 ? 1 : byte < 0xE0 ? 2 : byte < 0xF0 ? 3 : 4
            let part = rest.prefix(width)
            if byte >= 32, byte != 127, let valid = String(validating: part, as: UTF8.self) {
                text += valid
                rest = rest.dropFirst(width)
            } else {
                text += "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
                rest = rest.dropFirst()
            }
        }
        return text
    }

    static func cPath(_ root: [UInt8], _ path: [UInt8]) -> [CChar] {
        let whole = path.isEmpty ? root : root + [UInt8(ascii: "/")] + path
        return whole.map { CChar(bitPattern: $0) } + [0]
    }
}
