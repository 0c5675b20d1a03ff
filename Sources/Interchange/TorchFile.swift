internal import Diagnostics
package import Files

/// A state dictionary as `torch.save` writes it: since PyTorch 1.6 a zip archive with a pickle that describes tensors and one
/// record of raw bytes for each storage; before that a sequence of pickles, then the storages.
///
/// The pickle is read through a closed list (`PickleReader`): nothing is executed, nothing else than tensors comes out.
package final class TorchFile: TensorFile {
    package let path: String
    package let formatName = "PyTorch"
    package let entries: [TensorEntry]
    private let file: InputFile
    private let tensors: [String: PickledTensor]
    private let storages: [PickledStorage]
    private let records: Records

    /// What ends every message about a file that says something else than tensors.
    static let advice = "expected a state dictionary: torch.save(model.state_dict(), FILE)"
    private static let largestPickleBytes = 8 << 20
    /// Where training scripts keep the state dictionary among other things.
    private static let nestedKeys = ["state_dict", "model_state_dict", "model", "net", "model_ema"]

    /// Where the bytes of a storage lie.
    private enum Records {
        /// In the archive, under this prefix and the storage's key.
        case archive(prefix: String)
        /// In the file, from these bytes on.
        case sequence(starts: [Int])
    }

    /// Whether the first bytes are those of an archive or of a pickle.
    package static func isMarked(_ head: [UInt8]) -> Bool {
        head.starts(with: archiveMark) || head.count > 1 && head[0] == 0x80 && (2...5).contains(head[1])
    }

    private static let archiveMark = Array("PK".utf8)

    /// Reads the pickle and judges what it describes against the file. Throws: `Failure(.badData)`.
    package init(_ file: InputFile) throws {
        self.file = file
        path = file.path
        let isArchive = try file.bytes(0..<Self.archiveMark.count) == Self.archiveMark
        let (root, reader, records) = try isArchive ? Self.archive(file) : Self.sequence(file)
        self.records = records
        storages = reader.storages
        var tensors: [String: PickledTensor] = [:]
        var entries: [TensorEntry] = []
        for (key, tensor) in try Self.stateDictionary(root, reader, file.path) {
            guard key.utf8.count <= TensorLimits.keyBytes else {
                throw Failure(
                    .badData, "\(file.path): the key \(key.quoted) has more than \(TensorLimits.keyBytes) bytes")
            }
            guard tensors.updateValue(tensor, forKey: key) == nil else {
                throw Failure(.badData, "\(file.path): the key \(key.quoted) stands twice, expected each once")
            }
            entries.append(TensorEntry(key: key, shape: tensor.shape, type: storages[tensor.storage].type))
        }
        self.tensors = tensors
        self.entries = entries
    }

    package func read(_ wanted: [WantedTensor]) throws {
        let byStorage = Dictionary(grouping: wanted) { tensor -> Int in
            guard let pickled = tensors[tensor.entry.key] else {
                preconditionFailure("\(tensor.entry.key) is not in \(path)")
            }
            return pickled.storage
        }
        switch records {
        case .archive(let prefix):
            var left = Dictionary(uniqueKeysWithValues: byStorage.keys.map { (prefix + storages[$0].key, $0) })
            try ZipArchive(file).forEachEntry { entry in
                guard let storage = left.removeValue(forKey: entry.name) else { return !left.isEmpty }
                guard entry.byteCount == storages[storage].count * storages[storage].type.byteCount else {
                    throw hasChanged
                }
                try read(byStorage[storage] ?? [], of: storage, fill: entry.fill)
                try entry.finish()
                return !left.isEmpty
            }
            guard left.isEmpty else { throw hasChanged }
        case .sequence(let starts):
            for (storage, views) in byStorage.sorted(by: { $0.key < $1.key }) {
                var place = starts[storage]
                try read(views, of: storage) { buffer in
                    try file.fill(buffer, at: place)
                    place += buffer.count
                }
            }
        }
    }

    private var hasChanged: Failure { Failure(.inputOutput, "\(path): has changed while it was read; run again") }

    /// Reads views of one storage: straight to its place if it is the whole storage.
    private func read(
        _ views: [WantedTensor], of number: Int, fill: (UnsafeMutableRawBufferPointer) throws -> Void
    ) throws {
        let storage = storages[number]
        precondition(storage.type.isReal, "\(storage.type) is read as a real")
        if views.count == 1, let tensor = tensors[views[0].entry.key], tensor.isContiguous,
            views[0].values.count == storage.count
        {
            return try PiecewiseReading.read(storage.type, into: views[0].values, fill: fill)
        }
        let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: storage.count)
        defer { values.deallocate() }
        try PiecewiseReading.read(storage.type, into: values, fill: fill)
        for view in views {
            if let tensor = tensors[view.entry.key] {
                Self.gather(tensor, from: UnsafeBufferPointer(values), into: view.values)
            }
        }
    }

    /// Copies a view to row-major order.
    private static func gather(
        _ tensor: PickledTensor, from storage: UnsafeBufferPointer<Float>,
        into values: UnsafeMutableBufferPointer<Float>
    ) {
        var index = [Int](repeating: 0, count: tensor.shape.count)
        var source = tensor.offset
        for place in values.indices {
            values[place] = storage[source]
            for axis in tensor.shape.indices.reversed() {
                index[axis] += 1
                source += tensor.strides[axis]
                if index[axis] < tensor.shape[axis] { break }
                source -= tensor.strides[axis] * tensor.shape[axis]
                index[axis] = 0
            }
        }
    }

    // ---- Finding out what is there

    private typealias Contents = (root: PickleValue, reader: PickleReader, records: Records)

    private static func archive(_ file: InputFile) throws -> Contents {
        let pickleName = "data.pkl"
        var pickle: [UInt8]?
        var prefix = ""
        var sizes: [String: Int] = [:]
        try ZipArchive(file).forEachEntry { entry in
            guard sizes.count < TensorLimits.tensors else {
                throw Failure(.badData, "\(file.path): has more than \(TensorLimits.tensors) records")
            }
            guard sizes.updateValue(entry.byteCount, forKey: entry.name) == nil else {
                throw Failure(
                    .badData, "\(file.path): the record \(entry.name.quoted) stands twice, expected each once")
            }
            if entry.name == pickleName || entry.name.hasSuffix("/" + pickleName) {
                guard pickle == nil else {
                    throw Failure(.badData, "\(file.path): has two pickles, expected one \(pickleName)")
                }
                pickle = try entry.bytes(atMost: largestPickleBytes)
                prefix = String(entry.name.dropLast(pickleName.count)) + "data/"
            } else if entry.name == "byteorder" || entry.name.hasSuffix("/byteorder") {
                guard try entry.bytes(atMost: 16) == Array("little".utf8) else { throw isBigEndian(file) }
            }
            return true
        }
        guard let pickle else {
            throw Failure(.badData, "\(file.path): is a zip archive without \(pickleName); \(advice)")
        }
        var reader = PickleReader(pickle, path: file.path)
        let root = try reader.read()
        for storage in reader.storages {
            let (found, expected) = (sizes[prefix + storage.key], storage.count * storage.type.byteCount)
            guard found == expected else {
                throw Failure(
                    .badData,
                    "\(file.path): the record data/\(storage.key.quoted) "
                        + (found.map { "has \($0) bytes" } ?? "is not in the archive")
                        + ", expected \(expected) for \(storage.count) values of \(storage.type.rawValue)")
            }
        }
        return (root, reader, .archive(prefix: prefix))
    }

    /// A pickle of a magic number: protocol 2, an integer of ten bytes, the end.
    private static let sequenceMark: [UInt8] = [
        0x80, 0x02, 0x8A, 0x0A, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19, 0x2E,
    ]

    /// The format of `torch.save(…, _use_new_zipfile_serialization=False)`: pickles of the magic number, a version, facts
    /// about the machine, the object and the keys of its storages; then each storage, its count in front.
    private static func sequence(_ file: InputFile) throws -> Contents {
        let bytes = try file.bytes(0..<min(file.byteCount, largestPickleBytes))
        guard bytes.starts(with: sequenceMark) else {
            throw Failure(
                .badData, "\(file.path): is a pickle that torch.save has not written; nothing was executed; \(advice)")
        }
        var place = sequenceMark.count
        func next() throws -> (PickleValue, PickleReader) {
            var reader = PickleReader(bytes, from: place, path: file.path)
            let value = try reader.read()
            place = reader.place
            return (value, reader)
        }
        let version = try next().0
        guard version == .integer(1001) else {
            throw Failure(.badData, "\(file.path): has another version than 1001; \(advice)")
        }
        let (facts, factsReader) = try next()
        guard case .dictionary(let number) = facts,
            factsReader.dictionaries[number].contains(where: { $0 == (.text("little_endian"), .bool(true)) })
        else { throw isBigEndian(file) }
        let (root, reader) = try next()
        let (keys, keysReader) = try next()
        guard case .list(let list) = keys, keysReader.lists[list].count == reader.storages.count else {
            throw Failure(
                .badData, "\(file.path): has no list of the \(reader.storages.count) storages behind its pickle")
        }
        let numbers = Dictionary(
            uniqueKeysWithValues: reader.storages.enumerated().map { ($0.element.key, $0.offset) })
        var starts = [Int?](repeating: nil, count: reader.storages.count)
        for key in keysReader.lists[list] {
            guard case .text(let key) = key, key.utf8.count <= TensorLimits.keyBytes, let number = numbers[key],
                starts[number] == nil
            else {
                throw Failure(.badData, "\(file.path): lists a storage that no tensor uses, or one twice")
            }
            let storage = reader.storages[number]
            var count: Int64 = 0
            try withUnsafeMutableBytes(of: &count) { try file.fill($0, at: place) }
            guard Int64(littleEndian: count) == storage.count else {
                throw Failure(
                    .badData,
                    "\(file.path): the storage \(storage.key.quoted) at byte \(place) has \(Int64(littleEndian: count)) "
                        + "values, expected \(storage.count)")
            }
            place += MemoryLayout<Int64>.size
            starts[number] = place
            let byteCount = storage.count * storage.type.byteCount
            guard byteCount <= file.byteCount - place else {
                throw Failure(
                    .badData,
                    "\(file.path): is truncated: the storage \(storage.key.quoted) has \(byteCount) bytes from byte "
                        + "\(place) on, the file has \(file.byteCount)")
            }
            place += byteCount
        }
        guard place == file.byteCount else {
            throw Failure(
                .badData, "\(file.path): has \(file.byteCount) bytes, expected \(place), where its last storage ends")
        }
        return (root, reader, .sequence(starts: starts.compactMap(\.self)))
    }

    /// The tensors by key: of one of the dictionaries that scripts keep the state in, or of the object itself.
    private static func stateDictionary(
        _ root: PickleValue, _ reader: PickleReader, _ path: String
    ) throws -> [(String, PickledTensor)] {
        func tensors(_ value: PickleValue) -> [(String, PickledTensor)] {
            guard case .dictionary(let number) = value else { return [] }
            return reader.dictionaries[number].compactMap { pair in
                guard case .text(let key) = pair.key, case .tensor(let tensor) = pair.value else { return nil }
                return (key, reader.tensors[tensor])
            }
        }
        guard case .dictionary(let number) = root else {
            throw Failure(.badData, "\(path): holds something else than a dictionary; \(advice)")
        }
        let candidates = nestedKeys.compactMap { key in
            reader.dictionaries[number].first { $0.key == .text(key) }?.value
        }
        guard let found = (candidates + [root]).lazy.map(tensors).first(where: { !$0.isEmpty }) else {
            throw Failure(.badData, "\(path): holds no dictionary of tensors; \(advice)")
        }
        return found
    }

    private static func isBigEndian(_ file: InputFile) -> Failure {
        Failure(.badData, "\(file.path): is not little-endian; save it again on a little-endian machine")
    }
}
