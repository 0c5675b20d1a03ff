import Foundation
import Testing

@testable import Diagnostics
@testable import Files
@testable import Interchange

/// A file that must be refused, and what the message must say.
struct HostileFile: CustomTestStringConvertible {
    let name: String
    let bytes: [UInt8]
    let words: String
    var testDescription: String { name }

    init(_ name: String, _ bytes: [UInt8], _ words: String) {
        self.name = name
        self.bytes = bytes
        self.words = words
    }

    private static func state(_ tensor: [UInt8]) -> [UInt8] { torchFile(Piece.dictionary([("w", tensor)])) }
    private static func header(_ shape: String, _ offsets: String, type: String = "F32", dataBytes: Int = 16) -> [UInt8]
    {
        safetensors(
            "{\"w\":{\"dtype\":\"\(type)\",\"shape\":\(shape),\"data_offsets\":\(offsets)}}", dataBytes: dataBytes)
    }

    private static let call = Array("R".utf8)

    static let pickles: [HostileFile] = [
        .init(
            "os.system", torchFile(Piece.name("os", "system") + Piece.tuple([Piece.text("touch /tmp/x")]) + call),
            "os.system, which no tensor needs; nothing was executed"),
        .init(
            "a name from two texts",
            torchFile(Piece.text("builtins") + Piece.text("eval") + [0x93] + Piece.tuple([Piece.text("1")]) + call),
            "builtins.eval"),
        .init("a name with an escape", torchFile(Piece.name("os\u{1b}[2J", "x")), "os\\u{1b}[2J"),
        .init(
            "a name without an end", torchFile(Array("cos".utf8) + Array(repeating: 65, count: 5000)), "without an end"),
        .init(
            "a long name", torchFile(Piece.text(String(repeating: "a", count: 1 << 20)) + Piece.text("b") + [0x93]),
            "aaa…"),
        .init("torch's own loader", torchFile(Piece.name("torch", "load")), "torch.load"),
        .init("INST", torchFile(Array("(ios\nsystem\n".utf8)), "opcode 0x69"),
        .init("OBJ", torchFile(Array("(o".utf8)), "opcode 0x6f"),
        .init("NEWOBJ", torchFile(Piece.orderedDictionary + Array(")".utf8) + [0x81]), "opcode 0x81"),
        .init("NEWOBJ_EX", torchFile([0x92]), "opcode 0x92"),
        .init("an extension", torchFile([0x82, 1]), "opcode 0x82"),
        .init("a text of protocol 0", torchFile(Array("S'x'\n".utf8)), "opcode 0x53"),
        .init("BUILD of an object", torchFile(Array("N}b".utf8)), "a state for something else"),
        .init("a call of a number", torchFile(Array("K\u{1})R".utf8)), "a call of something that is no name"),
        .init(
            "a storage that is called", torchFile(Piece.name("torch", "FloatStorage") + Array(")R".utf8)), "do not fit"),
        .init(
            "a dictionary with arguments",
            torchFile(Piece.name("collections", "OrderedDict") + Array("(Nt".utf8) + call), "do not fit"),
        .init("protocol 0", torchFile([0x80, 0, 0x4E, 0x2E], isWhole: true), "protocol 0"),
        .init("protocol 9", torchFile([0x80, 9, 0x4E, 0x2E], isWhole: true), "protocol 9"),
        .init("nothing", torchFile([], isWhole: true), "its end"),
        .init("no end", torchFile(Piece.start + Array("N".utf8), isWhole: true), "its end"),
        .init("an empty stack", torchFile([]), "an empty stack"),
        .init("a pop below a mark", torchFile(Array("N(\u{85}".utf8)), "opcode 0xc2"),
        .init("a tuple below a mark", torchFile(Array("N(".utf8) + [0x85]), "an empty stack"),
        .init("no mark", torchFile(Array("t".utf8)), "no mark"),
        .init("an empty memo", torchFile(Array("h\u{7}".utf8)), "entry 7 of the memo"),
        .init("a text beyond the end", torchFile(Array("X".utf8) + little(UInt32.max)), "its end"),
        .init("a text that is not UTF-8", torchFile([0x8C, 2, 0xFF, 0xFE]), "not UTF-8"),
        .init("a long integer", torchFile([0x8A, 200] + Array(repeating: 1, count: 200)), "an integer of 200 bytes"),
        .init(
            "a million marks", torchFile(Array(repeating: UInt8(ascii: "("), count: 1 << 20)), "more than tensors need"),
        .init(
            "a million lists", torchFile(Array(repeating: UInt8(ascii: "]"), count: 1 << 20)), "more than tensors need"),
        .init(
            "a million nested tuples", torchFile(Array("N".utf8) + Array(repeating: 0x85, count: 1 << 20)),
            "more than tensors need"),
        .init(
            "a million calls", torchFile((0..<(1 << 18)).flatMap { _ in Piece.orderedDictionary }),
            "more than tensors need"),
        .init("a list in itself", torchFile(Array("]q\u{0}h\u{0}a".utf8)), "something else than a dictionary"),
        .init(
            "a dictionary in itself", torchFile(Array("}q\u{0}N".utf8) + Array("h\u{0}s".utf8)),
            "no dictionary of tensors"),
        .init(
            "a state dictionary that holds itself",
            torchFile(Array("}q\u{0}".utf8) + Piece.text("state_dict") + Array("h\u{0}s".utf8)),
            "no dictionary of tensors"),
        .init("an odd number of items", torchFile(Array("}(Nu".utf8)), "no dictionary"),
        .init("an item of a number", torchFile(Array("K\u{1}NNs".utf8)), "no dictionary"),
        .init(
            "a list of tensors", torchFile(Array("]".utf8) + Piece.tensor() + Array("a".utf8)),
            "something else than a dictionary"),
        .init("an empty dictionary", torchFile(Array("}".utf8)), "no dictionary of tensors"),
        .init(
            "a key that stands twice", torchFile(Piece.dictionary([("w", Piece.tensor()), ("w", Piece.tensor())])),
            "w stands twice"),
        .init(
            "a long key", torchFile(Piece.dictionary([(String(repeating: "k", count: 2000), Piece.tensor())])),
            "more than 1024 bytes"),
    ]

