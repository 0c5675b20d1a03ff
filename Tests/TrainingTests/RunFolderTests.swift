import CFileFaults
import Diagnostics
import Files
import Foundation
import TestSupport
import Testing

@testable import Training

@Suite("Run folder")
struct RunFolderTests {
    @Test("a run folder holds what the run was told")
    func recording() throws {
        let scratch = try Scratch()
        let folder = try RunFolder(
            runDirectory: scratch.file("deep/er"), parent: "unused", model: "tiny", mayContinue: false)
        try folder.record(
            configuration: "seed: 1\n", command: ["swift-train", "--set", "a b=it's", ""],
            environment: ["ranks": .integer(2)])
        #expect(
            scratch.names(in: "deep/er") == [
                "checkpoints", "command.txt", "config.yaml", "environment.json", "run.lock",
            ])
        #expect(try scratch.text("deep/er/config.yaml") == "seed: 1\n")
        #expect(try scratch.text("deep/er/command.txt") == "swift-train --set 'a b=it'\\''s' ''\n")
        #expect(folder.checkpointsFolder == scratch.file("deep/er/checkpoints"))
    }

    @Test("a second writer is refused while the first lives, a finished run always")
    func refusals() throws {
        let scratch = try Scratch()
        let path = scratch.file("run")
        func refused(_ words: String) {
            let failure = #expect(throws: Failure.self) {
                try RunFolder(runDirectory: path, parent: "", model: "tiny", mayContinue: false)
            }
            #expect(failure?.code == .cannotCreate, "\(failure?.message ?? "")")
            #expect(failure?.message.hasPrefix(path) == true && failure?.message.contains(words) == true)
        }
        do {
            let folder = try RunFolder(runDirectory: path, parent: "", model: "tiny", mayContinue: false)
            refused("another process is writing this run")
            try folder.record(configuration: "seed: 1\n", command: [], environment: .object([]))
            refused("another process is writing this run")
        }
        refused("holds a run already")
        _ = try RunFolder(runDirectory: path, parent: "", model: "tiny", mayContinue: true)
        try FileManager.default.removeItem(atPath: path + "/config.yaml")
        _ = try RunFolder(runDirectory: path, parent: "", model: "tiny", mayContinue: false)
    }

    @Test("a look at the lock of a run, or several, keeps nobody from starting it")
    func looks() throws {
        let scratch = try Scratch()
        let path = scratch.file("run")
        do { _ = try RunFolder(runDirectory: path, parent: "", model: "tiny", mayContinue: false) }
        let looks = (0..<2).map { _ in open(path + "/run.lock", O_RDONLY) }
        for look in looks { #expect(!FileLock.isHeld(look, path)) }
        let end = Thread {
            usleep(50_000)
            for look in looks { close(look) }
        }
        end.start()
        let folder = try RunFolder(runDirectory: path, parent: "", model: "tiny", mayContinue: false)
        let look = open(path + "/run.lock", O_RDONLY)
        defer { close(look) }
        withExtendedLifetime(folder) { #expect(FileLock.isHeld(look, path)) }
    }

    @Test("a folder that cannot be made is an error")
    func notCreatable() throws {
        let scratch = try Scratch()
        try scratch.write([1], "file")
        for (runDirectory, parent) in [
            (scratch.file("file/run"), ""), (scratch.file("file"), ""), (nil, scratch.file("file")),
        ] {
            let failure = #expect(throws: Failure.self) {
                try RunFolder(runDirectory: runDirectory, parent: parent, model: "tiny", mayContinue: false)
            }
            #expect(failure?.code == .cannotCreate && failure?.message.contains(scratch.file("file")) == true)
        }
        #expect(scratch.names() == ["file"])
    }

    @Test("without a name the folder is called after time and model, and two runs never share one")
    func timestamped() throws {
        let scratch = try Scratch()
        let folders = try (0..<3).map { _ in
            try RunFolder(runDirectory: nil, parent: scratch.file("runs"), model: "tiny", mayContinue: false)
        }
        #expect(Set(folders.map(\.path)).count == 3 && scratch.names(in: "runs").count == 3)
        for name in scratch.names(in: "runs") {
            #expect(name.wholeMatch(of: /\d{8}-\d{6}-tiny(-\d+)?/) != nil, "\(name)")
        }
    }

    @Test("where there are no locks a run goes on and says so", arguments: [ENOLCK, ENOSYS, EOPNOTSUPP])
    func noLocks(number: Int32) throws {
        let scratch = try Scratch()
        CFileFaults_fail(CFileFaults_flock, number)
        defer { CFileFaults_fail(CFileFaults_none, 0) }
        let folder = try RunFolder(runDirectory: scratch.file("run"), parent: "", model: "tiny", mayContinue: true)
        #expect(folder.lockWarning?.contains("no locks") == true)
        try folder.record(configuration: "seed: 1\n", command: [], environment: .object([]))
        #expect(try scratch.text("run/config.yaml") == "seed: 1\n")
    }

    @Test("what is planted in a run folder is refused or replaced, and nothing elsewhere is touched")
    func planted() throws {
        let scratch = try Scratch()
        try Folder.make(scratch.file("elsewhere"))
        try scratch.write(Array("precious".utf8), "elsewhere/step-000000001.h5")
        try scratch.write([1], "elsewhere/.x.1.tmp")
        func plant(_ name: String, _ make: (String) throws -> Void) throws -> String {
            let run = scratch.file(name)
            try Folder.make(run)
            try make(run)
            return run
        }
        func link(_ target: String, _ path: String) throws {
            try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: scratch.file(target))
        }
        for (run, words) in [
            (try plant("a") { try link("elsewhere", $0 + "/checkpoints") }, "checkpoints: is a symbolic link"),
            (
                try plant("b") { try link("elsewhere/step-000000001.h5", $0 + "/run.lock") },
                "run.lock: is a symbolic link"
            ),
            (try plant("c") { #expect(mkfifo($0 + "/run.lock", 0o600) == 0) }, "run.lock: is a named pipe"),
            (try plant("d") { try Folder.make($0 + "/run.lock") }, "run.lock: is a folder"),
            (try plant("e") { try Folder.make($0 + "/checkpoints/best.h5") }, "best.h5: is a folder"),
            (
                try plant("f") { run in
                    for name in ["config.yaml", "checkpoints"] { try Folder.make("\(run)/\(name)") }
                }, "config.yaml: is a folder"
            ),
            (try plant("g") { try DurableFile.write("x", to: $0 + "/checkpoints") }, "checkpoints: is a regular file"),
        ] {
            let failure = #expect(throws: Failure.self) {
                try RunFolder(runDirectory: run, parent: "", model: "tiny", mayContinue: true)
            }
            #expect(failure?.code == .cannotCreate && failure?.message.contains(words) == true, "\(failure as Any)")
        }
        let run = try plant("h") { run in
            try Folder.make(run + "/checkpoints")
            try link("elsewhere/step-000000001.h5", run + "/config.yaml")
            try link("elsewhere/step-000000001.h5", run + "/environment.json")
            #expect(mkfifo(run + "/command.txt", 0o600) == 0)
        }
        // The run folder itself may be a link.
        try link("h", scratch.file("i"))
        let folder = try RunFolder(runDirectory: scratch.file("i"), parent: "", model: "tiny", mayContinue: true)
        try folder.record(configuration: "seed: 1\n", command: ["swift-train"], environment: .object([]))
        for name in ["config.yaml", "command.txt", "environment.json"] {
            #expect(FileKind(of: "\(run)/\(name)", followingLinks: false) == .regular)
        }
        #expect(try scratch.text("elsewhere/step-000000001.h5") == "precious")
        #expect(scratch.names(in: "elsewhere") == [".x.1.tmp", "step-000000001.h5"])
    }
}
