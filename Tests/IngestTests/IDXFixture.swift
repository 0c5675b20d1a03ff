import Foundation
import TestSupport
import Testing

@testable import Ingest

/// The bytes of four small IDX files, in which a test makes one thing wrong.
struct IDXFixture {
    var files: [String: [UInt8]] = [
        "train-images-idx3-ubyte": images(count: 6, height: 3, width: 2),
        "train-labels-idx1-ubyte": labels([0, 1, 2, 9, 4, 5]),
        "t10k-images-idx3-ubyte": images(count: 2, height: 3, width: 2),
        "t10k-labels-idx1-ubyte": labels([7, 8]),
    ]

    static let trainImages = "train-images-idx3-ubyte"
    static let trainLabels = "train-labels-idx1-ubyte"

    static func images(count: Int, height: Int, width: Int) -> [UInt8] {
        [0, 0, 8, 3] + [count, height, width].flatMap { bigEndian($0) }
            + (0..<count * height * width).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    }

    static func labels(_ labels: [UInt8]) -> [UInt8] { [0, 0, 8, 1] + bigEndian(labels.count) + labels }

    static func bigEndian(_ value: Int) -> [UInt8] {
        [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) }
    }

    /// A gzip file of stored blocks: valid for every reader, and its bytes are known.
    static func gzip(_ bytes: [UInt8]) -> [UInt8] {
        precondition(bytes.count < 65536)
        func littleEndian(_ value: UInt32) -> [UInt8] { [0, 8, 16, 24].map { UInt8(truncatingIfNeeded: value >> $0) } }
        let length = UInt16(bytes.count)
        let sizes = [length, ~length].flatMap { [UInt8(truncatingIfNeeded: $0), UInt8($0 >> 8)] }
        return [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255, 1] + sizes + bytes + littleEndian(crc32(bytes))
            + littleEndian(UInt32(bytes.count))
    }

    private static func crc32(_ bytes: [UInt8]) -> UInt32 {
        ~bytes.reduce(~0) { crc, byte in
            (0..<8).reduce(crc ^ UInt32(byte)) { crc, _ in crc & 1 == 1 ? crc >> 1 ^ 0xEDB8_8320 : crc >> 1 }
        }
    }

    func write(to scratch: Scratch) throws {
        for (name, bytes) in files { try scratch.write(bytes, name) }
    }
}