    static let tensors: [HostileFile] = [
        .init("a storage that is missing", state(Piece.tensor(Piece.storage("7"))), "data/7 is not in the archive"),
        .init("a storage on another way", state(Piece.tensor(Piece.storage("../data/0"))), "is not in the archive"),
        .init(
            "a storage of other bytes", state(Piece.tensor(Piece.storage("0", "DoubleStorage"))),
            "has 16 bytes, expected 32"),
        .init("a storage of 2⁶⁰ values", state(Piece.tensor(Piece.storage(count: 1 << 60))), "has 16 bytes"),
        .init("a storage of 2⁶² values", state(Piece.tensor(Piece.storage(count: 1 << 62))), "a storage of numbers"),
        .init("a storage of −1 values", state(Piece.tensor(Piece.storage(count: -1))), "a storage of numbers"),
        .init(
            "a storage of complex numbers", state(Piece.tensor(Piece.storage("0", "ComplexFloatStorage"))),
            "torch.ComplexFloatStorage"),
        .init(
            "a storage of quantized numbers", state(Piece.tensor(Piece.storage("0", "QInt8Storage"))),
            "torch.QInt8Storage"),
        .init(
            "two storages with one key",
            torchFile(
                Piece.dictionary([("v", Piece.tensor()), ("w", Piece.tensor(Piece.storage(count: 2), shape: [2]))])),
            "two storages under the key 0"),
        .init("a tensor beyond its storage", state(Piece.tensor(shape: [5])), "beyond its storage of 4"),
        .init("an offset beyond the storage", state(Piece.tensor(offset: 1)), "beyond its storage"),
        .init("an offset of 2⁶³−1", state(Piece.tensor(offset: .max)), "beyond its storage"),
        .init("an offset of −1", state(Piece.tensor(offset: -1)), "a tensor of size"),
        .init("negative strides", state(Piece.tensor(offset: 3, strides: [-1])), "a tensor of size"),
        .init("strides of 2⁶²", state(Piece.tensor(shape: [2, 2], strides: [1 << 62, 1])), "beyond its storage"),
        .init("strides that overflow", state(Piece.tensor(shape: [4], strides: [.max])), "a tensor of size"),
        .init("stride 0", state(Piece.tensor(strides: [0])), "overlap"),
        .init("strides that overlap", state(Piece.tensor(shape: [2, 3], strides: [1, 1])), "overlap"),
        .init("a shape of 2⁶⁰", state(Piece.tensor(shape: [1 << 60])), "beyond its storage"),
        .init(
            "a shape of 2⁶⁰ by 2⁶⁰", state(Piece.tensor(shape: [1 << 60, 1 << 60], strides: [1, 1])), "a tensor of size"
        ),
        .init("a negative extent", state(Piece.tensor(shape: [-4])), "a tensor of size"),
        .init("more extents than strides", state(Piece.tensor(shape: [2, 2])), "a tensor of size"),
        .init(
            "a hundred axes",
            state(Piece.tensor(shape: Array(repeating: 1, count: 100), strides: Array(repeating: 1, count: 100))),
            "a tensor of something else"),
        .init("a negated view", state(Piece.tensor(more: [Piece.dictionary([("neg", [0x88])])])), "do not fit"),
        .init("a tensor of a text", state(Piece.tensor(Piece.text("0"))), "a tensor of something else"),
        .init(
            "a parameter of a text",
            state(Piece.name("torch._utils", "_rebuild_parameter") + Piece.tuple([Piece.text("0")]) + call), "no tensor"
        ),
    ]

