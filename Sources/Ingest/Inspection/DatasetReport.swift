internal import Datasets
internal import Diagnostics
package import Report

/// What `inspect` says of a dataset file, as text and as JSON.
package struct DatasetReport {
    private let file: DatasetFile
    private let isVerified: Bool
    private let command: String?
    private let sources: String?
    /// What was found in the images, if they were looked at.
    package let check: DatasetCheck?

    /// Opens the file; with `verifying`, reads all pixels and throws 65 when a stored digest does not hold; with `checking`,
    /// looks at every image on so many threads.
    package init(path: String, verifying: Bool, checkingOn threads: Int? = nil) throws {
        let file = try DatasetFile(path: path)
        self.file = file
        isVerified = verifying
        command = try file.text("command")
        sources = try file.text("sources")
        check = try threads.map { try DatasetCheck(file, threads: $0, showsProgress: true) }
        guard verifying else { return }
        for header in file.headers {
            let place = "\(path):\(header.imagesPath.printable)"
            guard let stored = header.storedImageDigest else {
                throw Failure(.badData, "\(place)@sha256 is missing, so nothing can be verified. Convert again.")
            }
            let found = try file.computeImageDigest(header.name)
            guard found == stored else {
                throw Failure(
                    .badData, "\(place) has SHA-256 \(found), expected \(stored); the file is damaged. Convert again.")
            }
        }
    }

    package var text: String {
        var lines = [
            "\(file.path): dataset, \(file.classes.count) classes, images \(file.sizeText)",
            "classes   \(file.classes.map(\.printable).joined(separator: ", "))",
        ]
        for header in file.headers {
            lines += [
                "\(header.name.printable): \(header.count) images, \(header.pixelType.rawValue), \(header.storage)",
                "  counts  \(Self.list(header.counts(of: file.classes.count)))",
                "  mean    \(header.mean.isEmpty ? "not stored" : "\(Self.list(header.mean))   std \(Self.list(header.std))")",
                "  sha256  \(header.storedImageDigest ?? "not stored")",
            ]
        }
        if !file.ignoredNames.isEmpty {
            let names = file.ignoredNames.map { "/\($0.printable)" }.joined(separator: ", ")
            lines.append("ignored   \(names): no split, which holds images and labels")
        }
        if let command { lines.append("command   \(command.printable)") }
        lines += sourceLines.map(\.printable)
        lines.append("digest    \(file.digest)")
        if isVerified { lines.append("verified  images and labels agree with their stored SHA-256") }
        if let check { lines.append(check.text) }
        return lines.joined(separator: "\n")
    }

    package var json: JSON {
        let splits = file.headers.map { header -> JSON in
            [
                "name": .string(header.name),
                "shape": .integers([header.count] + header.extents),
                "type": .string(header.pixelType.rawValue), "storage": .string(header.storage),
                "counts": .integers(header.counts(of: file.classes.count).map { Int($0) }),
                "mean": .array(header.mean.map(JSON.number(_:))), "std": .array(header.std.map(JSON.number(_:))),
                "images_sha256": .optional(header.storedImageDigest, JSON.string),
                "labels_sha256": .string(header.labelDigest),
            ]
        }
        var members = [
            JSON.Member("format", .string(DatasetFileFormat.name)),
            JSON.Member("format_version", .integer(Int(DatasetFileFormat.version))),
            JSON.Member("classes", .strings(file.classes)), JSON.Member("splits", .array(splits)),
            JSON.Member("ignored", .strings(file.ignoredNames)),
            JSON.Member("command", .optional(command, JSON.string)), JSON.Member("sources", sourcesJSON),
            JSON.Member("digest", .string(file.digest)),
        ]
        if isVerified { members.append(JSON.Member("verified", .boolean(true))) }
        if let check { members += check.members }
        return .object(members)
    }

    /// What the file says of its sources; as a string where that is no JSON, so that a foreign writer's mistake cannot break
    /// ours.
    private var sourcesJSON: JSON { .optional(sources) { JSON(parsing: $0) ?? .string($0) } }

    /// A line for each source: its name, and what else is known of it.
    private var sourceLines: [String] {
        guard let sources else { return [] }
        guard case .array(let list)? = JSON(parsing: sources) else { return ["sources   \(sources)"] }
        return list.enumerated().map { index, source in
            let name = source[key: "name"].map { $0.plain + "  " } ?? ""
            var rest = [source.plain]
            if case .object(let members) = source {
                rest = members.filter { $0.key != "name" }.map { "\($0.key) \($0.value.plain)" }
            }
            return (index == 0 ? "sources   " : "          ") + name + rest.joined(separator: "  ")
        }
    }

    private static func list(_ values: [some CustomStringConvertible]) -> String {
        values.map(\.description).joined(separator: " ")
    }
}
