internal import Datasets
internal import Diagnostics
internal import Files
internal import Glibc
internal import Report

/// `convert folder`: a folder for each class, or `train`, `val` and `test` with a folder for each class.
package final class FolderImages: ImageSource {
    let form = ImageForm.encoded
    let classes: [String]
    let splits: [SourceSplit]
    let leftOut: [LeftOut]
    let isConcurrent = true

    var paths: [String] { files.map { String(decoding: root + [UInt8(ascii: "/")] + $0, as: UTF8.self) } }
    private let root: [UInt8]
    private let files: [[UInt8]]
    private let name: String

    /// Writes the images below a folder as a dataset. Throws `Failure`: 66 for a missing folder, 65 for bad content, 64 for
    /// options that contradict it, 73 and 74 for the output.
    @discardableResult
    package static func convert(
        folder: String, to path: String, fractions: SplitFractions = SplitFractions(),
        options: ConversionOptions = ConversionOptions()
    ) throws -> ConversionReport {
        let source = try FolderImages(folder, fractions: fractions)
        return try Conversion(
            source: source, command: ["swift-train", "convert", "folder"] + fractions.words, options: options
        ).run(to: path)
    }

    /// The splits that a folder of images has by the names of its folders: `train` alone where these are classes.
    ///
    /// Throws: `Failure(.inputMissing)`.
    package static func splitNames(of folder: String) throws -> Set<String> {
        do {
            return FolderLayout.splits(ofFolders: try Folder(folder).names())
        } catch {
            throw error.failure(.inputMissing)
        }
    }

    init(_ folder: String, fractions: SplitFractions) throws {
        let tree = try FileTree(folder)
        let layout = try FolderLayout(
            tree.files, emptyFolders: tree.emptyFolders, unread: tree.leftOut, fractions: fractions, place: folder)
        root = Array(folder.utf8)
        files = tree.files
        name = folder.split(separator: "/").last.map(String.init) ?? folder
        classes = layout.classes
        splits = layout.splits
        leftOut = (tree.leftOut + layout.leftOut).sorted { $0.file.utf8.lexicographicallyPrecedes($1.file.utf8) }
    }

    func rewind(to part: Int) {}

    func fetch(_ samples: ArraySlice<Int>, of part: Int, head: Int?, into images: FetchedImages) {
        for sample in samples { ImageFile.read(PathText.cPath(root, files[sample]), head: head, into: images) }
    }

    func sources(_ encoded: EncodedFiles) -> JSON {
        [
            [
                "name": .string(name), "files": .integer(encoded.count), "bytes": .integer(encoded.bytes),
                "sha256": .string(encoded.sha256),
            ]
        ]
    }
}

/// Reading one encoded image from a file.
enum ImageFile {
    static let largestBytes = ImagePreparation.largestEncodedBytes

    /// Adds a regular file's bytes, or the reason why not. Never waits for a device or a pipe.
    static func read(_ path: [CChar], head: Int?, into images: FetchedImages) {
        let descriptor: Int32
        do {
            descriptor = try InputDescriptor.open(path)
        } catch {
            switch error {
            case .system(let reason): return images.fail("cannot be read: \(SystemError.reason(reason))")
            case .kind: return images.fail("is no regular file")
            }
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { return images.fail("is no regular file") }
        let size = Int(status.st_size)
        guard size <= largestBytes else { return images.fail("has \(size) bytes, expected at most \(largestBytes)") }
        let wanted = min(size, head ?? size)
        guard wanted > 0 else { return images.endImage() }
        let room = images.room(wanted)
        var filled = 0
        while filled < wanted {
            let count = Glibc.read(descriptor, room.baseAddress! + filled, wanted - filled)
            if count < 0, errno == EINTR { continue }
            guard count >= 0 else { return images.fail("cannot be read: \(String(cString: strerror(errno)))") }
            guard count > 0 else { break }
            filled += count
        }
        images.fill(filled)
        images.endImage()
    }
}