    private static let good = Piece.start + Piece.dictionary([("w", Piece.tensor())]) + Array(".".utf8)
    private static let four = [UInt8](repeating: 0, count: 16)

    static let archives: [HostileFile] = [
        .init("an archive without a pickle", archive([("a/data/0", four)]), "without data.pkl"),
        .init("two pickles", archive([("a/data.pkl", good), ("b/data.pkl", good), ("a/data/0", four)]), "two pickles"),
        .init(
            "a record twice", archive([("a/data.pkl", good), ("a/data/0", four), ("a/data/0", four)]), "stands twice"),
        .init(
            "big-endian", archive([("a/data.pkl", good), ("a/byteorder", Array("big".utf8)), ("a/data/0", four)]),
            "not little-endian"),
        .init(
            "a record of 4 GiB",
            archive([("a/data.pkl", good), ("a/data/0", four)], declaring: ["a/data/0": .max - 1]),
            "declares 4294967294 bytes"),
        .init(
            "a pickle longer than its record", archive([("a/data.pkl", good)], declaring: ["a/data.pkl": 3]), "damaged"),
        .init(
            "an archive in which nothing is right", Array("PK\u{3}\u{4}".utf8) + Array(repeating: 7, count: 500),
            "zip archive"),
        .init("the head of an archive alone", Array("PK\u{3}\u{4}".utf8), "zip archive"),
    ]

