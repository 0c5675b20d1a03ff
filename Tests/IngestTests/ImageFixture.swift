import CImages
import Digests
import Foundation
import TestSupport
import Testing

@testable import Ingest

/// Pictures for tests: committed files with what Pillow makes of them (Generator/make_images.py), and PNG files made on the spot.
enum ImageFixture {
    static func path(_ name: String) throws -> String {
        try #require(Bundle.module.path(forResource: name, ofType: nil, inDirectory: "Fixtures"), "\(name)")
    }

    static func bytes(_ name: String) throws -> [UInt8] {
        [UInt8](try Data(contentsOf: URL(fileURLWithPath: path(name))))
    }

    /// The lines of a table without its header.
    static func rows(_ name: String) throws -> [[String]] {
        String(decoding: try bytes(name), as: UTF8.self).split(separator: "\n").dropFirst()
            .map { $0.split(separator: ",").map(String.init) }
    }

    /// The pixels that `png` draws.
    static func pixels(_ seed: Int, height: Int, width: Int, channels: Int) -> [UInt8] {
        (0..<height * width * channels).map { UInt8(truncatingIfNeeded: ($0 &+ seed &* 7919) &* 40503 >> 4) }
    }

    /// The bytes of a PNG file.
    static func png(_ seed: Int, height: Int = 4, width: Int = 5, channels: Int = 3) -> [UInt8] {
        png(
            of: pixels(seed, height: height, width: width, channels: channels), height: height, width: width,
            channels: channels)
    }

    /// The bytes of a PNG file of some pixels.
    static func png(of pixels: [UInt8], height: Int, width: Int, channels: Int) -> [UInt8] {
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        let code = CImages_encodePNG(pixels, Int32(height), Int32(width), Int32(channels), &bytes, &count)
        defer { free(bytes) }
        return code == 0 ? Array(UnsafeBufferPointer(start: bytes, count: count)) : []
    }

    static func sha256(_ bytes: [UInt8]) -> String { bytes.withUnsafeBytes { SHA256.hexadecimal(of: $0) } }
}

extension Scratch {
    /// Writes a file and the folders above it.
    func put(_ bytes: [UInt8], _ name: String) throws {
        let folder = URL(fileURLWithPath: file(name)).deletingLastPathComponent()
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try write(bytes, name)
    }

    func put(_ text: String, _ name: String) throws { try put(Array(text.utf8), name) }

    /// Two classes with some PNG files each.
    func putClasses(_ folder: String, count: Int = 4, height: Int = 4, width: Int = 5, channels: Int = 3) throws {
        for (number, name) in ["ant", "bee"].enumerated() {
            for index in 0..<count {
                let bytes = ImageFixture.png(number * 100 + index, height: height, width: width, channels: channels)
                try put(bytes, "\(folder)/\(name)/\(index).png")
            }
        }
    }
}
