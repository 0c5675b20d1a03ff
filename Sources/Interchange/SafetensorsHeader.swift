internal import Diagnostics

/// Reads the JSON object at the beginning of a safetensors file, which has one form only.
///
/// A general reader of JSON would keep one of two equal keys without a word, so that what a file holds would depend on its
/// reader, and would build whatever tree a hostile file describes.
struct SafetensorsHeader {
    /// As described, not yet judged.
    struct Tensor {
        let key: String
        var type = ""
        var shape: [Int] = []
        var begin = 0
        var end = 0
    }

    private let bytes: [UInt8]
    private let path: String
    private var place = 0

    /// `path` is for messages.
    init(_ bytes: [UInt8], path: String) {
        self.bytes = bytes
        self.path = path
    }

    /// The tensors in the header's order, and the texts of `__metadata__`. Throws: `Failure(.badData)` with the place.
    mutating func read() throws -> (tensors: [Tensor], metadata: [String: String]) {
        var tensors: [Tensor] = []
        var metadata: [String: String] = [:]
        try object { reader, key in
            guard key != "__metadata__" else {
                return try reader.object { reader, name in metadata[name] = try reader.text() }
            }
            guard tensors.count < TensorLimits.tensors else {
                throw reader.bad("at most \(TensorLimits.tensors) tensors")
            }
            tensors.append(try reader.tensor(key))
        }
        skipSpace()
        guard place == bytes.count else { throw bad("nothing behind the object") }
        return (tensors, metadata)
    }

    private mutating func tensor(_ key: String) throws -> Tensor {
        var tensor = Tensor(key: key)
        var members = 0
        try object { reader, name in
            members += 1
            switch name {
            case "dtype": tensor.type = try reader.text()
            case "shape": tensor.shape = try reader.integers(atMost: TensorLimits.rank)
            case "data_offsets":
                let offsets = try reader.integers(atMost: 2)
                guard offsets.count == 2 else { throw reader.bad("two offsets") }
                (tensor.begin, tensor.end) = (offsets[0], offsets[1])
            default: throw reader.bad("no other member than dtype, shape and data_offsets")
            }
        }
        guard members == 3 else { throw bad("dtype, shape and data_offsets of \(key.quoted)") }
        return tensor
    }

    // ---- JSON

    /// `{"key": value, …}`; `member` reads a value.
    private mutating func object(_ member: (inout SafetensorsHeader, String) throws -> Void) throws {
        var keys: Set<String> = []
        try expect("{")
        if take("}") { return }
        repeat {
            let key = try text()
            guard key.utf8.count <= TensorLimits.keyBytes else {
                throw bad("keys of at most \(TensorLimits.keyBytes) bytes")
            }
            guard keys.insert(key).inserted else { throw bad("the key \(key.quoted) once") }
            try expect(":")
            try member(&self, key)
        } while take(",")
        try expect("}")
    }

    /// `[1, 2, …]`: whole numbers from 0 on that an `Int` holds.
    private mutating func integers(atMost limit: Int) throws -> [Int] {
        var integers: [Int] = []
        try expect("[")
        if take("]") { return integers }
        repeat {
            guard integers.count < limit else { throw bad("at most \(limit) numbers") }
            skipSpace()
            let digits = bytes[place...].prefix(20).prefix { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
            guard let integer = Int(String(decoding: digits, as: UTF8.self)), digits.count == 1 || digits.first != 0x30
            else { throw bad("a whole number of 0 or more that 63 bits hold") }
            integers.append(integer)
            place += digits.count
        } while take(",")
        try expect("]")
        return integers
    }

    private mutating func text() throws -> String {
        try expect("\"")
        var units: [UInt8] = []
        while place < bytes.count {
            let byte = bytes[place]
            place += 1
            switch byte {
            case UInt8(ascii: "\""):
                guard let text = String(validating: units, as: UTF8.self) else { throw bad("a text in UTF-8") }
                return text
            case UInt8(ascii: "\\"): units += try escaped().utf8
            case 0..<0x20: throw bad("no control character in a text")
            default: units.append(byte)
            }
        }
        throw bad("the end of a text")
    }

    /// What stands for `\n`, `\u00e4`, `\ud83d\ude00`.
    private mutating func escaped() throws -> String {
        guard place < bytes.count else { throw bad("an escaped character") }
        let letter = bytes[place]
        place += 1
        switch letter {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return String(UnicodeScalar(letter))
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            var units = [try codeUnit()]
            if UTF16.isLeadSurrogate(units[0]), bytes[place...].starts(with: [UInt8(ascii: "\\"), UInt8(ascii: "u")]) {
                place += 2
                units.append(try codeUnit())
            }
            guard let text = String(validating: units, as: UTF16.self) else { throw bad("a character") }
            return text
        default: throw bad("one of the escapes of JSON")
        }
    }

    private mutating func codeUnit() throws -> UInt16 {
        let digits = bytes[place...].prefix(4)
        guard digits.count == 4, digits.allSatisfy({ UnicodeScalar($0).properties.isASCIIHexDigit }),
            let unit = UInt16(String(decoding: digits, as: UTF8.self), radix: 16)
        else { throw bad("four hexadecimal digits") }
        place += 4
        return unit
    }

    private mutating func skipSpace() {
        while place < bytes.count, [0x20, 0x09, 0x0A, 0x0D].contains(bytes[place]) { place += 1 }
    }

    /// Goes past a mark if it is next.
    private mutating func take(_ mark: Character) -> Bool {
        skipSpace()
        guard place < bytes.count, bytes[place] == mark.asciiValue else { return false }
        place += 1
        return true
    }

    private mutating func expect(_ mark: Character) throws {
        guard take(mark) else { throw bad("\(mark)") }
    }

    private func bad(_ expected: String) -> Failure {
        Failure(
            .badData,
            "\(path): byte \(Safetensors.lengthBytes + place), in the header: expected \(expected); it is damaged, or no "
                + "safetensors file")
    }
}
