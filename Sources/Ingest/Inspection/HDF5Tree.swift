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

    /// What cannot be opened (a link, an odd type) is named with the reason, and the rest still shown.
    private mutating func visit(_ file: HDF5File) throws {
        var entries: [Entry] = []
        let beyond = try file.walk(levels: Self.largestDepth, objects: Self.largestEntryCount) { path, object in
            do {
                entries.append(try Self.entry(path, object, in: file))
            } catch let error as HDF5Error {
                entries.append(Entry(path: path, kind: "not read: \(error.reason)", shape: nil, attributes: []))
            }
        }
        if let beyond {
            throw Failure(
                .badData,
                "\(path):\(beyond.printable): more than \(Self.largestEntryCount) objects or \(Self.largestDepth) levels"
            )
        }
        self.entries = entries.sorted { $0.sortKey.lexicographicallyPrecedes($1.sortKey) }
    }

    private static func entry(_ path: String, _ object: HDF5File.Object, in file: HDF5File) throws -> Entry {
        switch object {
        case .group: Entry(path: path, kind: "group", shape: nil, attributes: try attributes(of: path, in: file))
        case .dataset(let dataset):
            Entry(
                path: path, kind: "\(dataset.elementType), \(dataset.storageDescription)", shape: dataset.shape,
                attributes: try attributes(of: path, in: file))
        case .same(let first):
            Entry(path: path, kind: "the same object as \(first)", shape: nil, attributes: [])
        case .unreadable(let error): throw error
        }
    }

    private static func attributes(of object: String, in file: HDF5File) throws -> [(name: String, value: String)] {
        try file.attributeNames(on: object).map { name in
            do {
                let value = try file.attribute(name, on: object)?.description ?? ""
                let line = String(value.prefix(longestValue))
                return (name, value.count > longestValue ? line + "…" : line)
            } catch let error as HDF5Error {
                return (name, "not read: \(error.reason)")
            }
        }
    }
}
