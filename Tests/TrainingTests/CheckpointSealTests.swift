import Diagnostics
import TestSupport
import Testing

@testable import Training

@Suite("Checkpoint seal")
struct CheckpointSealTests {
    private func bytes() throws -> [UInt8] {
        let scratch = try Scratch()
        try CheckpointFile.write(sampleCheckpoint(), to: scratch.file("c.h5"))
        return try scratch.bytes("c.h5")
    }

    private func refusal(_ bytes: [UInt8], _ scratch: Scratch) throws -> Failure? {
        try scratch.write(bytes, "x.h5")
        do {
            _ = try CheckpointFile.read(scratch.file("x.h5"))
            return nil
        } catch let failure as Failure {
            return failure
        }
    }

    @Test("a file that lost its end is refused, however much is left")
    func truncation() throws {
        let scratch = try Scratch()
        let bytes = try bytes()
        #expect(try refusal(bytes, scratch) == nil)
        let ends =
            Array(0...130) + (1...130).map { bytes.count - $0 } + stride(from: 131, to: bytes.count - 131, by: 997)
        for end in ends { #expect(try refusal(Array(bytes[..<end]), scratch)?.code == .badData, "\(end) bytes left") }
    }

    @Test("bytes behind the seal, and an image with a piece cut out of its middle, are refused")
    func shifted() throws {
        let scratch = try Scratch()
        let bytes = try bytes()
        #expect(try refusal(bytes + [0], scratch)?.code == .badData)
        #expect(try refusal(bytes + bytes, scratch)?.code == .badData)
        #expect(try refusal([0] + bytes, scratch)?.code == .badData)
        #expect(try refusal(Array(bytes[..<1000] + bytes[1001...]), scratch)?.code == .badData)
        #expect(try refusal([UInt8](repeating: 0, count: bytes.count), scratch)?.code == .badData)
    }

    @Test("a single flipped bit anywhere is found before libhdf5 sees the file")
    func flippedBits() throws {
        let scratch = try Scratch()
        var bytes = try bytes()
        let image = (bytes.count - CheckpointSeal.byteCount) * 8
        // All bits of the seal, and 1,500 of the image, spread by a step that shares no factor with its length.
        let places = Array(image..<bytes.count * 8) + (0..<1500).map { $0 * 104_729 % image }
        for place in places {
            bytes[place / 8] ^= 1 << UInt8(place % 8)
            #expect(try refusal(bytes, scratch)?.code == .badData, "bit \(place)")
            bytes[place / 8] ^= 1 << UInt8(place % 8)
        }
        #expect(try refusal(bytes, scratch) == nil)
    }

    @Test("a sealed image that is no HDF5 is refused without a crash")
    func sealedNonsense() throws {
        let scratch = try Scratch()
        for image in [
            [UInt8](repeating: 1, count: 1), Array("\u{89}HDF\r\n\u{1a}\n".utf8), [UInt8](repeating: 0, count: 9000),
        ] {
            let seal = image.withUnsafeBytes { CheckpointSeal.seal(for: $0) }
            #expect(try refusal(image + seal, scratch)?.code == .badData)
        }
    }
}