    static let headers: [HostileFile] = [
        .init("a header of 2⁶⁴ bytes", little(UInt64.max) + Array("{}".utf8), "its header would have"),
        .init(
            "a header longer than the file", little(100 as UInt64) + Array("{}".utf8), "its header would have 100 bytes"
        ),
        .init("a header that ends", safetensors("{\"w\":"), "expected {"),
        .init("nesting", safetensors("{\"w\":" + String(repeating: "[", count: 1 << 20)), "expected {"),
        .init("nested objects", safetensors(String(repeating: "{\"a\":", count: 1 << 18)), "no other member"),
        .init("something behind the header", safetensors("{}{}"), "nothing behind"),
        .init(
            "a text without an end", safetensors("{\"" + String(repeating: "a", count: 1 << 20)), "the end of a text"),
        .init("half a character", safetensors("{\"\\ud800\":1}"), "a character"),
        .init("a line feed in a text", safetensors("{\"a\nb\":1}"), "no control character"),
        .init("metadata that is no text", safetensors("{\"__metadata__\":{\"a\":1}}"), "expected \""),
        .init(
            "a key twice",
            safetensors("{\"w\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},\"\\u0077\":1}"),
            "the key w once"),
        .init(
            "a member twice",
            safetensors("{\"w\":{\"dtype\":\"F32\",\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]}}"),
            "the key dtype once"),
        .init(
            "a member too many",
            safetensors("{\"w\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":1}}"), "no other member"),
        .init(
            "no dtype", safetensors("{\"w\":{\"shape\":[0],\"data_offsets\":[0,0]}}"),
            "dtype, shape and data_offsets of w"),
        .init("another dtype", header("[4]", "[0,16]", type: "F8_E4M3"), "the dtype F8_E4M3"),
        .init("a shape of 2⁶⁰", header("[1152921504606846976]", "[0,16]"), "expected 4611686018427387904"),
        .init("a shape of 2⁶⁰ by 2⁶⁰", header("[1152921504606846976,1152921504606846976]", "[0,16]"), "can be counted"),
        .init("a shape of 2⁶³", header("[9223372036854775808]", "[0,16]"), "a whole number"),
        .init("a negative extent", header("[-4]", "[0,16]"), "a whole number"),
        .init("a fraction", header("[4.0]", "[0,16]"), "expected ]"),
        .init("a leading zero", header("[04]", "[0,16]"), "a whole number"),
        .init("nine axes", header("[1,1,1,1,1,1,1,1,4]", "[0,16]"), "at most 8 numbers"),
        .init("bytes beyond the file", header("[4]", "[16,32]"), "lies at bytes 16…32"),
        .init("bytes that end before they begin", header("[4]", "[16,0]"), "lies at bytes 16…0"),
        .init("other bytes than the shape", header("[3]", "[0,16]"), "has 16 bytes, expected 12"),
        .init("three offsets", header("[4]", "[0,8,16]"), "at most 2 numbers"),
        .init("bytes that belong to nothing", header("[4]", "[0,16]", dataBytes: 20), "the file has 20"),
        .init("a gap", header("[4]", "[4,20]", dataBytes: 20), "leaves a gap"),
        .init(
            "tensors that overlap",
            safetensors(
                "{\"v\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
                    + "\"w\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[4,12]}}", dataBytes: 12), "overlaps"),
    ]

    /// `build`, applied to the format before the zip.
    static let sequences: [HostileFile] = {
        guard let older = try? Fixture.bytes("older.pth") else { return [] }
        let mark = Array(older.prefix(15))
        let version: [UInt8] = [0x80, 2, 0x4D, 0xE9, 0x03, 0x2E]
        let facts = Piece.start + Piece.dictionary([("little_endian", [0x88])]) + Array(".".utf8)
        let keys = Piece.start + Array("]".utf8) + Piece.text("0") + Array("a.".utf8)
        func file(_ pickle: [UInt8] = good, keys: [UInt8] = keys, count: Int = 4, bytes: Int = 16) -> [UInt8] {
            mark + version + facts + pickle + keys + little(count) + Array(repeating: 0, count: bytes)
        }
        precondition((try? problem(file())) == .some(nil), "the file that the others are made of")
        return [
            .init("older: another version", mark + [0x80, 2, 0x4B, 1, 0x2E], "another version"),
            .init("older: big-endian", mark + version + Piece.start + Array("}.".utf8), "not little-endian"),
            .init("older: os.system", file(Piece.start + Piece.name("os", "system") + Array(")R.".utf8)), "os.system"),
            .init(
                "older: no list of storages", file(keys: Piece.start + Array("N.".utf8)), "no list of the 1 storages"),
            .init(
                "older: another storage",
                file(keys: Piece.start + Array("]".utf8) + Piece.text("9") + Array("a.".utf8)), "that no tensor uses"),
            .init("older: another count", file(count: 5), "has 5 values, expected 4"),
            .init("older: a negative count", file(count: -4), "has -4 values"),
            .init("older: a storage that ends", file(bytes: 15), "is truncated"),
            .init("older: something behind", file(bytes: 17), "where its last storage ends"),
            .init("older: the mark alone", mark, "its end"),
            .init("a plain pickle", good, "torch.save has not written"),
        ]
    }()
}

@Suite("damaged and hostile files")
struct HostileFileTests {
    static let files =
        HostileFile.pickles + HostileFile.tensors + HostileFile.archives + HostileFile.headers + HostileFile.sequences

    @Test("are refused as bad data on one line that says what is wrong", arguments: files)
    func refused(file: HostileFile) throws {
        let failure = try #require(try problem(file.bytes), "\(file.name) was read")
        #expect(failure.code == .badData)
        #expect(failure.message.contains(file.words), "\(failure.message)")
        #expect(failure.message.utf8.count < 700, "\(failure.message.utf8.count) bytes")
        #expect(failure.message == failure.message.printable)
    }

