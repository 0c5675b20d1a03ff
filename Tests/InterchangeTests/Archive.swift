/// A zip archive of stored records, as `torch.save` writes it, for what it would never write.
func archive(_ records: [(name: String, bytes: [UInt8])], declaring sizes: [String: UInt32] = [:]) -> [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for (name, bytes) in records {
        let size = sizes[name] ?? UInt32(bytes.count)
        // Version, flags, method, time, date; checksum, sizes; length of the name, of the rest.
        let common =
            little(20 as UInt16) + little(0x800 as UInt16) + little(0 as UInt16) + little(0 as UInt32)
            + little(checksum(bytes)) + little(size) + little(size) + little(UInt16(name.utf8.count))
            + little(0 as UInt16)
        directory += little(0x0201_4B50 as UInt32) + little(20 as UInt16) + common
        directory += little(0 as UInt16) + little(0 as UInt16) + little(0 as UInt16) + little(0 as UInt32)
        directory += little(UInt32(file.count)) + Array(name.utf8)
        file += little(0x0403_4B50 as UInt32) + common + Array(name.utf8) + bytes
    }
    let end =
        little(0x0605_4B50 as UInt32) + little(0 as UInt32) + little(UInt16(records.count))
        + little(UInt16(records.count)) + little(UInt32(directory.count)) + little(UInt32(file.count))
        + little(0 as UInt16)
    return file + directory + end
}

func little<T: FixedWidthInteger>(_ value: T) -> [UInt8] { withUnsafeBytes(of: value.littleEndian) { Array($0) } }

/// CRC-32 of zip.
private func checksum(_ bytes: [UInt8]) -> UInt32 {
    ~bytes.reduce(~0 as UInt32) { sum, byte in
        (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 1 ? 0xEDB8_8320 : 0) }
    }
}

/// Pieces of pickles.
enum Piece {
    static let start: [UInt8] = [0x80, 2]
    static let orderedDictionary = name("collections", "OrderedDict") + Array(")R".utf8)

    static func name(_ module: String, _ last: String) -> [UInt8] { Array("c\(module)\n\(last)\n".utf8) }
    static func text(_ text: String) -> [UInt8] { [UInt8(ascii: "X")] + little(UInt32(text.utf8.count)) + text.utf8 }
    static func integer(_ value: Int) -> [UInt8] { [0x8A, 8] + little(value) }
    static func tuple(_ items: [[UInt8]]) -> [UInt8] { Array("(".utf8) + items.joined() + Array("t".utf8) }
    static func integers(_ values: [Int]) -> [UInt8] { tuple(values.map(integer)) }

    static func storage(_ key: String = "0", _ type: String = "FloatStorage", count: Int = 4) -> [UInt8] {
        tuple([text("storage"), name("torch", type), text(key), text("cpu"), integer(count)]) + Array("Q".utf8)
    }

    static func tensor(
        _ storage: [UInt8] = storage(), offset: Int = 0, shape: [Int] = [4], strides: [Int] = [1], more: [[UInt8]] = []
    ) -> [UInt8] {
        let parts = [storage, integer(offset), integers(shape), integers(strides), [0x89], orderedDictionary] + more
        return name("torch._utils", "_rebuild_tensor_v2") + tuple(parts) + Array("R".utf8)
    }

    static func dictionary(_ pairs: [(String, [UInt8])]) -> [UInt8] {
        Array("}(".utf8) + pairs.flatMap { text($0.0) + $0.1 } + Array("u".utf8)
    }
}

/// A file with this pickle, and with four numbers in storage 0.
func torchFile(_ pickle: [UInt8], isWhole: Bool = false, storage: [UInt8] = Array(repeating: 0, count: 16)) -> [UInt8] {
    archive([("a/data.pkl", isWhole ? pickle : Piece.start + pickle + Array(".".utf8)), ("a/data/0", storage)])
}

/// A safetensors file with this header.
func safetensors(_ header: String, dataBytes: Int = 0) -> [UInt8] {
    little(UInt64(header.utf8.count)) + header.utf8 + Array(repeating: 0, count: dataBytes)
}
