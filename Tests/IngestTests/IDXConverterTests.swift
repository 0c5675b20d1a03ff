import Datasets
import Diagnostics
import Foundation
import HDF5
import TestSupport
import Testing

@testable import Ingest

@Suite("Conversion of IDX files")
struct IDXConverterTests {
    @Test("pixels, labels, counts and statistics arrive; sources are named without their folder")
    func conversion() throws {
        let scratch = try Scratch()
        let fixture = IDXFixture()
        try fixture.write(to: scratch)
        let report = try IDXConverter.convert(folder: scratch.path, to: scratch.file("d.h5"))
        let file = try DatasetFile(path: scratch.file("d.h5"))
        #expect(report.digest == file.digest)
        #expect(file.classes == (0..<10).map(String.init))
        let train = try file.split("train")
        let expected = Array(try #require(fixture.files[IDXFixture.trainImages])[16...])
        #expect(pixels(of: train) == expected)
        #expect(train.labels == [0, 1, 2, 9, 4, 5])
        #expect(try file.split("test").labels == [7, 8])
        let values = expected.map { Double($0) / 255 }
        let mean = values.reduce(0, +) / Double(values.count)
        let deviation = (values.map { ($0 - mean) * ($0 - mean) }.reduce(0, +) / Double(values.count)).squareRoot()
        // float32 of a float64 sum.
        #expect(abs(Double(train.mean[0]) - mean) < 1e-7 && abs(Double(train.std[0]) - deviation) < 1e-7)
        #expect(try file.split("test").mean == train.mean)
        let sources = try #require(try file.text("sources"))
        #expect(sources.contains("\"name\": \"train-images-idx3-ubyte\", \"bytes\": 52, \"sha256\": \""))
        for name in ["sources", "command", "preprocessing"] {
            #expect(try #require(try file.text(name)).contains(scratch.path) == false)
        }
        let raw = try HDF5File.open(scratch.file("d.h5"))
        #expect(try raw.attribute("counts", on: "/train/images") == .integers([1, 1, 1, 0, 1, 1, 0, 0, 0, 1]))
        #expect(try raw.attribute("layout", on: "/train/images") == .string("NHWC"))
        #expect(try raw.attribute("color", on: "/train/images") == .string("GRAY"))
        #expect(try raw.attribute("sha256", on: "/train/images") == .string(file.computeImageDigest("train")))
    }

    @Test("converting twice gives equal bytes, and nothing but the output appears")
    func determinism() throws {
        let scratch = try Scratch()
        try IDXFixture().write(to: scratch)
        let before = scratch.names()
        for name in ["a.h5", "b.h5"] { try IDXConverter.convert(folder: scratch.path, to: scratch.file(name)) }
        #expect(try scratch.bytes("a.h5") == scratch.bytes("b.h5"))
        #expect(scratch.names() == (before + ["a.h5", "b.h5"]).sorted())
    }

    @Test("gzip, also in two members, and compressed output hold the same data")
    func compression() throws {
        let plain = try Scratch()
        var fixture = IDXFixture()
        try fixture.write(to: plain)
        let report = try IDXConverter.convert(folder: plain.path, to: plain.file("d.h5"))
        let packed = try Scratch()
        for (name, bytes) in fixture.files {
            let half = bytes.count / 2
            fixture.files[name] = nil
            fixture.files[name + ".gz"] =
                IDXFixture.gzip(Array(bytes[..<half])) + IDXFixture.gzip(Array(bytes[half...]))
        }
        try fixture.write(to: packed)
        let options = ConversionOptions(gzipLevel: 9, checksum: true)
        let again = try IDXConverter.convert(folder: packed.path, to: packed.file("d.h5"), options: options)
        #expect(report.digest == again.digest)
        let raw = try HDF5File.open(packed.file("d.h5")).dataset("/train/images")
        #expect(raw.filters == ["gzip 9", "fletcher32"])
    }

    /// What is wrong, the change, the exit code, and words the message must have.
    private static let badInputs: [(String, @Sendable (inout IDXFixture) -> Void, ExitCode, [String])] = [
        (
            "missing file", { $0.files[IDXFixture.trainLabels] = nil }, .inputMissing,
            ["train-labels-idx1-ubyte", "no such"]
        ),
        (
            "no IDX at all", { $0.files[IDXFixture.trainImages] = Array("hello world, hello".utf8) }, .badData,
            ["byte 0", "magic number 0x68656c6c", "expected 0x00000803", "not an IDX"]
        ),
        (
            "swapped",
            {
                $0.files[IDXFixture.trainImages] = IDXFixture.labels([1, 2])
                $0.files[IDXFixture.trainLabels] = IDXFixture.images(count: 1, height: 1, width: 1)
            }, .badData, ["magic number 0x00000801", "expected 0x00000803", "swapped"]
        ),
        (
            "float elements", { $0.files[IDXFixture.trainImages]?[2] = 0x0D }, .badData,
            ["0x00000d03", "element type 0xd", "unsigned byte"]
        ),
        ("four extents", { $0.files[IDXFixture.trainImages]?[3] = 4 }, .badData, ["4 extents, expected 3"]),
        ("empty file", { $0.files[IDXFixture.trainImages] = [] }, .badData, ["byte 0", "IDX header of 16 bytes"]),
        (
            "header cut", { $0.files[IDXFixture.trainImages]?.removeLast(40) }, .badData,
            ["byte 12", "ends within extent 2"]
        ),
        ("no images", { $0.files[IDXFixture.trainImages]?[7] = 0 }, .badData, ["byte 4: extent 0 is 0"]),
        ("absurd height", { $0.files[IDXFixture.trainImages]?[8] = 1 }, .badData, ["byte 8: extent 1 is 16777219"]),
        (
            "one byte short", { $0.files[IDXFixture.trainImages]?.removeLast() }, .badData,
            ["6×3×2 declare 52 bytes", "the file has 51"]
        ),
        (
            "one byte long", { $0.files[IDXFixture.trainImages]?.append(0) }, .badData,
            ["declare 52 bytes", "the file has 53"]
        ),
        (
            "more declared", { $0.files[IDXFixture.trainImages]?[7] = 7 }, .badData,
            ["7×3×2 declare 58 bytes", "the file has 52"]
        ),
        (
            "fewer labels", { $0.files[IDXFixture.trainLabels] = IDXFixture.labels([1, 2]) }, .badData,
            ["has 2 labels", "6 images"]
        ),
        (
            "label out of range", { $0.files[IDXFixture.trainLabels]?[11] = 10 }, .badData,
            ["byte 11", "label[3] = 10", "expected 0…9 (10 classes)"]
        ),
        (
            "other size of test images",
            {
                $0.files["t10k-images-idx3-ubyte"] = IDXFixture.images(count: 2, height: 2, width: 2)
            }, .badData, ["images of 2×2", "of 3×2"]
        ),
        (
            "gzip cut in the data",
            {
                $0.pack(IDXFixture.trainImages) { $0.removeLast(30) }
            }, .badData, ["gzip data ends after", "truncated"]
        ),
        (
            "gzip cut in the trailer",
            {
                $0.pack(IDXFixture.trainImages) { $0.removeLast(3) }
            }, .badData, ["gzip data ends after", "truncated"]
        ),
        (
            "gzip with a flipped bit",
            {
                $0.pack(IDXFixture.trainImages) { $0[40] ^= 4 }
            }, .badData, ["gzip data is damaged", "incorrect data check"]
        ),
        (
            "gzip of too much",
            {
                $0.files[IDXFixture.trainImages]?.append(9)
                $0.pack(IDXFixture.trainImages) { _ in }
            }, .badData, ["byte 52: more data", "6×3×2"]
        ),
        (
            "gzip of too little",
            {
                $0.files[IDXFixture.trainImages]?.removeLast()
                $0.pack(IDXFixture.trainImages) { _ in }
            }, .badData, ["has 51 bytes unpacked, expected 52"]
        ),
        (
            "gzip that cannot hold so much",
            {
                $0.files[IDXFixture.trainImages]?[5] = 255
                $0.pack(IDXFixture.trainImages) { _ in }
            }, .badData, ["bytes of gzip cannot hold"]
        ),
    ]

    @Test("a bad source ends with its code, names file, place, found and expected, and leaves nothing")
    func badInputs() throws {
        for (what, spoil, code, words) in Self.badInputs {
            let scratch = try Scratch()
            var fixture = IDXFixture()
            spoil(&fixture)
            try fixture.write(to: scratch)
            let before = scratch.names()
            let failure = #expect(throws: Failure.self, "\(what)") {
                try IDXConverter.convert(folder: scratch.path, to: scratch.file("d.h5"))
            }
            #expect(failure?.code == code, "\(what)")
            let message = failure?.message ?? ""
            #expect(message.hasPrefix(scratch.path), "\(what): \(message)")
            for word in words { #expect(message.contains(word), "\(what): \(message)") }
            #expect(scratch.names() == before, "\(what)")
        }
    }

    @Test("zeros behind the last gzip member are nothing, other bytes a warning")
    func trailingBytes() throws {
        for (extra, warns) in [
            ([UInt8](repeating: 0, count: 512), false), (Array("garbage".utf8), true), ([0x1F], true),
            ([UInt8](repeating: 0, count: 300_000) + [1], true),
        ] {
            let scratch = try Scratch()
            var fixture = IDXFixture()
            for name in [IDXFixture.trainImages, IDXFixture.trainLabels] { fixture.pack(name) { $0 += extra } }
            try fixture.write(to: scratch)
            let report = try IDXConverter.convert(folder: scratch.path, to: scratch.file("d.h5"))
            #expect(report.warnings.count == (warns ? 2 : 0), "\(report.warnings)")
            for warning in report.warnings { #expect(warning.contains("\(extra.count) bytes behind the gzip data")) }
            #expect(try DatasetFile(path: scratch.file("d.h5")).split("train").labels == [0, 1, 2, 9, 4, 5])
        }
    }

    @Test("files in folders of their own names, as Kaggle unpacks them, are found")
    func kaggle() throws {
        let scratch = try Scratch()
        for (index, (name, bytes)) in IDXFixture().files.sorted(by: { $0.key < $1.key }).enumerated() {
            try FileManager.default.createDirectory(atPath: scratch.file(name), withIntermediateDirectories: false)
            // Some beside their folder, with a point in their names, and some in it.
            let other = name.replacingOccurrences(of: "-idx", with: ".idx")
            try scratch.write(bytes, index % 2 == 0 ? other : "\(name)/\(name)")
        }
        let report = try IDXConverter.convert(folder: scratch.path, to: scratch.file("d.h5"))
        #expect(report.splits.map(\.count) == [6, 2])
    }

    @Test("EMNIST: found by its prefix, transposed, labels from 1, classes named by its mapping")
    func emnist() throws {
        let scratch = try Scratch()
        func write(_ set: String, labels: [UInt8]) throws {
            for (part, labels) in [("train", labels), ("test", Array(labels.prefix(2)))] {
                try scratch.write(
                    IDXFixture.images(count: labels.count, height: 3, width: 2),
                    "emnist-\(set)-\(part)-images-idx3-ubyte")
                try scratch.write(IDXFixture.labels(labels), "emnist-\(set)-\(part)-labels-idx1-ubyte")
            }
        }
        try write("letters", labels: (1...26).map { UInt8($0) })
        let plain = try IDXConverter.convert(folder: scratch.path, to: scratch.file("a.h5"))
        #expect(plain.classCount == 26 && plain.notes.count == 3, "\(plain.notes)")
        var file = try DatasetFile(path: scratch.file("a.h5"))
        #expect(file.classes.first == "1" && file.height == 2 && file.width == 3)
        #expect(try file.split("train").labels == (0..<26).map { Int32($0) })
        #expect(Array(pixels(of: try file.split("train")).prefix(6)) == [0, 2, 4, 1, 3, 5].map { UInt8($0 * 37) })

        let mapping = (1...26).map { "\($0) \($0 + 64) \($0 + 96)\n" }.joined()
        try scratch.write(Array(mapping.utf8), "emnist-letters-mapping.txt")
        try write("digits", labels: (0..<10).map { UInt8($0) })
        let several = #expect(throws: Failure.self) {
            try IDXConverter.convert(folder: scratch.path, to: scratch.file("b.h5"))
        }
        #expect(several?.code == .usage && several?.message.contains("emnist-digits, emnist-letters") == true)
        try IDXConverter.convert(
            folder: scratch.path, to: scratch.file("b.h5"), prefix: "emnist-letters", transposing: false)
        file = try DatasetFile(path: scratch.file("b.h5"))
        #expect(file.classes.first == "A/a" && file.classes.last == "Z/z" && file.height == 3)

        try scratch.write(Array("1 65 97\n3 66\n".utf8), "emnist-letters-mapping.txt")
        let damaged = #expect(throws: Failure.self) {
            try IDXConverter.convert(folder: scratch.path, to: scratch.file("c.h5"), prefix: "emnist-letters")
        }
        #expect(damaged?.code == .badData && damaged?.message.contains("mapping.txt:1") == true)
    }

