package import DataParallel
internal import Diagnostics
internal import Files
internal import Foundation

/// The configuration file, which rank 0 reads and brings to all ranks, whose hosts may not see it.
package enum ConfigurationFile {
    /// The file's text on every rank; nil without a file. Collective. Throws: `Failure`, the same on every rank.
    package static func text(ofFile path: String?, over communicator: any Communicator) throws -> String? {
        guard let path else { return nil }
        let text = try RankAgreement.together(communicator) {
            communicator.rank == 0 ? try Array(read(path).utf8) : []
        }
        return String(decoding: try communicator.broadcast(text, from: 0), as: UTF8.self)
    }

    /// The text of a configuration: of a file, a pipe, or standard input for `-`. Throws: `Failure`.
    package static func read(_ path: String) throws -> String {
        let bytes = try bytes(of: path)
        let glance = FileGlance(head: Array(bytes.prefix(4_096)), name: path)
        if ![.text, .yaml, .csv, .empty, .unknown].contains(glance) {
            let way = glance == .hdf5 ? "; a dataset is named with --data \(path)" : ""
            throw Failure(.configuration, "\(path): is \(glance.words), expected a YAML file\(way)")
        }
        guard bytes.count <= ConfigurationNode.maximumBytes else {
            throw Failure(
                .configuration, "\(path): more than \(ConfigurationNode.maximumBytes) bytes, expected a YAML file")
        }
        guard let text = String(validating: bytes, as: UTF8.self) else {
            throw Failure(.configuration, "\(path): not UTF-8 text; expected a YAML file")
        }
        return text
    }

    /// At most one byte more than a configuration may have.
    private static func bytes(of path: String) throws -> [UInt8] {
        let isInput = path == "-" || path == "/dev/stdin"
        // Without O_NONBLOCK a named pipe that nobody writes could not be left.
        let file: Int32
        do {
            let flags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY
            file = isInput ? STDIN_FILENO : try systemCall("open", path) { open(path, flags) }
        } catch {
            throw failureToOpen(path, error.number)
        }
        defer { if !isInput { close(file) } }
        var status = stat()
        guard fstat(file, &status) == 0, status.st_mode & S_IFMT != S_IFDIR else {
            throw Failure(.inputMissing, "\(path): is a folder, expected a YAML file\(example(in: path))")
        }
        var bytes: [UInt8] = []
        var piece = [UInt8](repeating: 0, count: 1 << 16)
        while bytes.count <= ConfigurationNode.maximumBytes {
            var wait = pollfd(fd: file, events: Int16(POLLIN), revents: 0)
            // Not for ever: a signal that comes just before would wake nobody.
            let ready = poll(&wait, 1, 100)
            if ready == 0 || ready < 0 && errno == EINTR {
                if StopSignals.isRequested {
                    throw Failure(.inputMissing, "\(path): asked to stop while waiting for the configuration")
                }
                continue
            }
            let count = Glibc.read(file, &piece, piece.count)
            if count == 0 { break }
            if count > 0 {
                bytes += piece[..<count]
            } else if errno != EINTR && errno != EAGAIN {
                throw Failure(
                    .inputMissing, "\(path): cannot be read: \(String(cString: strerror(errno))); expected a YAML file")
            }
        }
        return bytes
    }

    private static func failureToOpen(_ path: String, _ reason: Int32) -> Failure {
        guard reason == ENOENT else {
            return Failure(
                .inputMissing, "\(path.isEmpty ? "\"\"" : path): \(SystemError.reason(reason)); expected a YAML file")
        }
        let name = (path as NSString).lastPathComponent
        let folder = (path as NSString).deletingLastPathComponent
        let near = Suggestion.nearest(to: name, in: yamlFiles(in: folder.isEmpty ? "." : folder))
        let advice =
            near.map { "did you mean \(folder.isEmpty ? $0 : folder + "/" + $0)?" }
            ?? (yamlFiles(in: "configs").isEmpty ? "expected a YAML file" : "configs/ has examples")
        return Failure(.inputMissing, "\(path.isEmpty ? "\"\"" : path): no such configuration file; \(advice)")
    }

    /// " in it, such as FOLDER/x.yaml", if there is one.
    private static func example(in folder: String) -> String {
        yamlFiles(in: folder).first.map { " in it, such as \((folder as NSString).appendingPathComponent($0))" } ?? ""
    }

    private static func yamlFiles(in folder: String) -> [String] {
        ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
            .filter { $0.hasSuffix(".yaml") || $0.hasSuffix(".yml") }
    }
}
