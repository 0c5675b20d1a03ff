import Diagnostics
import Testing

@testable import Training

@Suite("Words for people")
struct WordsTests {
    @Test(
        "the nearest word is the one that a slip of the hand leads from",
        arguments: [
            ("trian", "train"), ("evalute", "evaluate"), ("eval", "evaluate"), ("Inspect", "inspect"),
            ("benhc", "bench"),
            ("ResNet18", "resnet18"), ("resnet-18", "resnet18"), ("resnet_18", "resnet18"), ("resnet19", "resnet18"),
            ("convert2", "convert"),
        ])
    func nearest(word: String, expected: String) {
        let known = ["train", "evaluate", "convert", "inspect", "summary", "bench", "resnet18", "resnet34"]
        #expect(Suggestion.nearest(to: word, in: known) == expected)
    }

    @Test(
        "what is no slip suggests nothing",
        arguments: ["", "x", "lr", "predict", "zzz", "-", "a very long text of words"])
    func nothingNear(word: String) {
        #expect(Suggestion.nearest(to: word, in: ["train", "evaluate", "convert", "log"]) == nil)
    }

    @Test("a file is told by its first bytes, and text by its name")
    func glances() {
        func glance(_ head: [UInt8], _ name: String = "f") -> FileGlance { FileGlance(head: head, name: name) }
        func zip(_ member: String) -> [UInt8] {
            [0x50, 0x4B, 3, 4] + [UInt8](repeating: 0, count: 22) + [UInt8(member.utf8.count), 0, 0, 0]
                + Array(member.utf8)
        }
        let signature: [UInt8] = [0x89, 0x48, 0x44, 0x46, 0x0D, 0x0A, 0x1A, 0x0A]
        #expect(glance([]) == .empty && glance(signature) == .hdf5)
        #expect(glance([UInt8](repeating: 0, count: 512) + signature) == .hdf5)
        #expect(glance(zip("a.npy")) == .numpyArchive && glance(zip("resnet18/data.pkl")) == .pytorch)
        #expect(glance(zip("a.txt")) == .zip && glance([0x50, 0x4B, 3, 4]) == .zip)
        #expect(glance([0x1F, 0x8B, 8]) == .gzip && glance([0, 0, 8, 3]) == .idx && glance([0, 0, 8]) == .unknown)
        #expect(glance([0xFF, 0xD8, 0xFF, 0xE0]) == .picture && glance(Array("BM, so it begins".utf8)) == .text)
        #expect(glance([0x80, 2, 0x8A]) == .pickle && glance([0x93] + Array("NUMPY".utf8)) == .numpyArray)
        #expect(glance([200, 0, 0, 0, 0, 0, 0, 0] + Array("{\"a\"".utf8)) == .safetensors)
        #expect(glance(Array("a: 1".utf8), "c.yaml") == .yaml && glance(Array("1,2".utf8), "c.CSV") == .csv)
        #expect(glance(Array("1,2".utf8)) == .text && glance([0, 1, 2]) == .unknown)
        // A head that ends within a character.
        #expect(glance(Array("über".utf8).dropLast(3) + [0xC3]) == .text)
    }

    @Test("the command that goes on with a run can be pasted into a shell")
    func continuation() {
        func words(_ folder: String, threads: Int? = nil, ranks: Int, _ parent: [String] = [], launcher: String? = nil)
            -> String
        {
            RunCommand.continuation(
                folder: folder, threads: threads, ranks: ranks,
                environment: launcher.map { [RunCommand.launcherVariable: $0] } ?? [:], parentWords: { parent })
        }
        let own = CommandLine.arguments[0]
        #expect(words("my runs/a'b", threads: 2, ranks: 1).hasSuffix(" --run-dir 'my runs/a'\\''b' --threads 2"))
        #expect(words("r", ranks: 2, ["bash"]).hasSuffix(" --run-dir r, started by the same launcher"))
        let parent = ["/usr/bin/mpirun", "-np", "2", "--x", "a b", own, "--data", "d.h5"]
        #expect(words("r", ranks: 2, parent).hasPrefix("/usr/bin/mpirun -np 2 --x 'a b' "))
        #expect(words("r", ranks: 2, parent).hasSuffix(" --run-dir r"))
        // Several programs make no one command.
        #expect(words("r", ranks: 2, parent + [":", "-np", "2", own]).hasSuffix("by the same launcher"))
        #expect(
            words("r", threads: 1, ranks: 2, parent, launcher: "launch/local -n 2 --")
                == "launch/local -n 2 -- --run-dir r --threads 1")
    }
}
