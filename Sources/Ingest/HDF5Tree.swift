internal import Datasets
internal import Diagnostics
internal import HDF5

/// The groups, datasets and attributes of any HDF5 file, for looking at it.
package struct HDF5Tree {
    private struct Entry {
        let path: String
        let kind: String
        let shape: [Int]?
        let attributes: [(name: String, value: String)]
    }

    private let path: String
    private var entries: [Entry] = []
    private var firstNames: [UInt64: String] = [:]
    private static let largestDepth = 32
    private static let largestEntryCount = 100_000
    private static let longestValue = 200

    /// Throws `Failure`: 66 when the file is missing, 65 when it is not HDF5 or is damaged.
    package init(path: String) throws {
        self.path = path
        _ = try FileFormat.read(path)
        do {
            let file = try HDF5File.open(path)
            try visit("/", at: nil, in: file, depth: 0)
        } catch let error as HDF5Error {
            throw Failure(.badData, error.description)
        }
    }

    package var text: String {
        (["\(path): HDF5"]
            + entries.flatMap { entry in
                [(entry.path + "  " + Self.words(entry)).printable]
                    + entry.attributes.map { "    @\($0.name) = \($0.value)".printable }
            }).joined(separator: "\n")
    }

    package var json: String {
        let objects = entries.map { entry in
            JSONText.object([
                ("path", JSONText.string(entry.path)), ("kind", JSONText.string(entry.kind)),
                ("shape", entry.shape.map { JSONText.array($0.map { "\($0)" }) } ?? "null"),
                ("attributes", JSONText.object(entry.attributes.map { ($0.name, JSONText.string($0.value)) })),
            ])
        }
        return JSONText.object([("format", "null"), ("objects", JSONText.array(objects))])
    }

    private static func words(_ entry: Entry) -> String {
        guard let shape = entry.shape else { return entry.kind }
        return "\(entry.kind) (\(shape.map(String.init).joined(separator: ", ")))"
    }

    /// What cannot be opened (a link, an odd type) is named with the reason, and the rest still shown. An object is looked at
    /// under its first name alone: links may make a tree of any size out of a few, or a circle.
    private mutating func visit(_ object: String, at address: UInt64?, in file: HDF5File, depth: Int) throws {
        guard entries.count < Self.largestEntryCount, depth < Self.largestDepth else {
            throw Failure(
                .badData,
                "\(path):\(object.printable): more than \(Self.largestEntryCount) objects or \(Self.largestDepth) levels")
        }
        if let address, let first = firstNames[address] {
            entries.append(Entry(path: object, kind: "the same object as \(first)", shape: nil, attributes: []))
            return
        }
        if let address { firstNames[address] = object }
        do {
            let isGroup = try file.isGroup(object)
            let dataset = isGroup ? nil : try file.dataset(object)
            entries.append(
                Entry(
                    path: object, kind: dataset.map { "\($0.elementType), \($0.storageDescription)" } ?? "group",
                    shape: dataset?.shape, attributes: try attributes(of: object, in: file)))
            guard isGroup else { return }
        } catch let error as HDF5Error {
            entries.append(Entry(path: object, kind: "not read: \(error.reason)", shape: nil, attributes: []))
            return
        }
        for link in try file.links(of: object) {
            try visit(
                object == "/" ? "/\(link.name)" : "\(object)/\(link.name)", at: link.address, in: file, depth: depth + 1)
        }
    }

    private func attributes(of object: String, in file: HDF5File) throws -> [(name: String, value: String)] {
        try file.attributeNames(on: object).map { name in
            do {
                let value = try file.attribute(name, on: object)?.description ?? ""
                let line = String(value.prefix(Self.longestValue))
                return (name, value.count > Self.longestValue ? line + "…" : line)
            } catch let error as HDF5Error {
                return (name, "not read: \(error.reason)")
            }
        }
    }
}
