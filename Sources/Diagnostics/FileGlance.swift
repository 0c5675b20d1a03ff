internal import Glibc

/// What lies at a path, by its first bytes: enough to say what was given where something else is expected.
///
/// Never opened by a library, and never waited for: a named pipe is `special`.
package enum FileGlance: Equatable, Sendable {
    case missing, folder, special, empty
    case hdf5, numpyArchive, numpyArray, pytorch, pickle, safetensors, zip, gzip, tar, idx, picture, matlab, parquet
    case yaml, csv, text, unknown

    private static let headBytes = 2_056
    /// Where HDF5 looks for its signature; farther ones are not looked at.
    private static let signatureOffsets = [0, 512, 1_024, 2_048]
    private static let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]

    package init(_ path: String) {
        let file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard file >= 0 else {
            self = .missing
            return
        }
        defer { close(file) }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            self = status.st_mode & S_IFMT == S_IFDIR ? .folder : .special
            return
        }
        var head = [UInt8](repeating: 0, count: Self.headBytes)
        let count = max(0, pread(file, &head, head.count, 0))
        self.init(head: Array(head.prefix(count)), name: path)
    }

    /// By the first bytes of a file and its name.
    package init(head: [UInt8], name: String) {
        func begins(_ bytes: [UInt8], at offset: Int = 0) -> Bool { head.dropFirst(offset).starts(with: bytes) }
        func begins(_ text: String, at offset: Int = 0) -> Bool { begins(Array(text.utf8), at: offset) }
        let pictures: [[UInt8]] = [
            [0xFF, 0xD8, 0xFF], [0x89, 0x50, 0x4E, 0x47], Array("GIF8".utf8), Array("BM".utf8), [0x49, 0x49, 0x2A, 0],
            [0x4D, 0x4D, 0, 0x2A], Array("P5".utf8), Array("P6".utf8),
        ]
        self =
            if head.isEmpty {
                .empty
            } else if Self.signatureOffsets.contains(where: { begins(Self.signature, at: $0) }) {
                .hdf5
            } else if begins([0x50, 0x4B, 3, 4]) {
                Self.archive(head)
            } else if begins([0x1F, 0x8B]) {
                .gzip
            } else if begins([0, 0, 8]), head.count > 3, (1...8).contains(head[3]) {
                .idx
            } else if begins([0x93] + Array("NUMPY".utf8)) {
                .numpyArray
            } else if begins("{\"", at: 8), begins([0, 0, 0], at: 5) {
                .safetensors
            } else if begins("MATLAB") {
                .matlab
            } else if begins("PAR1") {
                .parquet
            } else if begins("ustar", at: 257) {
                .tar
            } else if begins([0x80]), head.count > 1, (2...5).contains(head[1]) {
                .pickle
            } else if begins("RIFF") && begins("WEBP", at: 8)
                || pictures.contains(where: { begins($0) })
                    && !Self.isText(head)
            {
                .picture
            } else if Self.isText(head) {
                Self.text(head, name: name)
            } else {
                .unknown
            }
    }

    /// What PK archives are, by the name of their first member.
    private static func archive(_ head: [UInt8]) -> FileGlance {
        guard head.count > 30 else { return .zip }
        let length = Int(head[26]) | Int(head[27]) << 8
        let name = String(decoding: head.dropFirst(30).prefix(length), as: UTF8.self)
        if name.hasSuffix(".npy") { return .numpyArchive }
        return name.hasSuffix("data.pkl") || name.hasSuffix("/.format_version") ? .pytorch : .zip
    }

    private static func isText(_ head: [UInt8]) -> Bool {
        // The last character may be cut in two.
        (0...3).contains { String(validating: head.dropLast($0), as: UTF8.self) != nil }
            && !head.contains { $0 < 9 || (14...31).contains($0) && $0 != 27 }
    }

    private static func text(_ head: [UInt8], name: String) -> FileGlance {
        let end = name.lowercased()
        if end.hasSuffix(".yaml") || end.hasSuffix(".yml") { return .yaml }
        let line = String(decoding: head, as: UTF8.self).split(whereSeparator: \.isNewline).first ?? ""
        return end.hasSuffix(".csv") || line.count { $0 == "," } > 8 ? .csv : .text
    }

    /// "a folder", "a PyTorch file (.pth)" …
    package var words: String {
        switch self {
        case .missing: "missing"
        case .folder: "a folder"
        case .special: "not a regular file"
        case .empty: "empty"
        case .hdf5: "an HDF5 file"
        case .numpyArchive: "a NumPy archive (.npz)"
        case .numpyArray: "a NumPy array (.npy)"
        case .pytorch: "a PyTorch file (.pth)"
        case .pickle: "a Python pickle, as older PyTorch files are"
        case .safetensors: "a safetensors file"
        case .zip: "a ZIP archive"
        case .gzip: "compressed with gzip"
        case .tar: "a tar archive"
        case .idx: "an IDX file"
        case .picture: "a picture"
        case .matlab: "a MATLAB file"
        case .parquet: "a Parquet table"
        case .yaml: "a YAML file"
        case .csv: "a table of text (.csv)"
        case .text: "text"
        case .unknown: "in no format that is known here"
        }
    }
}
