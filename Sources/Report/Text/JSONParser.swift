/// Reads JSON (RFC 8259) from bytes: in one pass, and no deeper than `mostDepth`.
struct JSONParser {
    private let bytes: UnsafeBufferPointer<UInt8>
    private var place = 0

    private static let mostDepth = 128

    /// Nil for what is no JSON, or is followed by anything but white space.
    static func value(of bytes: UnsafeBufferPointer<UInt8>) -> JSON? {
        var parser = JSONParser(bytes)
        guard let value = parser.value(depth: 0) else { return nil }
        parser.skipSpace()
        return parser.place == bytes.count ? value : nil
    }

    private init(_ bytes: UnsafeBufferPointer<UInt8>) { self.bytes = bytes }

    private var next: UInt8? { place < bytes.count ? bytes[place] : nil }

    private mutating func skipSpace() {
        while let byte = next, byte == 0x20 || byte == 0x0A || byte == 0x0D || byte == 0x09 { place += 1 }
    }

    /// Whether the byte comes next, which is taken then.
    private mutating func take(_ character: Unicode.Scalar) -> Bool {
        guard next == UInt8(ascii: character) else { return false }
        place += 1
        return true
    }

    private mutating func take(_ word: StaticString, _ value: JSON) -> JSON? {
        let count = word.utf8CodeUnitCount
        guard bytes.count - place >= count, (0..<count).allSatisfy({ bytes[place + $0] == word.utf8Start[$0] }) else {
            return nil
        }
        place += count
        return value
    }

    private mutating func value(depth: Int) -> JSON? {
        skipSpace()
        guard depth < Self.mostDepth, let first = next else { return nil }
        switch first {
        case UInt8(ascii: "{"): return object(depth: depth)
        case UInt8(ascii: "["): return array(depth: depth)
        case UInt8(ascii: "\""): return string().map(JSON.string)
        case UInt8(ascii: "t"): return take("true", .boolean(true))
        case UInt8(ascii: "f"): return take("false", .boolean(false))
        case UInt8(ascii: "n"): return take("null", .null)
        default: return number()
        }
    }

    private mutating func array(depth: Int) -> JSON? {
        place += 1
        var elements: [JSON] = []
        skipSpace()
        if take("]") { return .array(elements) }
        while let element = value(depth: depth + 1) {
            elements.append(element)
            skipSpace()
            if take("]") { return .array(elements) }
            guard take(",") else { return nil }
        }
        return nil
    }

    private mutating func object(depth: Int) -> JSON? {
        place += 1
        var members: [JSON.Member] = []
        skipSpace()
        if take("}") { return .object(members) }
        while true {
            skipSpace()
            guard next == UInt8(ascii: "\""), let key = string() else { return nil }
            skipSpace()
            guard take(":"), let value = value(depth: depth + 1) else { return nil }
            members.append(JSON.Member(key, value))
            skipSpace()
            if take("}") { return .object(members.sorted { $0.key < $1.key }) }
            guard take(",") else { return nil }
        }
    }

    // MARK: Strings

    private mutating func string() -> String? {
        place += 1
        let start = place
        while let byte = next, byte >= 0x20, byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\") { return escapedString(from: start) }
            place += 1
        }
        let text = String(validating: bytes[start..<place], as: UTF8.self)
        return take("\"") ? text : nil
    }

    /// A string that has an escape at `place`.
    private mutating func escapedString(from start: Int) -> String? {
        var result = Array(bytes[start..<place])
        while let byte = next, byte >= 0x20 {
            place += 1
            switch byte {
            case UInt8(ascii: "\""): return String(validating: result, as: UTF8.self)
            case UInt8(ascii: "\\"):
                guard let scalar = escape() else { return nil }
                result += UTF8.encode(scalar)!
            default: result.append(byte)
            }
        }
        return nil
    }

    private mutating func escape() -> Unicode.Scalar? {
        guard let byte = next else { return nil }
        place += 1
        switch byte {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
        case UInt8(ascii: "b"): return "\u{8}"
        case UInt8(ascii: "f"): return "\u{c}"
        case UInt8(ascii: "n"): return "\n"
        case UInt8(ascii: "r"): return "\r"
        case UInt8(ascii: "t"): return "\t"
        case UInt8(ascii: "u"):
            guard let first = codeUnit() else { return nil }
            guard (0xD800..<0xDC00).contains(first) else { return Unicode.Scalar(first) }
            // A pair that stands for one character.
            guard take("\\"), take("u"), let second = codeUnit(), (0xDC00..<0xE000).contains(second) else { return nil }
            return Unicode.Scalar(0x10000 + (first - 0xD800) << 10 + (second - 0xDC00))
        default: return nil
        }
    }

    private mutating func codeUnit() -> UInt32? {
        guard bytes.count - place >= 4 else { return nil }
        var value: UInt32 = 0
        for _ in 0..<4 {
            guard let digit = Character(Unicode.Scalar(bytes[place])).hexDigitValue, bytes[place] < 0x80 else {
                return nil
            }
            value = value << 4 | UInt32(digit)
            place += 1
        }
        return value
    }

    // MARK: Numbers

    /// Whole numbers that 64 bits hold are integers, however they are written.
    private mutating func number() -> JSON? {
        let start = place
        _ = take("-")
        let first = place
        guard digits() > 0, place - first == 1 || bytes[first] != UInt8(ascii: "0") else { return nil }
        var isWhole = true
        if take(".") {
            isWhole = false
            guard digits() > 0 else { return nil }
        }
        if take("e") || take("E") {
            isWhole = false
            _ = take("+") || take("-")
            guard digits() > 0 else { return nil }
        }
        let text = String(decoding: bytes[start..<place], as: UTF8.self)
        if isWhole {
            if let integer = Int(text) { return .integer(integer) }
            if let integer = UInt64(text) { return .unsigned(integer) }
        }
        guard let value = Double(text), value.isFinite else { return nil }
        return isWhole ? .number(value) : Int(exactly: value).map(JSON.integer) ?? .number(value)
    }

    /// Takes them; returns how many there are.
    private mutating func digits() -> Int {
        let start = place
        while let byte = next, (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte) { place += 1 }
        return place - start
    }
}
