import Foundation

/// Bytes of NumPy files, zip and tar archives, as small as tests need them.
enum ArrayFixture {
    static func npy(
        _ type: String, _ shape: [Int], _ data: [UInt8], fortran: Bool = false, version: UInt8 = 1,
        header: String? = nil
    ) -> [UInt8] {
        let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
        var text =
            header ?? "{'descr': '\(type)', 'fortran_order': \(fortran ? "True" : "False"), 'shape': (\(extents)), }"
        let prefix = version == 1 ? 10 : 12
        text += String(repeating: " ", count: 63 - (prefix + text.utf8.count) % 64) + "\n"
        let length = text.utf8.count
        let size = [UInt8(length & 255), UInt8(length >> 8)] + (version == 1 ? [] : [0, 0])
        return [0x93] + Array("NUMPY".utf8) + [version, 0] + size + Array(text.utf8) + data
    }

    /// Stored members, without compression.
    static func zip(_ members: [(String, [UInt8])]) -> [UInt8] {
        func little(_ value: Int, _ count: Int) -> [UInt8] {
            (0..<count).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
        }
        var bytes: [UInt8] = []
        var directory: [UInt8] = []
        for (name, data) in members {
            let crc = little(Int(crc32(data)), 4)
            let common =
                little(20, 2) + little(0, 2) + little(0, 2) + little(0, 4) + crc + little(data.count, 4)
                + little(data.count, 4)
            let length = little(name.utf8.count, 2) + little(0, 2)
            directory +=
                [0x50, 0x4B, 1, 2] + little(20, 2) + common + length + little(0, 2) + little(0, 2) + little(0, 2)
                + little(0, 4) + little(bytes.count, 4) + Array(name.utf8)
            bytes += [0x50, 0x4B, 3, 4] + common + length + Array(name.utf8) + data
        }
        return bytes + directory + [0x50, 0x4B, 5, 6] + little(0, 4) + little(members.count, 2)
            + little(members.count, 2)
            + little(directory.count, 4) + little(bytes.count, 4) + little(0, 2)
    }

    /// A ustar archive; `type` "0" is a file, "2" a link, "L" a GNU long name.
    static func tar(_ members: [(name: String, data: [UInt8], type: Character)], ends: Bool = true) -> [UInt8] {
        var bytes: [UInt8] = []
        for (name, data, type) in members {
            if name.utf8.count > 99 { bytes += tar([("././@LongLink", Array(name.utf8) + [0], "L")], ends: false) }
            var header = [UInt8](repeating: 0, count: 512)
            func put(_ text: String, _ place: Int) {
                header.replaceSubrange(place..<place + text.utf8.count, with: Array(text.utf8))
            }
            put(String(name.prefix(99)), 0)
            put("0000644", 100)
            put("0000000", 108)
            put("0000000", 116)
            let octal = String(data.count, radix: 8)
            put(String(repeating: "0", count: 11 - octal.count) + octal, 124)
            put("00000000000", 136)
            put("        ", 148)
            put(String(type), 156)
            put("ustar\u{0}00", 257)
            let sum = String(header.reduce(0) { $0 + Int($1) }, radix: 8)
            put(String(repeating: "0", count: 6 - sum.count) + sum + "\u{0} ", 148)
            bytes += header + data + [UInt8](repeating: 0, count: (512 - data.count % 512) % 512)
        }
        return bytes + (ends ? [UInt8](repeating: 0, count: 1024) : [])
    }

    static func crc32(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in
            (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
    }
}
