internal import Diagnostics
package import Files
internal import Foundation

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
    private var places: [String: Range<Int>] = [:]
    private static let lengthBytes = 8
    /// Ten thousand tensors; what parsing takes is a multiple of it.
    private static let largestHeaderBytes = 1 << 20
    private static let metadataKey = "__metadata__"

    /// Whether a file may be one, by its first bytes: a length that fits, and an opening brace.
    package static func isMarked(_ head: [UInt8], fileBytes: Int) -> Bool {
        guard head.count > lengthBytes, head[lengthBytes] == UInt8(ascii: "{") else { return false }
        let length = head.prefix(lengthBytes).reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        return length >= 2 && length <= UInt64(fileBytes - lengthBytes)
    }

    /// Reads and judges the header. Throws: `Failure(.badData)` naming the tensor and what is wrong with it.
    package init(_ file: InputFile) throws {
        let path = file.path
        func bad(_ text: String) -> Failure { Failure(.badData, "\(path): \(text)") }
        self.file = file
        self.path = path
        var length: UInt64 = 0
        let read = try withUnsafeMutableBytes(of: &length) { try file.read(into: $0, at: 0) }
        let headerBytes = UInt64(littleEndian: length)
        guard read == Self.lengthBytes, headerBytes >= 2,
            headerBytes <= UInt64(min(Self.largestHeaderBytes, file.byteCount - Self.lengthBytes))
        else {
            throw bad(
                "the header would have \(headerBytes) bytes, expected 2…\(Self.largestHeaderBytes) and no more than the file's "
                    + "\(file.byteCount); it is truncated, or no safetensors file")
        }
        let header = Data(try file.bytes(Self.lengthBytes..<Self.lengthBytes + Int(headerBytes)))
        let members = try HeaderReader(header, path: path).members()
        let dataBytes = file.byteCount - Self.lengthBytes - Int(headerBytes)
        var found: [(entry: TensorEntry, bytes: Range<Int>)] = []
        var metadata: [String: String] = [:]
        for (key, value) in members {
            guard key != Self.metadataKey else {
                metadata = (value as? [String: Any])?.compactMapValues { $0 as? String } ?? [:]
                continue
            }
            guard found.count < TensorLimits.tensors, key.utf8.count <= TensorLimits.keyBytes else {
                throw bad("more than \(TensorLimits.tensors) tensors, or a key of more than \(TensorLimits.keyBytes) bytes")
            }
            found.append(try Self.entry(key, value, dataBytes: dataBytes, bad))
        }
        found.sort { ($0.bytes.lowerBound, $0.bytes.upperBound) < ($1.bytes.lowerBound, $1.bytes.upperBound) }
        var end = 0
        for (entry, bytes) in found {
            guard bytes.lowerBound == end else {
                let what = bytes.lowerBound < end ? "overlaps the tensor before it" : "leaves a gap before it"
                throw bad("\(entry.key.printable) begins at byte \(bytes.lowerBound) of the data and \(what), expected \(end)")
            }
            end = bytes.upperBound
        }
        guard end == dataBytes else {
            throw bad("its tensors have \(end) bytes, the file has \(dataBytes) behind its header; expected as many")
        }
        entries = found.map(\.entry)
        self.metadata = metadata
        let start = Self.lengthBytes + Int(headerBytes)
        for (entry, bytes) in found { places[entry.key] = start + bytes.lowerBound..<start + bytes.upperBound }
    }

    package func read(_ wanted: [WantedTensor]) throws {
        for tensor in wanted {
            guard let place = places[tensor.entry.key] else { preconditionFailure("\(tensor.entry.key) is not in \(path)") }
            try PiecewiseReading.read(file, place, tensor.entry.type, into: tensor.values)
        }
    }

    private static func entry(
        _ key: String, _ value: Any, dataBytes: Int, _ bad: (String) -> Failure
    ) throws -> (TensorEntry, Range<Int>) {
        let name = key.printable
        guard let object = value as? [String: Any], object.count == 3, let typeName = object["dtype"] as? String,
            let shape = HeaderReader.integers(object["shape"]), let offsets = HeaderReader.integers(object["data_offsets"]),
            offsets.count == 2
        else { throw bad("\(name) is described otherwise than by dtype, shape and two data_offsets") }
        guard let type = ElementType(rawValue: typeName) else {
            let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
            throw bad("\(name) has the dtype \(typeName.printable), expected one of \(known)")
        }
        guard let count = TensorLimits.count(of: shape, type: type) else {
            throw bad("\(name) has the shape \(shape), expected at most \(TensorLimits.rank) axes and a size that can be counted")
        }
        guard offsets[0] >= 0, offsets[0] <= offsets[1], offsets[1] <= dataBytes else {
            throw bad("\(name) lies at bytes \(offsets[0])…\(offsets[1]) of the data, expected 0…\(dataBytes)")
        }
        guard offsets[1] - offsets[0] == count * type.byteCount else {
            throw bad(
                "\(name) has \(offsets[1] - offsets[0]) bytes, expected \(count * type.byteCount) for \(shape) of \(typeName)")
        }
        return (TensorEntry(key: key, shape: shape, type: type), offsets[0]..<offsets[1])
    }
}

/// Reads the header's JSON object, in which no key may stand twice: what readers then see would depend on the reader.
private struct HeaderReader {
    private let header: Data
    private let path: String

    init(_ header: Data, path: String) {
        self.header = header
        self.path = path
    }

    func members() throws -> [(key: String, value: Any)] {
        guard header.first == UInt8(ascii: "{"), let object = try? JSONSerialization.jsonObject(with: header),
            let members = object as? [String: Any]
        else { throw Failure(.badData, "\(path): the header is not a JSON object; it is damaged, or no safetensors file") }
        // Foundation keeps one of two equal keys; counting them finds the other.
        guard JSONKeys.count(in: header) == members.count else {
            throw Failure(.badData, "\(path): a key stands twice in the header, expected each once")
        }
        return members.map { ($0.key, $0.value) }.sorted { $0.0 < $1.0 }
    }

    /// Whole numbers that an `Int` holds exactly; nil for anything else.
    static func integers(_ value: Any?) -> [Int]? {
        guard let numbers = value as? [NSNumber] else { return nil }
        var integers: [Int] = []
        for number in numbers {
            guard let integer = Int(exactly: number), !(number is Bool) else { return nil }
            integers.append(integer)
        }
        return integers
    }
}

/// Counts the keys of a JSON object's first level.
enum JSONKeys {
    /// Of valid JSON.
    static func count(in json: Data) -> Int {
        var (depth, count) = (0, 0)
        var (isInText, isEscaped) = (false, false)
        for byte in json {
            if isInText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isInText = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isInText = true
            case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
            // In an object every value follows exactly one colon.
            case UInt8(ascii: ":") where depth == 1: count += 1
            default: break
            }
        }
        return count
    }
}
