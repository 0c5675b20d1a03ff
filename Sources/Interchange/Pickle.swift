internal import Diagnostics

/// What a pickle stands for, as far as files of tensors need it.
///
/// Containers are numbers into `PickleReader`'s tables: they may refer to each other in any way, and nothing recurses.
enum PickleValue: Equatable, Sendable {
    case none
    case bool(Bool)
    case integer(Int)
    case real(Double)
    case text(String)
    /// A class or function, by module and name; never looked up, never called.
    case name(PickleName)
    case tuple(Int)
    case list(Int)
    case dictionary(Int)
    case storage(Int)
    case tensor(Int)
}

/// The names that PyTorch writes for tensors; a pickle that says another one is refused.
enum PickleName: Hashable, Sendable {
    case orderedDictionary, rebuildTensor, rebuildParameter, size
    case storage(ElementType)

    private static let known: [String: PickleName] = [
        "collections.OrderedDict": .orderedDictionary, "torch._utils._rebuild_tensor": .rebuildTensor,
        "torch._utils._rebuild_tensor_v2": .rebuildTensor, "torch._utils._rebuild_parameter": .rebuildParameter,
        "torch.Size": .size, "torch.FloatStorage": .storage(.float32), "torch.DoubleStorage": .storage(.float64),
        "torch.HalfStorage": .storage(.float16), "torch.BFloat16Storage": .storage(.bfloat16),
        "torch.LongStorage": .storage(.int64), "torch.IntStorage": .storage(.int32),
        "torch.ShortStorage": .storage(.int16), "torch.CharStorage": .storage(.int8),
        "torch.ByteStorage": .storage(.uint8), "torch.BoolStorage": .storage(.bool),
    ]

    init?(_ name: String) {
        guard let known = Self.known[name] else { return nil }
        self = known
    }
}

/// A run of numbers that tensors look into.
struct PickledStorage: Equatable, Sendable {
    /// The name of its record in the file.
    let key: String
    let type: ElementType
    let count: Int
}

/// A view of a storage: extents and the distance between neighbours on each axis, in elements.
struct PickledTensor: Equatable, Sendable {
    let storage: Int
    let offset: Int
    let shape: [Int]
    let strides: [Int]

    /// Whether its elements lie one behind the other.
    var isContiguous: Bool {
        var expected = 1
        for (extent, stride) in zip(shape, strides).reversed() {
            guard extent == 1 || stride == expected else { return false }
            expected *= extent
        }
        return true
    }
}

/// Reads a pickle through a closed list of opcodes, without executing anything.
///
/// Whatever is not on the list (another opcode, another name, another call) is refused with its place. Memory and time are
/// bounded by the number of opcodes, for which there is a limit.
/// Source: the opcodes of Python's pickletools, protocols 2 to 5.
struct PickleReader {
    private(set) var tuples: [[PickleValue]] = []
    private(set) var lists: [[PickleValue]] = []
    private(set) var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
    private(set) var storages: [PickledStorage] = []
    private(set) var tensors: [PickledTensor] = []
    /// Where the next pickle begins once one has been read.
    private(set) var place: Int
    private let bytes: [UInt8]
    private let path: String
    private var stack: [PickleValue] = []
    private var marks: [Int] = []
    private var memo: [Int: PickleValue] = [:]
    private var storageNumbers: [String: Int] = [:]
    /// Ten thousand tensors; a network of 152 layers takes a tenth.
    private static let largestOpcodeCount = 500_000

    /// Reads from a place on. `path` is for messages.
    init(_ bytes: [UInt8], from place: Int = 0, path: String) {
        self.bytes = bytes
        self.place = place
        self.path = path
    }

    /// The value that the pickle leaves. Throws: `Failure(.badData)`.
    mutating func read() throws -> PickleValue {
        for _ in 0..<Self.largestOpcodeCount {
            let start = place
            let opcode = try byte()
            guard opcode != UInt8(ascii: ".") else { return try pop(start) }
            try execute(opcode, at: start)
        }
        throw bad("its opcode number \(Self.largestOpcodeCount), more than tensors need", place)
    }