    @Test("the files that these are made of are read")
    func good() throws {
        #expect(try problem(torchFile(Piece.dictionary([("w", Piece.tensor())]))) == nil)
        #expect(
            try problem(safetensors("{\"w\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[0,16]}}", dataBytes: 16))
                == nil)
        #expect(
            try problem(
                safetensors("{\"w\" : { \"shape\" : [ ] , \"data_offsets\":[0,4],\"dtype\":\"F32\"} }  ", dataBytes: 4)
            ) == nil)
    }

    @Test("cut off anywhere they are refused", arguments: ["float32.pth", "older-views.pth", "mixed.safetensors"])
    func truncated(name: String) throws {
        let bytes = try Fixture.bytes(name)
        for count in stride(from: 16, to: bytes.count, by: 7) + [bytes.count - 1] {
            let failure = try #require(try problem(Array(bytes.prefix(count))), "\(count) bytes were read")
            #expect(failure.code == .badData)
        }
    }

    @Test("changed at random they are read or refused", arguments: Fixture.names)
    func mutated(name: String) throws {
        let bytes = try Fixture.bytes(name)
        var random = Mutations(seed: UInt64(name.utf8.reduce(7) { $0 &* 31 &+ Int($1) }.magnitude))
        for _ in 0..<150 { try check(random.mutate(bytes), name) }
        // The checksum of an archive finds most of these; the pickle is changed beneath it.
        guard let pickle = try pickle(in: name) else { return }
        let sizes = try records(in: name)
        for _ in 0..<150 {
            try check(archive([("a/data.pkl", random.mutate(pickle))] + sizes.map { ("a/\($0)", $1) }), name)
        }
    }

    private func check(_ bytes: [UInt8], _ name: String) throws {
        guard TorchFile.isMarked(bytes) || Safetensors.isMarked(bytes) else { return }
        guard let failure = try problem(bytes) else { return }
        #expect(failure.code == .badData, "\(name): \(failure)")
        #expect(failure.message == failure.message.printable && failure.message.utf8.count < 4000)
    }

    private func pickle(in name: String) throws -> [UInt8]? { try contents(of: name)["data.pkl"] }

    private func records(in name: String) throws -> [(String, [UInt8])] {
        try contents(of: name).filter { $0.key.hasPrefix("data/") }.sorted { $0.key < $1.key }
    }

    /// The records of an archive without its folder.
    private func contents(of name: String) throws -> [String: [UInt8]] {
        let file = try InputFile("\(Fixture.folder)/\(name)", expected: "expected a fixture")
        guard try file.bytes(0..<2) == Array("PK".utf8) else { return [:] }
        var contents: [String: [UInt8]] = [:]
        try ZipArchive(file).forEachEntry { entry in
            contents[entry.name.split(separator: "/").dropFirst().joined(separator: "/")] = try entry.bytes(
                atMost: 1 << 20)
            return true
        }
        return contents
    }
}

/// Changes of bytes, the same in every run.
struct Mutations {
    private var state: UInt64

    init(seed: UInt64) { state = seed | 1 }

    private mutating func next(below bound: Int) -> Int {
        state ^= state << 13
        state ^= state >> 7
        state ^= state << 17
        return Int(state >> 33) % max(1, bound)
    }

    mutating func mutate(_ bytes: [UInt8]) -> [UInt8] {
        var bytes = bytes
        for _ in 0...next(below: 3) where !bytes.isEmpty {
            let place = next(below: bytes.count)
            switch next(below: 7) {
            case 0: bytes[place] ^= 1 << UInt8(next(below: 8))
            case 1: bytes[place] = [0, 0xFF, 0x7F, 0x80, 0x28, 0x2E][next(below: 6)]
            case 2: bytes[place] = UInt8(next(below: 256))
            case 3: bytes.removeSubrange(place..<min(bytes.count, place + 1 + next(below: 9)))
            case 4:
                bytes.insert(
                    contentsOf: bytes[place..<min(bytes.count, place + next(below: 40))], at: next(below: bytes.count))
            case 5:
                for index in place..<min(bytes.count, place + 8) { bytes[index] = index == place + 7 ? 0x7F : 0xFF }
            default: bytes.removeSubrange(place...)
            }
        }
        return bytes
    }
}
