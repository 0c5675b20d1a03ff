package import Files
internal import Report

/// Writes the safetensors format.
package enum SafetensorsWriter {
    /// Appends header and tensors to a file: those with the widest numbers first, then by key, as the format's own library
    /// orders them. Equal tensors and texts give equal bytes.
    ///
    /// `lend` calls its second argument with the numbers of a tensor, little-endian, in row-major order. Throws: `Failure`,
    /// and what `lend` throws. Traps: two tensors with one key, bytes that do not fit their tensor.
    package static func write(
        _ entries: [TensorEntry], metadata: [String: String], to file: TemporaryFile,
        lend: (TensorEntry, (UnsafeRawBufferPointer) throws -> Void) throws -> Void
    ) throws {
        precondition(Set(entries.map(\.key)).count == entries.count, "two tensors with one key")
        let sorted = entries.sorted { left, right in
            left.type == right.type ? left.key < right.key : left.type.byteCount > right.type.byteCount
        }
        var header = Array(header(of: sorted, metadata).utf8)
        // The numbers begin at a multiple of eight.
        header += Array(repeating: UInt8(ascii: " "), count: -header.count & 7)
        try withUnsafeBytes(of: UInt64(header.count).littleEndian) { try file.write($0) }
        try header.withUnsafeBytes { try file.write($0) }
        for entry in sorted {
            try lend(entry) { bytes in
                precondition(bytes.count == entry.count * entry.type.byteCount, "\(bytes.count) bytes for \(entry)")
                try file.write(bytes)
            }
        }
    }

    private static func header(of entries: [TensorEntry], _ metadata: [String: String]) -> String {
        let texts = metadata.sorted { $0.key < $1.key }.map { JSON.Member($0.key, .string($0.value)) }
        var members = [JSON.Member("__metadata__", .object(texts))]
        var begin = 0
        for entry in entries {
            let end = begin + entry.count * entry.type.byteCount
            members.append(
                JSON.Member(
                    entry.key,
                    [
                        "dtype": .string(entry.type.rawValue), "shape": .integers(entry.shape),
                        "data_offsets": .integers([begin, end]),
                    ]))
            begin = end
        }
        return JSON.object(members).text()
    }
}
