internal import Datasets
internal import Diagnostics
internal import HDF5
package import Report

/// The groups, datasets and attributes of any HDF5 file, for looking at it.
package struct HDF5Tree {
    private struct Entry {
        let path: String
        let kind: String
        let shape: [Int]?
        let attributes: [(name: String, value: String)]
        /// In its order an object follows its group, and whatever the group holds stands together.
        var sortKey: [UInt8] { path.utf8.map { $0 == UInt8(ascii: "/") ? 0 : $0 } }
    }

    private let path: String
    private var entries: [Entry] = []
    private static let largestDepth = 32
    private static let largestEntryCount = 100_000
    private static let longestValue = 200

    /// Throws `Failure`: 66 when the file is missing, 65 when it is not HDF5 or is damaged.
    package init(path: String) throws {
        self.path = path
        _ = try FileFormat.read(path)
        do {
            let file = try HDF5File.open(path)
            try visit(file)
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

    package var json: JSON {
        [
            "format": .null,
            "objects": .array(
                entries.map { entry in
                    [
                        "path": .string(entry.path), "kind": .string(entry.kind),
                        "shape": .optional(entry.shape) { .integers($0) },
                        "attributes": .object(entry.attributes.map { JSON.Member($0.name, .string($0.value)) }),
                    ]
                }),
        ]
    }

    private static func words(_ entry: Entry) -> String {
        guard let shape = entry.shape else { return entry.kind }
        return "\(entry.kind) (\(shape.map(String.init).joined(separator: ", ")))"
    }

    /// Looks at every object once, level by level, under the shortest of its names: links may make a tree of any size out of a
    /// few objects, or a circle. What cannot be opened (a link, an odd type) is named with the reason, and the rest still
    /// shown.
    private mutating func visit(_ file: HDF5File) throws {
        var firstNames: [UInt64: String] = [:]
        var level: [(name: String, address: UInt64?)] = [("/", nil)]
        for _ in 0..<Self.largestDepth {
            var below: [(name: String, address: UInt64?)] = []
            for (object, address) in level {
                if let address, let first = firstNames[address] {
                    entries.append(Entry(path: object, kind: "the same object as \(first)", shape: nil, attributes: []))
                    continue
                }
                if let address { firstNames[address] = object }
                for link in try look(at: object, in: file) {
                    guard entries.count + below.count < Self.largestEntryCount else { throw tooMuch(object) }
                    below.append((object == "/" ? "/\(link.name)" : "\(object)/\(link.name)", link.address))
                }
            }
            level = below
        }
        if let deeper = level.first { throw tooMuch(deeper.name) }
        entries.sort { $0.sortKey.lexicographicallyPrecedes($1.sortKey) }
    }

    private func tooMuch(_ object: String) -> Failure {
        Failure(
            .badData,
            "\(path):\(object.printable): more than \(Self.largestEntryCount) objects or \(Self.largestDepth) levels")
    }

    /// Adds an object; returns what is in it if it is a group.
    private mutating func look(at object: String, in file: HDF5File) throws -> [HDF5File.Link] {
        do {
            let isGroup = try file.isGroup(object)
            let dataset = isGroup ? nil : try file.dataset(object)
            entries.append(
                Entry(
                    path: object, kind: dataset.map { "\($0.elementType), \($0.storageDescription)" } ?? "group",
                    shape: dataset?.shape, attributes: try attributes(of: object, in: file)))
            return isGroup ? try file.links(of: object) : []
        } catch let error as HDF5Error {
            entries.append(Entry(path: object, kind: "not read: \(error.reason)", shape: nil, attributes: []))
            return []
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
