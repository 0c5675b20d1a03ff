import CFileFaults
import Diagnostics
import Files
import Foundation
import TestSupport
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
    @Test("without hard and symbolic links best.h5 and last are files of their own")
    func noLinks() throws {
        let scratch = try Scratch()
        let keeper = CheckpointKeeper(folder: scratch.path, keep: 1)
        for (call, step) in [(CFileFaults_link, 1), (CFileFaults_symlink, 2)] {
            CFileFaults_fail(call, EPERM)
            defer { CFileFaults_fail(CFileFaults_none, 0) }
            _ = try keeper.save(sampleCheckpoint(step: step), isBest: true)
            for name in ["last", "best.h5"] {
                #expect(try CheckpointFile.read(scratch.file(name)).header.step == step)
            }
        }
        #expect(FileKind(of: scratch.file("last"), followingLinks: false) == .regular)
        #expect(scratch.names() == ["best.h5", "last", "step-000000002.h5"])
        _ = try keeper.save(sampleCheckpoint(step: 3), isBest: false)
        #expect(try CheckpointFile.read(scratch.file("best.h5")).header.step == 2)
        #expect(try CheckpointFile.read(scratch.file("last")).header.step == 3)
    }

    @Test("names that no save gives are no checkpoints, and nothing is removed through a link")
    func names() throws {
        let scratch = try Scratch()
        for name in ["step-99999999999999999999.h5", "step-1.h5", "step--00000001.h5", "step-+00000001.h5", "step-.h5"]
        {
            try scratch.write([1], name)
        }
        _ = try CheckpointKeeper(folder: scratch.path, keep: 9).save(sampleCheckpoint(step: 4), isBest: false)
        #expect(try CheckpointKeeper.steps(in: scratch.path) == [4])
        try FileManager.default.createSymbolicLink(
            atPath: scratch.path + "-link", withDestinationPath: scratch.path)
        defer { try? FileManager.default.removeItem(atPath: scratch.path + "-link") }
        _ = try CheckpointKeeper(folder: scratch.path + "-link", keep: 1).save(sampleCheckpoint(step: 5), isBest: false)
        #expect(try CheckpointKeeper.steps(in: scratch.path) == [4, 5])
    }

    @Test("best weights that could not be saved are saved before the next ones, or the run has not ended well")
    func unsavedBest() throws {
        let scratch = try Scratch()
        for isMended in [true, false] {
            let folder = scratch.file("\(isMended)")
            try Folder.make(folder + "/best.h5/inside")
            let state = try TinyModel.state(seed: 1)
            let saver = CheckpointSaver(keeper: CheckpointKeeper(folder: folder, keep: 1), state: state)
            let metrics = try MetricsLog(path: folder + "/metrics.jsonl", keeping: 0)
            func save(_ step: Int, isBest: Bool) throws -> Bool {
                _ = try saver.start(
                    sampleCheckpoint(step: step).header, state: state, isBest: isBest, metrics: metrics)
                let result = try #require(saver.takeResult(waiting: true))
                return (try? result.outcome.get()) != nil
            }
            #expect(try !save(1, isBest: true))
            #expect(throws: Failure.self) { try saver.requireBest() }
            if isMended { try FileManager.default.removeItem(atPath: folder + "/best.h5") }
            #expect(try save(2, isBest: false))
            if isMended {
                try saver.requireBest()
                #expect(try CheckpointFile.read(folder + "/best.h5").header.step == 1)
                #expect(try CheckpointFile.read(folder + "/last").header.step == 2)
            } else {
                let failure = #expect(throws: Failure.self) { try saver.requireBest() }
                #expect(failure?.code == .inputOutput && failure?.message.contains("best.h5") == true)
            }
        }
    }
}
