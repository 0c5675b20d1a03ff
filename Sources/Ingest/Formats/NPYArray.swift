internal import Diagnostics

/// What the header of a `.npy` array says.
///
/// Layout: `\x93NUMPY`, version, length of the header (2 bytes, from version 2 on 4), a Python dictionary of `descr`,
/// `fortran_order` and `shape`, the elements. Source: NumPy, lib/format.py.
struct NPYHeader: Equatable {
    enum Kind: Character {
        case bool = "b"
        case signed = "i"
        case unsigned = "u"
        case real = "f"
        /// Bytes padded with NUL.
        case bytes = "S"
        /// UTF-32 padded with NUL.
        case text = "U"
    }
    let kind: Kind
    let itemBytes: Int
    let isBigEndian: Bool
    let isFortranOrder: Bool
    let shape: [Int]

    /// Bytes of all elements.
    let byteCount: Int
    var typeName: String { kind == .text ? "U\(itemBytes / 4)" : "\(kind.rawValue)\(itemBytes)" }

    private static let largestHeader = 1 << 16

    /// Reads a header; `read` fills a buffer and gives the bytes it had. `place` opens the messages.
    init(place: String, read: (UnsafeMutableRawBufferPointer) throws -> Int) throws {
        func bytes(_ count: Int) throws -> [UInt8] {
            var bytes = [UInt8](repeating: 0, count: count)
            guard try bytes.withUnsafeMutableBytes({ try read($0) }) == count else {
                throw Failure(.badData, "\(place): ends within its header")
            }
            return bytes
        }
        let start = try bytes(8)
        guard start.starts(with: [0x93] + Array("NUMPY".utf8)) else {
            throw Failure(.badData, "\(place): is no NumPy array, expected the bytes \\x93NUMPY at its start")
        }
        guard (1...3).contains(start[6]) else {
            throw Failure(.badData, "\(place): is of NumPy format \(start[6]).\(start[7]), expected 1 to 3")
        }
        let length = try bytes(start[6] == 1 ? 2 : 4).reversed().reduce(0) { $0 << 8 | Int($1) }
        guard length <= Self.largestHeader else {
            throw Failure(
                .badData, "\(place): declares a header of \(length) bytes, expected at most \(Self.largestHeader)")
        }
        guard let text = String(validating: try bytes(length), as: UTF8.self),
            let values = PythonLiteral.dictionary(text)
        else { throw Failure(.badData, "\(place): has a header that is no dictionary of literals") }
        guard case .text(let type)? = values["descr"], case .truth(let isFortran)? = values["fortran_order"],
            case .numbers(let shape)? = values["shape"]
        else {
            if case .other? = values["descr"] {
                throw Failure(.badData, "\(place): is a structured array, expected numbers")
            }
            throw Failure(.badData, "\(place): has a header without descr, fortran_order and shape")
        }
        let order = type.first.flatMap { "<>|=".contains($0) ? $0 : nil }
        let name = order == nil ? type[...] : type.dropFirst()
        if name.first == "O" {
            throw Failure(
                .badData,
                "\(place): holds Python objects (pickle), which are not read; save it again as numbers, with allow_pickle=False"
            )
        }
        guard let kind = name.first.flatMap({ Kind(rawValue: $0 == "?" ? "b" : $0) }),
            let size = name == "?" ? 1 : Int(name.dropFirst()),
            Self.sizes(of: kind).contains(size)
        else { throw Failure(.badData, "\(place): is of type \(type), expected bool, integers, floats or text") }
        self.kind = kind
        itemBytes = kind == .text ? size * 4 : size
        isBigEndian = order == ">"
        isFortranOrder = isFortran && shape.count > 1
        self.shape = shape
        var declared = itemBytes
        for extent in shape {
            let (next, overflow) = declared.multipliedReportingOverflow(by: extent)
            guard extent >= 0, !overflow else {
                throw Failure(.badData, "\(place): declares shape \(shape), too much to count")
            }
            declared = next
        }
        byteCount = declared
    }

    private static func sizes(of kind: Kind) -> ClosedRange<Int> {
        switch kind {
        case .bool: 1...1
        case .signed, .unsigned: 1...8
        case .real: 2...8
        case .bytes, .text: 1...1024
        }
    }

