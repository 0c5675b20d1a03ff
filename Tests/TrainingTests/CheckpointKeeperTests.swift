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

@Suite("Durable files")
struct DurableFileTests {
    @Test("pieces are written one after the other and replace the file as a whole")
    func writing() throws {
        let scratch = try Scratch()
        for text in ["first, and longer", "second"] {
            try DurableFile.write(text, to: scratch.file("f"))
            #expect(try scratch.text("f") == text)
        }
        let (a, b): ([UInt8], [UInt8]) = ([1, 2], [3])
        try a.withUnsafeBytes { a in
            try b.withUnsafeBytes { b in try DurableFile.write([a, b, a], to: scratch.file("g")) }
        }
        #expect(try scratch.bytes("g") == [1, 2, 3, 1, 2] as [UInt8])
        #expect(scratch.names() == ["f", "g"])
    }

    @Test("what lies under the temporary name is never written to: neither a link's target nor a stale file")
    func temporaryName() throws {
        let scratch = try Scratch()
        let temporary = scratch.file(".f.\(getpid()).tmp")
        try scratch.write([9], "target")
        try FileManager.default.createSymbolicLink(atPath: temporary, withDestinationPath: scratch.file("target"))
        try DurableFile.write("new", to: scratch.file("f"))
        #expect(try scratch.text("f") == "new")
        #expect(try scratch.bytes("target") == [9] as [UInt8])
        #expect(
            try FileManager.default.attributesOfItem(atPath: scratch.file("f"))[.type] as? FileAttributeType
                == .typeRegular)

        try scratch.write([UInt8](repeating: 7, count: 100), ".f.\(getpid()).tmp")
        try DurableFile.write("newer", to: scratch.file("f"))
        #expect(try scratch.text("f") == "newer" && scratch.names() == ["f", "target"])
    }

    @Test("links are replaced in one step, and a folder in the way is an error")
    func links() throws {
        let scratch = try Scratch()
        for name in ["a", "b"] { try DurableFile.write(name, to: scratch.file(name)) }
        for name in ["a", "b", "b"] {
            try DurableFile.link(scratch.file(name), to: scratch.file("hard"))
            try DurableFile.symbolicLink(to: name, at: scratch.file("soft"))
            #expect(try scratch.text("hard") == name && scratch.text("soft") == name)
        }
        try FileManager.default.createDirectory(atPath: scratch.file("d/e"), withIntermediateDirectories: true)
        #expect(throws: Failure.self) { try DurableFile.link(scratch.file("a"), to: scratch.file("d")) }
        #expect(throws: Failure.self) { try DurableFile.symbolicLink(to: "a", at: scratch.file("d")) }
        #expect(throws: Failure.self) { try DurableFile.link(scratch.file("none"), to: scratch.file("x")) }
        #expect(scratch.names() == ["a", "b", "d", "hard", "soft"])
    }
}