    private mutating func execute(_ opcode: UInt8, at start: Int) throws {
        switch opcode {
        case 0x80:  // PROTO
            let version = try byte()
            guard (2...5).contains(version) else { throw bad("protocol \(version), expected 2…5", start) }
        case 0x95: _ = try unsigned(8)  // FRAME
        case UInt8(ascii: "("): marks.append(stack.count)
        case UInt8(ascii: "N"): stack.append(.none)
        case 0x88: stack.append(.bool(true))
        case 0x89: stack.append(.bool(false))
        case UInt8(ascii: "K"): stack.append(.integer(try unsigned(1)))
        case UInt8(ascii: "M"): stack.append(.integer(try unsigned(2)))
        case UInt8(ascii: "J"): stack.append(.integer(Int(Int32(truncatingIfNeeded: try unsigned(4)))))
        case 0x8A: stack.append(.integer(try longInteger(start)))
        case UInt8(ascii: "G"):
            let bits = try take(8).reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
            stack.append(.real(Double(bitPattern: bits)))
        case UInt8(ascii: "X"), UInt8(ascii: "T"): stack.append(.text(try text(try unsigned(4), start)))
        case 0x8C, UInt8(ascii: "U"): stack.append(.text(try text(try unsigned(1), start)))
        case UInt8(ascii: ")"): pushTuple([])
        case UInt8(ascii: "t"): pushTuple(try popToMark(start))
        case 0x85: pushTuple(try popLast(1, start))
        case 0x86: pushTuple(try popLast(2, start))
        case 0x87: pushTuple(try popLast(3, start))
        case UInt8(ascii: "]"):
            stack.append(.list(lists.count))
            lists.append([])
        case UInt8(ascii: "a"): try append([try pop(start)], start)
        case UInt8(ascii: "e"): try append(try popToMark(start), start)
        case UInt8(ascii: "}"): pushDictionary()
        case UInt8(ascii: "s"): try setItems(try popLast(2, start), start)
        case UInt8(ascii: "u"): try setItems(try popToMark(start), start)
        case UInt8(ascii: "q"): memo[try unsigned(1)] = try top(start)
        case UInt8(ascii: "r"): memo[try unsigned(4)] = try top(start)
        case 0x94: memo[memo.count] = try top(start)
        case UInt8(ascii: "h"): try recall(try unsigned(1), start)
        case UInt8(ascii: "j"): try recall(try unsigned(4), start)
        case UInt8(ascii: "c"): stack.append(.name(try name(try line(start), try line(start), start)))
        case 0x93:  // STACK_GLOBAL
            guard case .text(let last) = try pop(start), case .text(let module) = try pop(start) else {
                throw bad("a name that is no text", start)
            }
            stack.append(.name(try name(module, last, start)))
        case UInt8(ascii: "Q"): stack.append(try persistent(try pop(start), start))
        case UInt8(ascii: "R"): try call(start)
        case UInt8(ascii: "b"):
            // State of an ordered dictionary: the version numbers of its modules, which nothing here needs.
            _ = try pop(start)
            guard case .dictionary = try top(start) else {
                throw bad("a state for something else than a dictionary", start)
            }
        default:
            throw bad("the opcode 0x\(String(opcode, radix: 16)), which files of tensors do not need", start)
        }
    }

    // ---- The calls that stand for values

    private mutating func call(_ start: Int) throws {
        guard case .tuple(let number) = try pop(start), case .name(let name) = try pop(start) else {
            throw bad("a call of something that is no name", start)
        }
        let arguments = tuples[number]
        switch name {
        case .orderedDictionary where arguments.isEmpty: pushDictionary()
        case .size where arguments.count == 1: stack.append(arguments[0])
        case .rebuildParameter where arguments.count >= 1:
            guard case .tensor = arguments[0] else { throw bad("a parameter that is no tensor", start) }
            stack.append(arguments[0])
        // Storage, offset, size, strides, needs gradient, hooks; then marks such as "negated", of which none is known here.
        case .rebuildTensor where (4...6).contains(arguments.count) || arguments.count == 7 && isEmpty(arguments[6]):
            guard case .storage(let storage) = arguments[0], case .integer(let offset) = arguments[1],
                let shape = integers(arguments[2]), let strides = integers(arguments[3])
            else { throw bad("a tensor of something else than a storage, an offset, a size and strides", start) }
            try check(storage, offset, shape, strides, start)
            stack.append(.tensor(tensors.count))
            tensors.append(PickledTensor(storage: storage, offset: offset, shape: shape, strides: strides))
        default: throw bad("a call with arguments that do not fit", start)
        }
    }

    /// A view must lie inside its storage and meet each of its elements once.
    private func check(_ storage: Int, _ offset: Int, _ shape: [Int], _ strides: [Int], _ start: Int) throws {
        let held = storages[storage]
        func words() -> String { "a tensor of size \(shape) with strides \(strides) from element \(offset)" }
        guard shape.count == strides.count, offset >= 0, strides.allSatisfy({ $0 >= 0 }),
            let count = TensorLimits.count(of: shape, type: held.type)
        else { throw bad(words(), start) }
        guard count > 0 else { return }
        var last = 0
        for (extent, stride) in zip(shape, strides).sorted(by: { $0.1 < $1.1 }) where extent > 1 {
            guard stride > last else { throw bad("\(words()), whose elements overlap", start) }
            let (reach, overflow) = (extent - 1).multipliedReportingOverflow(by: stride)
            let (next, overflowSum) = last.addingReportingOverflow(reach)
            guard !overflow, !overflowSum else { throw bad(words(), start) }
            last = next
        }
        guard offset < held.count, last < held.count - offset else {
            throw bad("\(words()), beyond its storage of \(held.count)", start)
        }
    }