    @Test("labels are more than ten classes where every one of them is there, and one wrong byte is not a class")
    func moreClasses() throws {
        func classes(_ labels: [UInt8], given: [String]? = nil) throws -> ([String], UInt8) {
            let classes = try IDXClasses(given: given, mapping: nil, train: labels, test: labels)
            try classes.check(labels, path: "labels")
            return (classes.names, classes.first)
        }
        let full = (0..<47).map { UInt8($0) }
        #expect(try classes(full).0.count == 47)
        #expect(try classes(Array(full[..<7])).0.count == 10)
        #expect(try classes((1...10).map { UInt8($0) }) == ((1...10).map(String.init), 1))
        #expect(try classes([1, 2], given: ["a", "b"]) == (["a", "b"], 1))
        #expect(try classes([0, 1], given: ["a", "b"]) == (["a", "b"], 0))
        let digits = (0..<2000).map { UInt8($0 % 10) }
        for labels in [digits + [10], [0, 1, 12], full + [255]] {
            #expect(throws: Failure.self) { try classes(labels) }
        }
    }

    @Test("a file, a pipe or nothing in place of the folder or of a file is refused at once")
    func wrongKinds() throws {
        let scratch = try Scratch()
        var fixture = IDXFixture()
        fixture.files[IDXFixture.trainLabels] = nil
        try fixture.write(to: scratch)
        mkfifo(scratch.file(IDXFixture.trainLabels), 0o600)
        for (folder, code, words) in [
            (scratch.path, ExitCode.badData, "is a named pipe"),
            (scratch.file(IDXFixture.trainImages), .badData, "is not a folder"),
            (scratch.file("none"), .inputMissing, "No such file"),
        ] {
            let failure = #expect(throws: Failure.self) {
                try IDXConverter.convert(folder: folder, to: scratch.file("d.h5"))
            }
            #expect(failure?.code == code && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
    }