    /// The number at a place; NaN for what is no number.
    func number(_ place: UnsafeRawPointer) -> Double {
        func integer<T: FixedWidthInteger>(_ type: T.Type) -> T {
            let value = place.loadUnaligned(as: T.self)
            return isBigEndian ? T(bigEndian: value) : T(littleEndian: value)
        }
        switch (kind, itemBytes) {
        case (.bool, _): return place.load(as: UInt8.self) == 0 ? 0 : 1
        case (.unsigned, 1): return Double(place.load(as: UInt8.self))
        case (.unsigned, 2): return Double(integer(UInt16.self))
        case (.unsigned, 4): return Double(integer(UInt32.self))
        case (.unsigned, 8): return Double(integer(UInt64.self))
        case (.signed, 1): return Double(place.load(as: Int8.self))
        case (.signed, 2): return Double(integer(Int16.self))
        case (.signed, 4): return Double(integer(Int32.self))
        case (.signed, 8): return Double(integer(Int64.self))
        case (.real, 2): return Double(Self.half(integer(UInt16.self)))
        case (.real, 4): return Double(Float(bitPattern: integer(UInt32.self)))
        case (.real, 8): return Double(bitPattern: integer(UInt64.self))
        default: return .nan
        }
    }

    /// The text at a place.
    func text(_ place: UnsafeRawPointer) -> String {
        if kind == .bytes {
            let bytes = UnsafeRawBufferPointer(start: place, count: itemBytes)
            return PathText.display(Array(bytes[..<(bytes.lastIndex { $0 != 0 }.map { $0 + 1 } ?? 0)]))
        }
        var text = ""
        for index in 0..<itemBytes / 4 {
            let value = place.loadUnaligned(fromByteOffset: 4 * index, as: UInt32.self)
            let scalar = isBigEndian ? UInt32(bigEndian: value) : UInt32(littleEndian: value)
            guard scalar != 0 else { break }
            text.unicodeScalars.append(Unicode.Scalar(scalar) ?? "\u{FFFD}")
        }
        return text
    }

    /// binary16 to binary32, exactly.
    static func half(_ bits: UInt16) -> Float {
        let sign: Float = bits >> 15 == 0 ? 1 : -1
        let exponent = Int(bits >> 10 & 31)
        let fraction = Float(bits & 1023)
        switch exponent {
        case 0: return sign * fraction * 0x1p-24
        case 31: return fraction == 0 ? sign * .infinity : .nan
        default:
            return sign * (1024 + fraction) * Float(sign: .plus, exponent: exponent - 25, significand: 1)
        }
    }
}

