internal import Diagnostics

/// How a converter stores the images.
package struct ConversionOptions: Sendable {
    /// 1…9; nil for no compression.
    package var gzipLevel: Int?
    /// Fletcher32 over every chunk.
    package var checksum: Bool
    /// Whether an existing output may be replaced.
    package var replaceExisting: Bool

    package init(gzipLevel: Int? = nil, checksum: Bool = false, replaceExisting: Bool = false) {
        self.gzipLevel = gzipLevel
        self.checksum = checksum
        self.replaceExisting = replaceExisting
    }

    /// Level of `gzip` or `gzip:1` … `gzip:9`; `gzip` alone is 6.
    package static func gzipLevel(_ text: String) throws -> Int {
        if text == "gzip" { return 6 }
        let parts = text.split(separator: ":", omittingEmptySubsequences: false)
        guard parts.count == 2, parts[0] == "gzip", let level = Int(parts[1]), (1...9).contains(level) else {
            throw Failure(.usage, "--compress \(text), expected gzip or gzip:1 … gzip:9")
        }
        return level
    }

    /// The options that change the file, as they stand in its `command`.
    var words: [String] {
        (gzipLevel.map { ["--compress", "gzip:\($0)"] } ?? []) + (checksum ? ["--checksum"] : [])
    }
}

/// What a converter tells its caller when it is done.
package struct ConversionReport: Sendable {
    package let path: String
    package let digest: String
    /// Name and number of images of each split, in the order written.
    package let splits: [(name: String, count: Int)]
    package let classCount: Int
    /// What was found out about the source and decided, one line each.
    package var notes: [String] = []
    /// What the user should look at.
    package var warnings: [String] = []
}
