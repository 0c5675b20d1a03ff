import Foundation
import Testing

@Suite("swift-train convert")
struct ConvertCommandTests {
    @Test("a table of pixels becomes a dataset; the last lines count classes and name the next command")
    func table() throws {
        let workshop = try Workshop()
        let lines = (0..<20).map { index in
            let pixels = (0..<16).map { String(($0 * 7 + index * 13) % 256) }
            return ([index % 2 == 0 ? "cat" : "dog"] + pixels).joined(separator: ",")
        }
        try workshop.write(lines.joined(separator: "\n") + "\n", "pets.csv")
        let outcome = try workshop.run(
            "convert", "csv", "pets.csv", "--test", "20%", "--output", "p.h5", "--threads", "2")
        #expect(outcome.code == 0 && outcome.errors.isEmpty, "\(outcome.errors)")
        #expect(outcome.output.hasPrefix("p.h5: train 16, test 4 images, 2 classes, digest "))
        #expect(outcome.output.contains("train: cat 8, dog 8") && outcome.output.contains("test: cat 2, dog 2"))
        #expect(outcome.output.hasSuffix("next: swift-train inspect p.h5\n"))
        #expect(workshop.names == ["p.h5", "pets.csv"])
        #expect(try workshop.run("inspect", "p.h5", "--verify").code == 0)
    }

    @Test("images of several sizes are an error whose commands can be run as they stand, and nothing is left")
    func sizes() throws {
        let workshop = try Workshop()
        for (name, width) in [("a", "28"), ("b", "32")] {
            let folder = "\(workshop.path)/in/\(name)"
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try png(side: UInt8(width) ?? 0).write(to: URL(fileURLWithPath: "\(folder)/x.png"))
        }
        let outcome = try workshop.run("convert", "folder", "in", "--output", "p.h5")
        #expect(outcome.code == 65)
        let command = try #require(outcome.errorLines.first { $0.contains("--fit pad") })
        #expect(workshop.names.allSatisfy { !$0.hasPrefix("p.h5") })
        let words = command.prefix { $0 != "#" }.split(separator: " ").dropFirst().map(String.init)
        #expect(try workshop.run(words).code == 0)
    }

    /// A black gray PNG in stored blocks.
    private func png(side: UInt8) -> Data {
        func big(_ value: Int) -> [UInt8] { [24, 16, 8, 0].map { UInt8(truncatingIfNeeded: value >> $0) } }
        func crc(_ bytes: [UInt8]) -> Int {
            var crc = ~UInt32(0)
            for byte in bytes {
                crc ^= UInt32(byte)
                for _ in 0..<8 {
                    let isOdd = crc & 1 == 1
                    crc >>= 1
                    if isOdd { crc ^= 0xEDB8_8320 }
                }
            }
            return Int(~crc)
        }
        func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
            let body = Array(name.utf8) + data
            return big(data.count) + body + big(crc(body))
        }
        let count = Int(side) * (Int(side) + 1)
        let size = [UInt8(count & 255), UInt8(count >> 8)]
        // Adler-32 of zeros: 1 below, their number above.
        var stored: [UInt8] = [0x78, 1, 1]
        stored += size
        stored += size.map { ~$0 }
        stored += [UInt8](repeating: 0, count: count)
        stored += big(count << 16 | 1)
        var header = big(Int(side)) + big(Int(side))
        header += [8, 0, 0, 0, 0]
        var file: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10]
        for (name, data) in [("IHDR", header), ("IDAT", stored), ("IEND", [])] { file += chunk(name, data) }
        return Data(file)
    }
}
