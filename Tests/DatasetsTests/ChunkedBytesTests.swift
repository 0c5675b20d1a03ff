import Diagnostics
import Foundation
import HDF5
import TestSupport
import Testing

@testable import Datasets

/// Files of h5py (Generator/make_chunked_golden.py) and what their bytes must be.
private enum Golden {
    static let names = ["chunked-tiles", "chunked-rows", "chunked-plain", "chunked-floats", "chunked-sparse"]
    static let imageElements = 5 * 6 * 2

    static func path(_ name: String) throws -> String {
        try #require(Bundle.module.url(forResource: "Golden/\(name)", withExtension: "h5")).path
    }

    static func bytes(_ name: String) -> [UInt8] {
        let count = 10 * imageElements
        switch name {
        case "chunked-floats":
            return (0..<count).flatMap { place in withUnsafeBytes(of: Float(place) / 1024) { Array($0) } }
        case "chunked-sparse": return (0..<count).map { $0 < 4 * imageElements ? UInt8($0 * 37 % 251) : 7 }
        default: return (0..<count).map { UInt8($0 * 37 % 251) }
        }
    }

    static func storage(_ name: String) throws -> ChunkedBytes {
        let split = try DatasetFile(path: path(name)).split("train")
        return try #require(split.storage as? ChunkedBytes)
    }
}

@Suite("Chunked bytes")
struct ChunkedBytesTests {
    @Test(
        "what h5py stores in chunks comes out as it went in, image by image, in pieces and all at once",
        arguments: Golden.names)
    func equalsLibrary(name: String) throws {
        let expected = Golden.bytes(name)
        let split = try DatasetFile(path: Golden.path(name)).split("train")
        #expect(split.storage is ChunkedBytes && pixels(of: split) == expected)
        var pieces: [UInt8] = []
        try split.storage.forEachPiece { pieces += Array($0) }
        #expect(pieces == expected)
        for threads in [1, 3] {
            let memory = try DatasetFile(path: Golden.path(name), chunks: .inMemory(threads: threads)).split("train")
            #expect(!(memory.storage is ChunkedBytes) && pixels(of: memory) == expected)
        }
        // The library itself agrees.
        let file = try HDF5File.open(Golden.path(name))
        let images = try file.dataset("/train/images")
        if name == "chunked-floats" {
            #expect(
                try images.readAll(as: Float.self).flatMap { value in withUnsafeBytes(of: value) { Array($0) } }
                    == expected)
        } else {
            #expect(try images.readAll(as: UInt8.self) == expected)
        }
    }

    @Test("any range of bytes, across units too")
    func ranges() throws {
        for name in Golden.names {
            let (storage, expected) = (try Golden.storage(name), Golden.bytes(name))
            for (start, end) in [(0, 1), (0, expected.count), (59, 61), (expected.count / 3, expected.count - 1)] {
                var bytes = [UInt8](repeating: 0, count: end - start)
                try bytes.withUnsafeMutableBytes { try storage.copy(start..<end, to: $0.baseAddress!) }
                #expect(bytes == Array(expected[start..<end]), "\(name) \(start)..<\(end)")
            }
        }
    }

    @Test("threads that want the same units at once all get them, whatever is kept")
    func threads() async throws {
        for kept in [0, 200, 100_000] {
            let (storage, expected) = (try Golden.storage("chunked-tiles"), Golden.bytes("chunked-tiles"))
            storage.keep(bytes: kept)
            let results = await withTaskGroup(of: Bool.self) { group in
                for reader in 0..<4 {
                    group.addTask {
                        (0..<200).allSatisfy { turn in
                            let image = (turn * (reader + 1) * 7 + reader) % 10
                            var bytes = [UInt8](repeating: 0, count: 60)
                            storage.prepare(image * 60..<image * 60 + 60)
                            let isRead = bytes.withUnsafeMutableBytes {
                                (try? storage.copy(image * 60..<(image + 1) * 60, to: $0.baseAddress!)) != nil
                            }
                            return isRead && bytes == Array(expected[image * 60..<(image + 1) * 60])
                        }
                    }
                }
                return await group.reduce(into: []) { $0.append($1) }
            }
            #expect(results.allSatisfy { $0 })
        }
    }

    @Test("a byte that is wrong in a chunk is found, and named by image and place")
    func damage() throws {
        for (name, reasons) in [
            ("chunked-tiles", ["Fletcher32"]), ("chunked-plain", ["Fletcher32"]),
            ("chunked-rows", ["gzip", "unpacks to", "holds"]),
        ] {
            let scratch = try Scratch()
            let bytes = try Array(Data(contentsOf: URL(fileURLWithPath: Golden.path(name))))
            let table = try #require(try HDF5File.open(Golden.path(name)).dataset("/train/images").chunkTable())
            let chunk = try #require(table.chunks.last)
            let offset = try #require(chunk.offset)
            var damaged = bytes
            damaged[offset + chunk.byteCount / 2] ^= 0x55
            damaged[offset + 3] ^= 0xFF
            try scratch.write(damaged, "d.h5")
            let failure = #expect(throws: Failure.self, "\(name)") {
                try DatasetFile(path: scratch.file("d.h5")).split("train").storage.forEachPiece { _ in }
            }
            let message = failure?.message ?? ""
            #expect(failure?.code == .badData && message.contains("at byte \(offset)"))
            #expect(
                message.contains("/train/images: the chunk of image") && reasons.contains { message.contains($0) },
                "\(message)")
        }
    }

    @Test("a file that changes while it is read is noticed")
    func change() throws {
        let scratch = try Scratch()
        try scratch.write(Array(Data(contentsOf: URL(fileURLWithPath: Golden.path("chunked-rows")))), "d.h5")
        let split = try DatasetFile(path: scratch.file("d.h5")).split("train")
        try split.confirm()
        let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: scratch.file("d.h5")))
        try handle.truncate(atOffset: 100)
        try handle.close()
        let failure = #expect(throws: Failure.self) {
            _ = try split.storage.copy(0..<600, to: .allocate(byteCount: 600, alignment: 8))
        }
        #expect(failure?.code == .inputOutput && failure?.message.contains("it has 100 bytes") == true)
        #expect(throws: Failure.self) { try split.confirm() }
    }

    @Test("units are whole rows of chunks, and blocks of samples are cut between them")
    func blocks() throws {
        let rows = try DatasetFile(path: Golden.path("chunked-tiles")).split("train")
        #expect(rows.blocks(ofAtLeast: 1) == [0, 3, 6, 9] && rows.blocks(ofAtLeast: 4) == [0, 6])
        #expect(try DatasetFile(path: Golden.path("chunked-plain")).split("train").blocks(ofAtLeast: 3) == [0])
    }

    @Test("Fletcher's checksum of even and odd runs equals that of the definition")
    func fletcher() {
        for count in [0, 1, 2, 3, 719, 720, 721, 5_000] {
            let bytes = (0..<count).map { UInt8(truncatingIfNeeded: $0 * 151 + 255) }
            var (first, second): (UInt64, UInt64) = (0, 0)
            for start in stride(from: 0, to: count, by: 2) {
                first = (first + UInt64(bytes[start]) << 8 + (start + 1 < count ? UInt64(bytes[start + 1]) : 0))
                second += first
            }
            // Zero is written as 65535 unless everything is zero.
            func folded(_ sum: UInt64) -> UInt32 { sum == 0 ? 0 : UInt32((sum - 1) % 65_535 + 1) }
            let found = bytes.withUnsafeBytes { ChunkFilters.fletcher32($0) }
            #expect(found == folded(second) << 16 | folded(first), "\(count) bytes")
        }
    }
}
