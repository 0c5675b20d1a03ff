/// What a file that is no HDF5 file seems to be, by its first bytes, and what can be done with it.
enum ForeignFile {
    /// Bytes that are looked at: as many as a tar header has.
    static let headBytes = 512

    /// nil when nothing is known of such a beginning.
    static func words(for head: [UInt8]) -> String? {
        for (magic, offset, words) in known where head.dropFirst(offset).starts(with: magic) { return words }
        if head.starts(with: Array("PK\u{3}\u{4}".utf8)) { return zipWords(head) }
        // The two zeros and the type of an IDX file.
        if head.count > 3, head[0] == 0, head[1] == 0, (8...14).contains(head[2]), (1...4).contains(head[3]) {
            return "it looks like IDX; make a dataset file of it with swift-train convert idx"
        }
        if head.count > 1, head[0] == 0x80, (2...5).contains(head[1]) { return "it is a Python pickle; \(byHand)" }
        if head.count > 8, head[8] == UInt8(ascii: "{"), head[3..<8].allSatisfy({ $0 == 0 }) {
            return "it is a file of weights (safetensors), not of images"
        }
        return isText(head) ? textWords(head) : nil
    }

    private static let byHand =
        "write /classes, /train/images (N, H, W, C) uint8 and /train/labels into an HDF5 file, with h5py for example"

    private static let known: [(magic: [UInt8], offset: Int, words: String)] = [
        ([0x1F, 0x8B], 0, "it is compressed with gzip; unpack it, or give IDX files to swift-train convert idx"),
        ([0x42, 0x5A, 0x68], 0, "it is compressed with bzip2; unpack it first"),
        ([0xFD, 0x37, 0x7A, 0x58, 0x5A], 0, "it is compressed with xz; unpack it first"),
        ([0x28, 0xB5, 0x2F, 0xFD], 0, "it is compressed with zstd; unpack it first"),
        ([0x37, 0x7A, 0xBC, 0xAF], 0, "it is a 7-Zip archive; unpack it first"),
        ([0x89, 0x50, 0x4E, 0x47], 0, "it is a picture (PNG); a dataset holds many pictures: \(byHand)"),
        ([0xFF, 0xD8, 0xFF], 0, "it is a picture (JPEG); a dataset holds many pictures: \(byHand)"),
        (Array("GIF8".utf8), 0, "it is a picture (GIF); a dataset holds many pictures: \(byHand)"),
        (Array("WEBP".utf8), 8, "it is a picture (WebP); a dataset holds many pictures: \(byHand)"),
        (Array("\u{93}NUMPY".unicodeScalars.map { UInt8($0.value) }), 0, "it is a NumPy array (.npy); \(byHand)"),
        (Array("ustar".utf8), 257, "it is a tar archive; unpack it first"),
        (Array("PAR1".utf8), 0, "it is a Parquet table; \(byHand)"),
        (Array("ARROW1".utf8), 0, "it is an Arrow file; \(byHand)"),
        (Array("SQLite format 3".utf8), 0, "it is an SQLite database; \(byHand)"),
        (Array("MATLAB 5.0".utf8), 0, "it is a MATLAB file before 7.3; save it with -v7.3, or \(byHand)"),
        ([0x0E, 0x03, 0x13, 0x01], 0, "it is HDF4; convert it to HDF5 with h4toh5"),
        ([0x80, 0x02, 0x8A, 0x0A, 0x6C], 0, "it is a PyTorch file of before 1.6 (pickle); \(byHand)"),
    ]

    private static func zipWords(_ head: [UInt8]) -> String {
        let text = String(decoding: head.dropFirst(30).prefix(200), as: UTF8.self)
        if text.contains(".npy") { return "it is a NumPy archive (.npz); \(byHand)" }
        if text.contains("/data.pkl") { return "it is a PyTorch file (.pt, .pth); \(byHand)" }
        return "it is a zip archive; unpack it first"
    }

    private static func isText(_ head: [UInt8]) -> Bool {
        !head.isEmpty && head.allSatisfy { $0 >= 32 && $0 != 127 || (9...13).contains($0) }
    }

    private static func textWords(_ head: [UInt8]) -> String {
        let text = String(decoding: head, as: UTF8.self)
        let line = text.prefix { !$0.isNewline }
        if text.hasPrefix("version https://git-lfs") {
            return "it is a pointer of Git LFS, not the file itself; fetch it with git lfs pull"
        }
        if text.hasPrefix("<!DOCTYPE") || text.hasPrefix("<html") { return "it is a web page; fetch the file again" }
        if ["{", "["].contains(where: text.hasPrefix) { return "it is text, JSON perhaps; \(byHand)" }
        if [",", "\t", ";"].contains(where: { line.split(separator: Character($0)).count > 2 }) {
            return "it is a table of text (CSV); \(byHand)"
        }
        return "it is text; \(byHand)"
    }
}
