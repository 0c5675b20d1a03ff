import Foundation
import Testing

@testable import Interchange

@Suite("Event files for TensorBoard")
struct EventFileTests {
    /// The test values of RFC 3720, B.4, and the customary one.
    @Test("checksums are Castagnoli's")
    func checksums() {
        #expect(CRC32C.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(CRC32C.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(CRC32C.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(CRC32C.checksum(UInt8(0)..<32) == 0x46DD_794E)
        #expect(CRC32C.checksum([]) == 0)
    }

    @Test("a file holds its version, where a run goes on, and scalars, each record in its frame")
    func records() throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("events-\(UUID().uuidString)").path
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(atPath: folder) }
        do {
            let file = try EventFile(folder: folder, host: "h", time: 1_700_000_000.5, firstStep: 8)
            try file.append([("train/loss", 0.5), ("zero", 0), ("none", .nan)], step: 9, time: 1_700_000_001)
        }
        let name = try #require(FileManager.default.contentsOfDirectory(atPath: folder).first)
        #expect(name.hasPrefix("events.out.tfevents.1700000000.h."))
        var bytes = [UInt8](try #require(FileManager.default.contents(atPath: "\(folder)/\(name)")))[...]
        var events: [TensorBoardEvent] = []
        while !bytes.isEmpty {
            let length = Int(bytes.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
            let record = Array(bytes.dropFirst(12).prefix(length))
            #expect(EventFile.record(record) == Array(bytes.prefix(16 + length)))
            events.append(try TensorBoardEvent(serializedBytes: record))
            bytes = bytes.dropFirst(16 + length)
        }
        #expect(events.count == 3 && events[0].fileVersion == "brain.Event:2" && events[0].wallTime == 1_700_000_000.5)
        #expect(events[1].sessionLog.status == .start && events[1].step == 8)
        #expect(events[2].step == 9 && events[2].summary.value.map(\.tag) == ["train/loss", "zero", "none"])
        #expect(events[2].summary.value[0].simpleValue == 0.5 && events[2].summary.value[1].value == .simpleValue(0))
        #expect(events[2].summary.value[2].simpleValue.isNaN)
    }
}