    @Test("a bad output ends with 73 and changes nothing")
    func badOutputs() throws {
        let scratch = try Scratch()
        try IDXFixture().write(to: scratch)
        try scratch.write([1], "taken.h5")
        for (output, words) in [
            ("taken.h5", "exists already"), ("none/d.h5", "there is no folder"), ("", "expected the name of a file"),
            ("taken.h5/d.h5", "there is no folder"),
        ] {
            let before = scratch.names()
            let failure = #expect(throws: Failure.self) {
                try IDXConverter.convert(folder: scratch.path, to: scratch.file(output))
            }
            #expect(failure?.code == .cannotCreate)
            #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
            #expect(scratch.names() == before)
        }
        try IDXConverter.convert(
            folder: scratch.path, to: scratch.file("taken.h5"), options: ConversionOptions(replaceExisting: true))
        #expect(try DatasetFile(path: scratch.file("taken.h5")).splitNames == ["test", "train"])
    }

    @Test("class names come as a list or as a preset, and wrong ones are usage errors")
    func classNames() throws {
        #expect(try IDXConverter.classNames("cat,dog") == ["cat", "dog"])
        #expect(try IDXConverter.classNames("fashion-mnist")[9] == "Ankle boot")
        for text in ["", "one", "a,,b", "a,b,a"] {
            #expect(throws: Failure.self) { try IDXConverter.classNames(text) }
        }
        #expect(try ConversionOptions.gzipLevel("gzip") == 6)
        #expect(try ConversionOptions.gzipLevel("gzip:9") == 9)
        for text in ["", "gzip:", "gzip:0", "gzip:10", "lz4"] {
            #expect(throws: Failure.self) { try ConversionOptions.gzipLevel(text) }
        }
    }

    @Test("a disk that takes no more ends with 74 and leaves nothing")
    func fullDisk() async {
        await #expect(processExitsWith: .exitCode(74)) {
            let scratch = try Scratch()
            signal(SIGXFSZ, SIG_IGN)
            var limit = rlimit(rlim_cur: 300_000, rlim_max: 300_000)
            setrlimit(__rlimit_resource_t(RLIMIT_FSIZE.rawValue), &limit)
            do {
                try SyntheticDataset.write(to: scratch.file("d.h5"), train: 1000, test: 10)
            } catch let failure as Failure {
                let left = scratch.names()
                try? FileManager.default.removeItem(atPath: scratch.path)
                exit(left.isEmpty ? failure.code.rawValue : 1)
            }
            exit(2)
        }
    }

    @Test("SIGTERM in the middle leaves nothing")
    func interrupted() async throws {
        let scratch = try Scratch()
        await #expect(processExitsWith: .signal(SIGTERM)) { [folder = scratch.path as String] in
            let output = try OutputFile(path: "\(folder)/d.h5", replacing: false)
            try withExtendedLifetime(output) {
                try Data([1, 2, 3]).write(to: URL(fileURLWithPath: output.temporaryPath))
                guard access(output.temporaryPath, F_OK) == 0 else { exit(1) }
                // To the process, not to this thread: threads of a pool block signals.
                kill(getpid(), SIGTERM)
                while true { sleep(1) }
            }
        }
        #expect(scratch.names() == [])
    }
}

extension IDXFixture {
    /// Replaces a file by its gzip form, changed by `change`.
    mutating func pack(_ name: String, _ change: (inout [UInt8]) -> Void) {
        guard let bytes = files[name] else { return }
        files[name] = nil
        var packed = Self.gzip(bytes)
        change(&packed)
        files[name + ".gz"] = packed
    }
}
