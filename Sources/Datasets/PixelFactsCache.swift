internal import Files
internal import Glibc

/// Facts that one line of words holds.
protocol FactsLine {
    /// nil for words that are none.
    init?(line: some StringProtocol)
    var line: String { get }
}

/// What was found out about pixels, remembered for as long as their files lie unchanged: a file of lines, each a key and the
/// facts; the newest stand last.
///
/// Keys are digests of what `FileIdentity` and the place in the file say, so the file names nothing. It lies in
/// `$XDG_CACHE_HOME/swift-train`, or `~/.cache/swift-train`. Trouble with it is never an error: then the pixels are read
/// again. Several processes may use it at once: it is replaced as a whole, and what one of them adds can be lost.
struct PixelFactsCache {
    private let path: String?
    private static let largestCount = 512
    private static let largestBytes = 1 << 18

    /// nil: nothing is remembered.
    init(path: String?) {
        self.path = path
    }

    static var standard: PixelFactsCache {
        func variable(_ name: String) -> String? {
            // Other values than absolute paths are to be ignored (XDG Base Directory Specification).
            getenv(name).map { String(cString: $0) }.flatMap { $0.hasPrefix("/") ? $0 : nil }
        }
        let folder = variable("XDG_CACHE_HOME") ?? variable("HOME").map { $0 + "/.cache" }
        return PixelFactsCache(path: folder.map { $0 + "/swift-train/verified" })
    }

    /// What is known about a part of a file in this state, or what `find` finds out. Throws: what `find` throws.
    func facts<Facts: FactsLine>(
        about part: String, in identity: FileIdentity, _ find: () throws -> Facts
    ) rethrows -> Facts {
        let key = identity.key(of: part)
        if let known: Facts = facts(for: key) { return known }
        let isFresh = identity.isFresh
        let found = try find()
        if !isFresh { remember(found, for: key) }
        return found
    }

    func facts<Facts: FactsLine>(for key: String) -> Facts? {
        lines().last { $0.hasPrefix(key + " ") }.flatMap { Facts(line: $0.dropFirst(key.utf8.count + 1)) }
    }

    func remember(_ facts: some FactsLine, for key: String) {
        guard let path else { return }
        let kept = lines().filter { !$0.hasPrefix(key + " ") }.suffix(Self.largestCount - 1)
        let text = (kept + ["\(key) \(facts.line)"]).map { $0 + "\n" }.joined()
        // What cannot be kept is found out again.
        try? Folder.make(FilePath.folder(of: path))
        try? DurableFile.write(text, to: path)
    }

    private func lines() -> [String] {
        guard let path, let descriptor = try? InputDescriptor.open(path, expected: "") else { return [] }
        defer { close(descriptor) }
        let bytes = InputDescriptor.bytes(descriptor, count: Self.largestBytes, at: 0)
        return String(decoding: bytes, as: UTF8.self).split(separator: "\n").map(String.init)
    }
}
