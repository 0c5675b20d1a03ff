import Diagnostics
import Files
import Foundation
import Layers
import Tensors
import TestSupport
import Testing

@testable import Training

/// A small checkpoint with something in every field that has a size of its own.
private func smallCheckpoint(step: Int = 7) throws -> Checkpoint {
    var description = ModelDescription(name: "tiny", input: [1, 2, 3], classes: 2)
    description.append("flatten", Flatten())
    description.append("fc", Linear(outputs: 2))
    let state = ModelState(parameterList: try Network(description).parameterList, optimizerVectors: ["momentum"])
    state.initialize(seed: 3)
    for index in state.velocities.indices { state.velocities[index] = Float(index) / 8 }
    var header = Checkpoint.Header()
    header.model = "tiny"
    header.input = [1, 2, 3]
    header.classes = ["no", "yes"]
    header.inputMean = [0.5]
    header.inputStd = [0.25]
    (header.epoch, header.batchSize, header.shards) = (1, 4, 2)
    header.step = step
    header.configuration = "model: tiny\n"
    let evaluation = Evaluation(epoch: 1, step: step, loss: 0.5, accuracy1: 0.25, accuracy5: 1)
    header.evaluations = [evaluation]
    header.best = evaluation
    return Checkpoint(header: header, state: state)
}

private func refusal(of bytes: UnsafeRawBufferPointer) -> Failure? {
    do {
        _ = try CheckpointFile.parse(sealed: bytes, path: "c.h5")
        return nil
    } catch {
        return error as? Failure ?? Failure(.internalError, "\(error)")
    }
}

@Suite struct CheckpointDamageTests {
    private let scratch: Scratch
    private let bytes: [UInt8]

    init() throws {
        scratch = try Scratch()
        try CheckpointFile.write(try smallCheckpoint(), to: scratch.file("c.h5"))
        bytes = try scratch.bytes("c.h5")
    }

    @Test("a checkpoint that nothing happened to is read back as it was")
    func whole() throws {
        let (found, expected) = (try CheckpointFile.read(scratch.file("c.h5")), try smallCheckpoint())
        #expect(found.header == expected.header)
        #expect(found.weights == expected.weights)
        #expect(found.optimizer.map(\.tensors) == expected.optimizer.map(\.tensors))
    }

    @Test("every length that is too short is refused as bad data")
    func truncation() {
        let wrong = bytes.withUnsafeBytes { bytes in
            (0..<bytes.count).filter { refusal(of: UnsafeRawBufferPointer(rebasing: bytes[..<$0]))?.code != .badData }
        }
        #expect(wrong == [])
    }

    @Test("one flipped bit in any byte is refused as bad data")
    func flippedBits() {
        var copy = bytes
        let wrong = copy.withUnsafeMutableBytes { bytes in
            bytes.indices.filter { place in
                let bit: UInt8 = 1 << UInt8(place * 5 % 8)
                bytes[place] ^= bit
                defer { bytes[place] ^= bit }
                return refusal(of: UnsafeRawBufferPointer(bytes))?.code != .badData
            }
        }
        #expect(wrong == [])
    }

    @Test("bytes behind the seal, and a seal behind another image, are refused")
    func foreignBytes() throws {
        try CheckpointFile.write(try smallCheckpoint(step: 8), to: scratch.file("d.h5"))
        let other = try scratch.bytes("d.h5")
        for mixture in [
            bytes + [0], [0] + bytes, Array(bytes.dropLast(64)) + other.suffix(64), Array(bytes.suffix(64)),
        ] {
            #expect(mixture.withUnsafeBytes(refusal)?.code == .badData)
        }
    }
}

@Suite struct CheckpointKeeperTests {
    private let scratch: Scratch

    init() throws { scratch = try Scratch() }

    private func save(_ step: Int, keep: Int = 2, isBest: Bool = false) throws -> String {
        try CheckpointKeeper(folder: scratch.path, keep: keep).save(try smallCheckpoint(step: step), isBest: isBest)
    }

    @Test("the newest K, the best and last remain, and no temporary file")
    func keeping() throws {
        for step in 1...4 { _ = try save(step, isBest: step == 1) }
        #expect(scratch.names() == ["best.h5", "last", "step-000000003.h5", "step-000000004.h5"])
        #expect(try CheckpointFile.read(scratch.file("best.h5")).header.step == 1)
        #expect(try FileManager.default.destinationOfSymbolicLink(atPath: scratch.file("last")) == "step-000000004.h5")
    }

    @Test("going on after a kill between a checkpoint and its links renews both links")
    func adoption() throws {
        _ = try save(3, isBest: true)
        let newest = scratch.file("step-000000004.h5")
        try CheckpointFile.write(try smallCheckpoint(step: 4), to: newest)
        try CheckpointKeeper(folder: scratch.path, keep: 2).adopt(newest, try CheckpointFile.read(newest).header)
        #expect(try CheckpointFile.read(scratch.file("last")).header.step == 4)
        #expect(try CheckpointFile.read(scratch.file("best.h5")).header.step == 4)
        // Once more, when nothing is left to renew.
        try CheckpointKeeper(folder: scratch.path, keep: 2).adopt(newest, try CheckpointFile.read(newest).header)
        #expect(scratch.names() == ["best.h5", "last", "step-000000003.h5", "step-000000004.h5"])
    }

    @Test("going on from best.h5, whose other name is gone, gives it that name again")
    func adoptionOfBest() throws {
        _ = try save(3, isBest: true)
        try FileManager.default.removeItem(atPath: scratch.file("step-000000003.h5"))
        let best = scratch.file("best.h5")
        try CheckpointKeeper(folder: scratch.path, keep: 2).adopt(best, try CheckpointFile.read(best).header)
        #expect(scratch.names() == ["best.h5", "last", "step-000000003.h5"])
        #expect(try CheckpointFile.read(scratch.file("last")).header.step == 3)
    }

    @Test("half-written files of killed processes are removed, other files stay")
    func leftovers() throws {
        for name in [".step-000000004.h5.17.tmp", ".last.17.tmp", "notes.tmp", ".hidden"] {
            try scratch.write([1], name)
        }
        try Folder(scratch.path).removeTemporaries()
        #expect(scratch.names() == [".hidden", "notes.tmp"])
    }
}
