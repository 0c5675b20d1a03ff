import Diagnostics
import Foundation
import Testing

@testable import Training

@Suite("Checkpoints folder")
struct CheckpointFolderTests {
    @Test("the newest K stay, the best one survives them, and last points to the newest")
    func rotation() throws {
        let scratch = try Scratch()
        let keeper = CheckpointKeeper(folder: scratch.path, keep: 2)
        for (step, isBest) in [(5, true), (10, true), (15, false), (20, false), (1_234_567_890, false)] {
            let path = try keeper.save(sampleCheckpoint(step: step), isBest: isBest)
            #expect(path == scratch.file(scratch.names().filter { $0.hasPrefix("step-") }.last ?? ""))
            #expect(try CheckpointFile.read(scratch.file("last")).header.step == step)
        }
        #expect(scratch.names() == ["best.h5", "last", "step-000000020.h5", "step-1234567890.h5"])
        #expect(try CheckpointKeeper.steps(in: scratch.path) == [20, 1_234_567_890])
        #expect(try CheckpointFile.read(scratch.file("best.h5")).header.step == 10)
        let target = try FileManager.default.destinationOfSymbolicLink(atPath: scratch.file("last"))
        #expect(target == "step-1234567890.h5")
    }

    @Test("keeping one leaves the newest alone")
    func keepOne() throws {
        let scratch = try Scratch()
        let keeper = CheckpointKeeper(folder: scratch.path, keep: 1)
        for step in 1...3 { _ = try keeper.save(sampleCheckpoint(step: step), isBest: false) }
        #expect(scratch.names() == ["last", "step-000000003.h5"])
    }

    @Test("saving a step again replaces its file")
    func again() throws {
        let scratch = try Scratch()
        let keeper = CheckpointKeeper(folder: scratch.path, keep: 3)
        for seed in [UInt64(1), 2] { _ = try keeper.save(sampleCheckpoint(seed: seed), isBest: true) }
        #expect(scratch.names() == ["best.h5", "last", "step-000000012.h5"])
        let expected = try sampleCheckpoint(seed: 2).weightsDigest()
        for name in ["last", "best.h5"] {
            #expect(try CheckpointFile.read(scratch.file(name)).weightsDigest() == expected)
        }
    }

    /// Obstacles that also stop root, whom permissions do not: a folder where a file must go, and no folder at all.
    @Test(
        "a save that fails leaves the older files and no temporary one",
        arguments: ["step-000000002.h5", "last", "best.h5"])
    func failure(obstacle: String) throws {
        let scratch = try Scratch()
        let keeper = CheckpointKeeper(folder: scratch.path, keep: 1)
        _ = try keeper.save(sampleCheckpoint(step: 1), isBest: false)
        try? FileManager.default.removeItem(atPath: scratch.file(obstacle))
        try FileManager.default.createDirectory(
            atPath: scratch.file(obstacle + "/inside"), withIntermediateDirectories: true)
        let failure = #expect(throws: Failure.self) { try keeper.save(sampleCheckpoint(step: 2), isBest: true) }
        #expect(
            failure?.code == .inputOutput && failure?.message.contains(obstacle) == true, "\(failure?.message ?? "")")
        #expect(try CheckpointFile.read(scratch.file("step-000000001.h5")).header.step == 1)
        #expect(scratch.names().allSatisfy { !$0.contains("tmp") }, "\(scratch.names())")
    }

    @Test("a folder that is gone is an error that names the file")
    func missingFolder() throws {
        let scratch = try Scratch()
        let keeper = CheckpointKeeper(folder: scratch.file("none"), keep: 1)
        let failure = #expect(throws: Failure.self) { try keeper.save(sampleCheckpoint(), isBest: false) }
        #expect(failure?.code == .cannotCreate && failure?.message.contains("step-000000012.h5") == true)
        #expect(scratch.names().isEmpty)
    }
}
