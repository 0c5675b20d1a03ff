internal import Glibc

/// Paths as bytes. A slash and a combining mark behind it are one `Character`, so characters would miss it.
package enum FilePath {
    /// The folder that holds `path`: `a/b` → `a`, `b` → `.`, `/b` → `/`.
    package static func folder(of path: String) -> String {
        let bytes = trimmed(path)
        guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")) else { return "." }
        let folder = bytes[..<slash]
        let end = folder.lastIndex { $0 != UInt8(ascii: "/") }
        return end.map { String(decoding: folder[...$0], as: UTF8.self) } ?? "/"
    }

    /// The last name of `path`: `a/b/` → `b`.
    package static func name(of path: String) -> String {
        let bytes = trimmed(path)
        let start = bytes.lastIndex(of: UInt8(ascii: "/")).map { bytes.index(after: $0) } ?? bytes.startIndex
        return String(decoding: bytes[start...], as: UTF8.self)
    }

    /// The names that `path` consists of.
    package static func names(in path: String) -> [String] {
        path.utf8.split(separator: UInt8(ascii: "/")).map { String(Substring($0)) }
    }

    /// The path of what `path` leads to, without links; nil when there is nothing.
    package static func resolved(_ path: String) -> String? {
        guard let resolved = realpath(path, nil) else { return nil }
        defer { free(resolved) }
        return String(cString: resolved)
    }

    private static func trimmed(_ path: String) -> Substring.UTF8View {
        let end = path.utf8.lastIndex { $0 != UInt8(ascii: "/") }
        return end.map { path.utf8[...$0] } ?? path.utf8.prefix(0)
    }
}
