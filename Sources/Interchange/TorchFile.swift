internal import CArchive
internal import Diagnostics
package import Files
internal import Glibc

/// A state dictionary as `torch.save` writes it since PyTorch 1.6: a zip archive with a pickle that describes tensors and one
/// record of raw bytes for each storage.
///
/// The pickle is read through a closed list (`PickleReader`): nothing is executed, nothing else than tensors comes out.
package final class TorchFile: TensorFile {
    package let path: String
    package let formatName = "PyTorch"
    package let entries: [TensorEntry]
    private let file: InputFile
    private var tensors: [String: PickledTensor] = [:]
    private let storages: [PickledStorage]
    private let recordPrefix: String
    private static let largestPickleBytes = 4 << 20
    /// Where training scripts keep the state dictionary among other things.
    private static let nestedKeys = ["state_dict", "model_state_dict", "model", "net", "model_ema"]

    /// Whether the first bytes are a zip archive's.
    package static func isMarked(_ head: [UInt8]) -> Bool { head.starts(with: [0x50, 0x4B, 0x03, 0x04]) }

    /// Reads the pickle and judges what it describes against the archive. Throws: `Failure(.badData)`.
    package init(_ file: InputFile) throws {
        let path = file.path
        self.file = file
        self.path = path
        let contents = try Self.contents(of: file)
        var reader = PickleReader(contents.pickle, path: path)
        let root = try reader.read()
        storages = reader.storages
        recordPrefix = contents.prefix + "data/"
        for storage in reader.storages {
            let found = contents.sizes[recordPrefix + storage.key]
            guard found == storage.count * storage.type.byteCount else {
                throw Failure(
                    .badData,
                    "\(path): the record data/\(storage.key.printable) has \(found.map { "\($0) bytes" } ?? "no entry in the archive"), "
                        + "expected \(storage.count * storage.type.byteCount) for \(storage.count) values of \(storage.type.rawValue)")
            }
        }
        var entries: [TensorEntry] = []
        for (key, tensor) in try Self.stateDictionary(root, reader, path) {
            guard tensors.updateValue(tensor, forKey: key) == nil else {
                throw Failure(.badData, "\(path): the key \(key.printable) stands twice")
            }
            entries.append(TensorEntry(key: key, shape: tensor.shape, type: reader.storages[tensor.storage].type))
        }
        self.entries = entries
    }

    package func read(_ wanted: [WantedTensor]) throws {
        let byRecord = Dictionary(grouping: wanted) { tensor -> String in
            guard let pickled = tensors[tensor.entry.key] else { preconditionFailure("\(tensor.entry.key) is not in \(path)") }
            return recordPrefix + storages[pickled.storage].key
        }
        var left = byRecord.count
        try ZipArchive(file).forEachEntry { entry in
            guard let views = byRecord[entry.name], let first = views.first, let pickled = tensors[first.entry.key] else {
                return true
            }
            let storage = storages[pickled.storage]
            let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: storage.count)
            defer { values.deallocate() }
            try entry.read(storage.type, into: values)
            for view in views {
                if let tensor = tensors[view.entry.key] { Self.gather(tensor, from: UnsafeBufferPointer(values), into: view.values) }
            }
            left -= 1
            return left > 0
        }
        guard left == 0 else { throw Failure(.inputOutput, "\(path): has changed while it was read") }
    }

    /// Copies a view to row-major order.
    private static func gather(
        _ tensor: PickledTensor, from storage: UnsafeBufferPointer<Float>, into values: UnsafeMutableBufferPointer<Float>
    ) {
        guard !values.isEmpty else { return }
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

    private struct Contents {
        var pickle: [UInt8] = []
        /// The archive's own folder, with its slash.
        var prefix = ""
        /// Bytes of every record.
        var sizes: [String: Int] = [:]
    }

    private static func contents(of file: InputFile) throws -> Contents {
        var contents = Contents()
        var hasPickle = false
        try ZipArchive(file).forEachEntry { entry in
            guard contents.sizes.count < TensorLimits.tensors else {
                throw Failure(.badData, "\(file.path): has more than \(TensorLimits.tensors) records")
            }
            guard contents.sizes.updateValue(entry.byteCount, forKey: entry.name) == nil else {
                throw Failure(.badData, "\(file.path): the record \(entry.name.printable) stands twice")
            }
            if entry.name == "data.pkl" || entry.name.hasSuffix("/data.pkl") {
                guard !hasPickle else { throw Failure(.badData, "\(file.path): has two pickles, expected one data.pkl") }
                hasPickle = true
                contents.pickle = try entry.bytes(atMost: largestPickleBytes)
                contents.prefix = String(entry.name.dropLast("data.pkl".count))
            } else if entry.name == "byteorder" || entry.name.hasSuffix("/byteorder") {
                guard try entry.bytes(atMost: 16) == Array("little".utf8) else {
                    throw Failure(.badData, "\(file.path): is not little-endian; save it again on another machine")
                }
            }
            return true
        }
        guard hasPickle else {
            throw Failure(
                .badData, "\(file.path): is a zip archive without data.pkl, expected what torch.save writes (a state dictionary)")
        }
        return contents
    }

    /// The tensors by key: of a dictionary of tensors, or of one inside a dictionary of other things.
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
        let own = tensors(root)
        if !own.isEmpty { return own }
        if case .dictionary(let number) = root {
            for key in nestedKeys {
                guard let pair = reader.dictionaries[number].first(where: { $0.key == .text(key) }) else { continue }
                let nested = tensors(pair.value)
                if !nested.isEmpty { return nested }
            }
        }
        throw Failure(
            .badData,
            "\(path): holds no dictionary of tensors, expected a state dictionary: torch.save(model.state_dict(), …)")
    }
}
