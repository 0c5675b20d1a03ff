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

    @Test("numbers have thousands separators, few digits and no negative nan")
    func numbers() {
        #expect(
            [0, 999, 1_000, 1_234_567, -1_000].map(NumberText.grouped) == ["0", "999", "1,000", "1,234,567", "-1,000"])
        #expect(NumberText.grouped(.min) == "-9,223,372,036,854,775,808")
        #expect(NumberText.megabytes(1_234_560_000) == "1,234.6 MB" && NumberText.megabytes(0) == "0.0 MB")
        #expect(NumberText.megabytes(.max) == "9,223,372,036,854.8 MB")
        #expect(NumberText.significant(0.00017943365943242335) == "0.0001794" && NumberText.significant(0.02) == "0.02")
        for nan in [Double.nan, -Double.nan] {
            #expect(
                [NumberText.plain(nan), NumberText.decimal(nan, 2), NumberText.significant(nan)] == [
                    "nan", "nan", "nan",
                ])
        }
        #expect(NumberText.decimal(-.infinity, 1) == "-inf")
        #expect(
            [0, 59.6, 725, 10_931, 356_400].map(NumberText.duration) == [
                "0:00", "1:00", "12:05", "3:02:11", "4 d 03 h",
            ])
        #expect([-1, .nan, .infinity, 1e300].map(NumberText.duration) == ["?", "?", "?", "?"])
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

    @Test("the bar is narrower than any terminal, keeps what matters most, and uses the room it has")
    func bar() {
        let notes = [
            "loss 0.2143", "acc1 0.9333", "59813 images/s", "lr 0.0001794", "data wait 0.1 %", "communication 12.0 %",
        ]
        let state = ProgressBar.State(
            epoch: 12, epochs: 100, done: 937, total: 1875, secondsLeft: 4_211, notes: notes)
        var last = 0
        for columns in 20...250 {
            let line = ProgressBar.line(state, columns: columns)
            #expect(line.count < columns && line.hasPrefix("epoch 12/100"), "\(columns): \(line)")
            let shown = (["1:10:11 left"] + notes).filter(line.contains).count
            #expect(shown >= last, "a wider terminal shows no less: \(columns)")
            last = shown
        }
        #expect(last == notes.count + 1)
        #expect(ProgressBar.line(state, columns: 60) == "epoch 12/100 [###.....] 937/1875  loss 0.2143  1:10:11 left")
        #expect(ProgressBar.line(state, columns: 30) == "epoch 12/100 937/1875")
        for columns in [-1, 0, 1, 2] { #expect(ProgressBar.line(state, columns: columns).count <= max(0, columns - 1)) }
    }

    @Test("the command that goes on with a run can be pasted into a shell")
    func continuation() {
        let words = RunRecorder.continuation(folder: "my runs/a'b", threads: 2, ranks: 1)
        #expect(words.hasSuffix(" --run-dir 'my runs/a'\\''b' --threads 2"), "\(words)")
        #expect(
            RunRecorder.continuation(folder: "r", threads: nil, ranks: 2).hasSuffix(
                "--run-dir r, started by the same launcher"))
    }
}