/// The literals of a NumPy header, and nothing else of Python.
enum PythonLiteral {
    case text(String)
    case truth(Bool)
    case numbers([Int])
    case other

    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`; nil when it is not of that form.
    static func dictionary(_ text: String) -> [String: PythonLiteral]? {
        var rest = text[...]
        func skipSpaces() { rest = rest.drop { $0.isWhitespace } }
        func take(_ character: Character) -> Bool {
            skipSpaces()
            guard rest.first == character else { return false }
            rest = rest.dropFirst()
            return true
        }
        func string() -> String? {
            skipSpaces()
            guard let quote = rest.first, quote == "'" || quote == "\"",
                let end = rest.dropFirst().firstIndex(of: quote)
            else { return nil }
            defer { rest = rest[rest.index(after: end)...] }
            return String(rest.dropFirst()[..<end])
        }
        guard take("{") else { return nil }
        var values: [String: PythonLiteral] = [:]
        while !take("}") {
            guard let key = string(), take(":") else { return nil }
            if let value = string() {
                values[key] = .text(value)
            } else if rest.hasPrefix("True") || rest.hasPrefix("False") {
                values[key] = .truth(rest.hasPrefix("True"))
                rest = rest.drop { $0.isLetter }
            } else if take("(") {
                guard let end = rest.firstIndex(of: ")") else { return nil }
                var numbers: [Int] = []
                for word in rest[..<end].split(separator: ",") {
                    let digits = word.trimmingSpaces
                    if digits.isEmpty { continue }
                    guard let number = Int(digits.hasSuffix("L") ? String(digits.dropLast()) : digits) else {
                        return nil
                    }
                    numbers.append(number)
                }
                guard numbers.count <= 32 else { return nil }
                values[key] = .numbers(numbers)
                rest = rest[rest.index(after: end)...]
            } else if take("[") {
                // A structured type; it is refused by name, so its content does not matter.
                values[key] = .other
                return values
            } else {
                return nil
            }
            _ = take(",")
        }
        skipSpaces()
        return rest.isEmpty ? values : nil
    }
}

/// A `.npy` array in a file, plain or gzip, or in a `.npz` archive.
struct NPYArray {
    /// As in the archive, or the file's name, without `.npy`.
    let name: String
    let place: String
    let header: NPYHeader
    private let path: String
    private let member: [UInt8]?
    /// Deflate shrinks by at most 1032.
    private static let largestCompression = 1100

    /// The arrays in a `.npz`.
    static func all(inArchive path: String) throws -> [NPYArray] {
        let archive = try Archive(path: path, kind: .zip)
        let fileBytes = try ByteSource(path: path).fileBytes
        var arrays: [NPYArray] = []
        while let member = try archive.next() {
            let name = PathText.display(member.name)
            guard member.isRegularFile, name.hasSuffix(".npy") else { continue }
            let place = "\(path):\(name)"
            var read = 0
            let header = try NPYHeader(place: place) { buffer in
                let count = try archive.read(into: buffer)
                read += count
                return count
            }
            if let size = member.size, size != read + header.byteCount {
                throw Failure(.badData, "\(place): has \(size) bytes, its header declares \(read + header.byteCount)")
            }
            guard header.byteCount / largestCompression <= fileBytes else {
                throw Failure(
                    .badData,
                    "\(place): declares \(header.byteCount) bytes, which \(fileBytes) bytes of zip cannot hold")
            }
            arrays.append(
                NPYArray(name: String(name.dropLast(4)), place: place, header: header, path: path, member: member.name))
        }
        guard !arrays.isEmpty else { throw Failure(.badData, "\(path): holds no .npy array") }
        return arrays
    }

    init(file path: String) throws {
        let source = try ByteSource(path: path)
        let header = try NPYHeader(place: path) { try source.read(into: $0) }
        let declared = source.position + header.byteCount
        guard
            source.isCompressed
                ? header.byteCount / Self.largestCompression <= source.fileBytes : source.fileBytes == declared
        else {
            throw Failure(.badData, "\(path): has \(source.fileBytes) bytes, its header declares \(declared)")
        }
        let base = path.split(separator: "/").last.map(String.init) ?? path
        self.init(
            name: base.hasSuffix(".npy") ? String(base.dropLast(4)) : base, place: path, header: header, path: path,
            member: nil)
    }

    private init(name: String, place: String, header: NPYHeader, path: String, member: [UInt8]?) {
        (self.name, self.place, self.header, self.path, self.member) = (name, place, header, path, member)
    }

    /// Reads the elements in their order.
    func open() throws -> NPYStream { try NPYStream(path: path, member: member, place: place, header: header) }

    /// All elements, in memory.
    func readAll(atMost limit: Int) throws -> [UInt8] {
        guard header.byteCount <= limit else {
            throw Failure(.badData, "\(place): has \(header.byteCount) bytes, expected at most \(limit) here")
        }
        let stream = try open()
        var bytes = [UInt8](repeating: 0, count: header.byteCount)
        try bytes.withUnsafeMutableBytes { try stream.read(into: $0) }
        return bytes
    }
}

/// The elements of an array, from the first on.
final class NPYStream {
    private let place: String
    private let source: ByteSource?
    private let archive: Archive?

    fileprivate init(path: String, member: [UInt8]?, place: String, header: NPYHeader) throws {
        self.place = place
        var found: NPYHeader
        if let member {
            let archive = try Archive(path: path, kind: .zip)
            (self.archive, source) = (archive, nil)
            var isFound = false
            while !isFound, let next = try archive.next() { isFound = next.name == member }
            guard isFound else { throw Failure(.badData, "\(place): changed while it was read") }
            found = try NPYHeader(place: place) { try archive.read(into: $0) }
        } else {
            let source = try ByteSource(path: path)
            (self.source, archive) = (source, nil)
            found = try NPYHeader(place: place) { try source.read(into: $0) }
        }
        guard found == header else { throw Failure(.badData, "\(place): changed while it was read") }
    }

    /// Fills all of the buffer.
    func read(into buffer: UnsafeMutableRawBufferPointer) throws {
        let count = try source?.read(into: buffer) ?? archive?.read(into: buffer) ?? 0
        guard count == buffer.count else {
            throw Failure(
                .badData, "\(place): ends before the elements that its header declares; the file is truncated")
        }
    }
}