    /// ('storage', type, key, location, count), in the older format with a part of another storage, which is none today.
    private mutating func persistent(_ value: PickleValue, _ start: Int) throws -> PickleValue {
        guard case .tuple(let number) = value, (5...6).contains(tuples[number].count),
            tuples[number][0] == .text("storage"), case .name(.storage(let type)) = tuples[number][1],
            case .text(let key) = tuples[number][2], key.utf8.count <= TensorLimits.keyBytes,
            case .integer(let count) = tuples[number][4], TensorLimits.count(of: [count], type: type) != nil,
            tuples[number].count == 5 || tuples[number][5] == .none
        else { throw bad("a reference to something else than a storage of numbers", start) }
        let storage = PickledStorage(key: key, type: type, count: count)
        if let known = storageNumbers[key] {
            guard storages[known] == storage else { throw bad("two storages under the key \(key.quoted)", start) }
            return .storage(known)
        }
        storageNumbers[key] = storages.count
        storages.append(storage)
        return .storage(storages.count - 1)
    }

    private func integers(_ value: PickleValue) -> [Int]? {
        guard case .tuple(let number) = value, tuples[number].count <= TensorLimits.rank else { return nil }
        var integers: [Int] = []
        for case .integer(let integer) in tuples[number] { integers.append(integer) }
        return integers.count == tuples[number].count ? integers : nil
    }

    private func isEmpty(_ value: PickleValue) -> Bool {
        if case .dictionary(let number) = value { dictionaries[number].isEmpty } else { value == .none }
    }

    private func name(_ module: String, _ last: String, _ start: Int) throws -> PickleName {
        guard module.utf8.count + last.utf8.count < TensorLimits.keyBytes, let name = PickleName("\(module).\(last)")
        else {
            throw bad(
                "the name \(module.quoted).\(last.quoted), which no tensor needs; nothing was executed", start)
        }
        return name
    }

    // ---- Stack and memo

    private mutating func pushTuple(_ values: [PickleValue]) {
        stack.append(.tuple(tuples.count))
        tuples.append(values)
    }

    private mutating func pushDictionary() {
        stack.append(.dictionary(dictionaries.count))
        dictionaries.append([])
    }

    private mutating func append(_ values: [PickleValue], _ start: Int) throws {
        guard case .list(let number) = try top(start) else { throw bad("an item for something that is no list", start) }
        lists[number] += values
    }

    private mutating func setItems(_ values: [PickleValue], _ start: Int) throws {
        guard case .dictionary(let number) = try top(start), values.count % 2 == 0 else {
            throw bad("an item for something that is no dictionary", start)
        }
        for index in stride(from: 0, to: values.count, by: 2) {
            dictionaries[number].append((values[index], values[index + 1]))
        }
    }

    private mutating func recall(_ number: Int, _ start: Int) throws {
        guard let value = memo[number] else { throw bad("entry \(number) of the memo, which is empty", start) }
        stack.append(value)
    }

    private var bottom: Int { marks.last ?? 0 }

    private mutating func pop(_ start: Int) throws -> PickleValue {
        guard stack.count > bottom, let value = stack.popLast() else { throw bad("an empty stack", start) }
        return value
    }

    private func top(_ start: Int) throws -> PickleValue {
        guard stack.count > bottom, let value = stack.last else { throw bad("an empty stack", start) }
        return value
    }

    private mutating func popLast(_ count: Int, _ start: Int) throws -> [PickleValue] {
        guard stack.count - bottom >= count else { throw bad("an empty stack", start) }
        defer { stack.removeLast(count) }
        return Array(stack.suffix(count))
    }

    private mutating func popToMark(_ start: Int) throws -> [PickleValue] {
        guard let mark = marks.popLast() else { throw bad("no mark", start) }
        defer { stack.removeLast(stack.count - mark) }
        return Array(stack[mark...])
    }

    // ---- Bytes

    private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
        guard count <= bytes.count - place else { throw bad("its end", place) }
        defer { place += count }
        return bytes[place..<place + count]
    }

    private mutating func byte() throws -> UInt8 { try take(1).first ?? 0 }

    /// Up to eight bytes, little-endian; more than an `Int` holds is more than any buffer has.
    private mutating func unsigned(_ count: Int) throws -> Int {
        Int(clamping: try take(count).reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) })
    }

    private mutating func longInteger(_ start: Int) throws -> Int {
        let digits = try take(try unsigned(1))
        guard digits.count <= 8 else { throw bad("an integer of \(digits.count) bytes", start) }
        let bits = digits.reversed().reduce(0 as UInt64) { $0 << 8 | UInt64($1) }
        let shift = 64 - 8 * digits.count
        return digits.isEmpty ? 0 : Int(Int64(bitPattern: bits << UInt64(shift)) >> Int64(shift))
    }

    private mutating func text(_ count: Int, _ start: Int) throws -> String {
        guard let text = String(validating: try take(count), as: UTF8.self) else {
            throw bad("a text that is not UTF-8", start)
        }
        return text
    }

    private mutating func line(_ start: Int) throws -> String {
        guard let end = bytes[place...].prefix(TensorLimits.keyBytes).firstIndex(of: 0x0A) else {
            throw bad("a name without an end", start)
        }
        defer { place = end + 1 }
        return try text(end - place, start)
    }

    private func bad(_ found: String, _ place: Int) -> Failure {
        Failure(.badData, "\(path): byte \(place) of its pickle holds \(found); \(TorchFile.advice)")
    }
}
