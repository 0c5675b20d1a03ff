internal import Diagnostics
internal import Foundation

/// Where the four IDX files of a data set lie: under MNIST's names, with `.gz` or not, with a point instead of the second
/// hyphen, in folders of their own names as Kaggle unpacks them, or under EMNIST's names, which begin with one of the set.
struct IDXFolder {
    typealias Files = (images: String, labels: String)
    let train: Files
    let test: Files
    /// EMNIST's table of labels and characters, if it is there.
    let mapping: String?
    let isEMNIST: Bool

    /// `prefix` is what stands before `-train-images`, `emnist-letters` for example.
    ///
    /// Throws `Failure`: 66 when files are missing, 65 when `folder` is none, 64 when there are several sets and no prefix.
    init(_ folder: String, prefix: String? = nil) throws {
        var status = stat()
        guard stat(folder, &status) == 0 else {
            throw Failure(
                .inputMissing,
                "\(folder): \(String(cString: strerror(errno))); expected a folder with the four IDX files")
        }
        guard status.st_mode & S_IFMT == S_IFDIR else {
            let parent = (folder as NSString).deletingLastPathComponent
            throw Failure(
                .badData,
                "\(folder): is not a folder, expected the one with all four IDX files; "
                    + "try swift-train convert idx \(parent.isEmpty ? "." : parent)")
        }
        guard let names = try? FileManager.default.contentsOfDirectory(atPath: folder) else {
            throw Failure(.inputMissing, "\(folder): cannot be listed; expected a folder with the four IDX files")
        }
        let set = try prefix ?? Self.onlySet(names, folder)
        let begin = set.isEmpty ? "" : set + "-"
        func pair(_ parts: [String]) throws -> Files {
            let part = parts.first { Self.find("\(begin)\($0)-images", "idx3-ubyte", folder) != nil } ?? parts[0]
            return try (
                Self.required("\(begin)\(part)-images", "idx3-ubyte", folder),
                Self.required("\(begin)\(part)-labels", "idx1-ubyte", folder)
            )
        }
        train = try pair(["train"])
        test = try pair(["t10k", "test"])
        let table = "\(folder)/\(begin)mapping.txt"
        mapping = !set.isEmpty && access(table, F_OK) == 0 ? table : nil
        isEMNIST = set.hasPrefix("emnist")
    }

    /// The one prefix under which there are training images; empty for MNIST's plain names.
    private static func onlySet(_ names: [String], _ folder: String) throws -> String {
        let sets = Set(
            names.compactMap { name -> String? in
                guard let end = name.range(of: "train-images")?.lowerBound else { return nil }
                let begin = name[..<end]
                return begin.isEmpty ? "" : begin.hasSuffix("-") ? String(begin.dropLast()) : nil
            })
        guard sets.count > 1, !sets.contains("") else { return sets.contains("") ? "" : sets.first ?? "" }
        throw Failure(
            .usage,
            "\(folder): holds \(sets.count) data sets, expected --prefix with one of \(sets.sorted().joined(separator: ", "))"
        )
    }

    private static func find(_ stem: String, _ type: String, _ folder: String) -> String? {
        for name in ["\(stem)-\(type)", "\(stem).\(type)"].flatMap({ [$0, $0 + ".gz"] }) {
            for path in ["\(folder)/\(name)", "\(folder)/\(name)/\(name)"] {
                var status = stat()
                if stat(path, &status) == 0, status.st_mode & S_IFMT != S_IFDIR { return path }
            }
        }
        return nil
    }

    private static func required(_ stem: String, _ type: String, _ folder: String) throws -> String {
        if let path = find(stem, type, folder) { return path }
        throw Failure(
            .inputMissing,
            "\(folder)/\(stem)-\(type): no such file, nor with .gz; expected the four IDX files "
                + "train-images, train-labels, t10k-images and t10k-labels in \(folder)")
    }
}
