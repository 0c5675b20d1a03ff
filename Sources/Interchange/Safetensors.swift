internal import Diagnostics
package import Files

/// A file in the safetensors format: eight bytes with the length of a JSON header, the header, then the tensors' bytes.
///
/// Source: the format's description in huggingface/safetensors. As there, the tensors must fill the rest of the file without
/// gaps and without overlap, so that nothing can hide in it.
package final class Safetensors: TensorFile {
    package let path: String
    package let formatName = "safetensors"
    package let entries: [TensorEntry]
    /// `__metadata__`: free texts by name.
    package let metadata: [String: String]
    private let file: InputFile
    private let places: [String: Range<Int>]
    static let lengthBytes = 8
    private static let largestHeaderBytes = 8 << 20

    /// Whether a file may be one, by its first bytes: an opening brace behind the header's length.
    package static func isMarked(_ head: [UInt8]) -> Bool {
        head.count > lengthBytes && head[lengthBytes] == UInt8(ascii: "{")
    }

    private static func headerBytes(_ head: [UInt8]) -> UInt64 {
        head.prefix(lengthBytes).reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }

    /// Reads and judges the header. Throws: `Failure(.badData)` naming the tensor and what is wrong with it.
    package init(_ file: InputFile) throws {
        let path = file.path
        func bad(_ text: String) -> Failure { Failure(.badData, "\(path): \(text)") }
        self.file = file
        self.path = path
        let head = try file.bytes(0..<Self.lengthBytes)
        let most = min(Self.largestHeaderBytes, file.byteCount - Self.lengthBytes)
        let headerBytes = Self.headerBytes(head)
        guard head.count == Self.lengthBytes, (2...UInt64(max(2, most))).contains(headerBytes) else {
            throw bad(
                "its header would have \(headerBytes) bytes, expected 2…\(Self.largestHeaderBytes) within the file's "
                    + "\(file.byteCount); it is truncated, or no safetensors file")
        }
        let start = Self.lengthBytes + Int(headerBytes)
        let dataBytes = file.byteCount - start
        var scanner = SafetensorsHeader(try file.bytes(Self.lengthBytes..<start), path: path)
        let header = try scanner.read()
        var found = try header.tensors.map { try (Self.entry($0, dataBytes: dataBytes, bad), $0.begin, $0.end) }
        found.sort { ($0.1, $0.2) < ($1.1, $1.2) }
        var end = 0
        for (entry, first, last) in found {
            guard first == end else {
                let what = first < end ? "overlaps the tensor before it" : "leaves a gap before it"
                throw bad("\(entry.key.quoted) begins at byte \(first) of the data and \(what), expected \(end)")
            }
            end = last
        }
        guard end == dataBytes else {
            throw bad("its tensors have \(end) bytes, the file has \(dataBytes) behind its header; expected as many")
        }
        entries = found.map(\.0)
        metadata = header.metadata
        places = Dictionary(uniqueKeysWithValues: found.map { ($0.0.key, start + $0.1..<start + $0.2) })
    }

    package func read(_ wanted: [WantedTensor]) throws {
        for tensor in wanted {
            let type = tensor.entry.type
            guard var place = places[tensor.entry.key]?.lowerBound, type.isReal else {
                preconditionFailure("\(tensor.entry.key) of \(type) is not in \(path) as a real")
            }
            try PiecewiseReading.read(type, into: tensor.values) { buffer in
                try file.fill(buffer, at: place)
                place += buffer.count
            }
        }
    }

    private static func entry(
        _ tensor: SafetensorsHeader.Tensor, dataBytes: Int, _ bad: (String) -> Failure
    ) throws -> TensorEntry {
        let name = tensor.key.quoted
        guard let type = ElementType(rawValue: tensor.type) else {
            let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
            throw bad("\(name) has the dtype \(tensor.type.quoted), expected one of \(known)")
        }
        guard let count = TensorLimits.count(of: tensor.shape, type: type) else {
            throw bad("\(name) has the shape \(tensor.shape), expected a size that can be counted")
        }
        guard tensor.begin <= tensor.end, tensor.end <= dataBytes else {
            throw bad(
                "\(name) lies at bytes \(tensor.begin)…\(tensor.end) of the data, expected a part of 0…\(dataBytes)")
        }
        guard tensor.end - tensor.begin == count * type.byteCount else {
            throw bad(
                "\(name) has \(tensor.end - tensor.begin) bytes, expected \(count * type.byteCount) for "
                    + "\(tensor.shape) of \(type.rawValue)")
        }
        return TensorEntry(key: tensor.key, shape: tensor.shape, type: type)
    }
}
