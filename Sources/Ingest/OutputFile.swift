internal import Diagnostics
internal import Files

/// A file that appears under its name complete and durable, or not at all.
///
/// It is written under a temporary name in the same folder, where what killed writers of the same file left is removed first. A
/// throw, a dropped object and a signal that ends the process remove the temporary file.
final class OutputFile {
    let path: String
    private let file: TemporaryFile
    private let cleanup: SignalCleanup.Claim

    /// An empty file so far, under a lock that is released with this object.
    var temporaryPath: String { file.path }

    /// Throws 73 when the folder cannot take the file, when the file exists and must not be replaced, and when it is one of
    /// `inputs`.
    init(path: String, replacing: Bool, unlike inputs: [String] = []) throws {
        self.path = path
        try DurableFile.requireWritable(path, unlike: inputs)
        guard replacing || FileKind(of: path, followingLinks: false) == nil else {
            throw Failure(
                .cannotCreate, "\(path): exists already. Give another --output, or --force to replace it.")
        }
        try? Folder(FilePath.folder(of: path)).removeTemporaries(of: path)
        file = try TemporaryFile(for: path)
        cleanup = SignalCleanup.begin(removing: file.path)
    }

    deinit {
        SignalCleanup.end(cleanup)
    }

    /// Makes the written bytes durable; the temporary name still stands.
    func synchronize() throws { try file.synchronize() }

    /// Gives the file its name, durably.
    func commit() throws { try file.commit() }
}
