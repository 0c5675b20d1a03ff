import Datasets
import Diagnostics
import Foundation
import HDF5
import TestSupport
import Testing

@testable import Ingest

/// The same twelve images of three classes in every form: all sources must give one dataset.
private enum Same {
    static let shape = (height: 6, width: 6, channels: 3)
    static let labels: [Int] = [0, 1, 2, 0, 1, 2, 2, 1, 0, 0, 1, 2]
    static func image(_ index: Int, channels: Int = 3) -> [UInt8] {
        ImageFixture.pixels(index, height: shape.height, width: shape.width, channels: channels)
    }
    static func all(channels: Int = 3) -> [UInt8] { labels.indices.flatMap { image($0, channels: channels) } }
    static var labelBytes: [UInt8] { labels.map { UInt8($0) } }

    /// (N, H, W, C) with the axes in another order, first axis slowest.
    static func permuted(_ axes: [Int]) -> [UInt8] {
        let extents = [labels.count, shape.height, shape.width, shape.channels]
        let source = all()
        let strides = [108, 18, 3, 1]
        var result: [UInt8] = []
        func visit(_ depth: Int, _ offset: Int) {
            guard depth < 4 else { return result.append(source[offset]) }
            for index in 0..<extents[axes[depth]] { visit(depth + 1, offset + index * strides[axes[depth]]) }
        }
        visit(0, 0)
        return result
    }

    static func check(_ path: String, classes: [String] = ["0", "1", "2"]) throws {
        let file = try DatasetFile(path: path)
        #expect(file.classes == classes)
        let train = try file.split("train")
        #expect(train.labels == labels.map { Int32($0) })
        #expect(pixels(of: train) == all())
    }
}

@Suite("Conversion of arrays, tables and archives")
struct ImageSourceTests {
    private let options = ConversionOptions(replaceExisting: true, threads: 2)

    private func numpy(
        _ scratch: Scratch, _ files: [String], _ change: (inout NumPyImages.Description) -> Void = { _ in }
    ) throws -> ConversionReport {
        var description = NumPyImages.Description()
        change(&description)
        return try NumPyImages.convert(
            paths: files.map { scratch.file($0) }, to: scratch.file("d.h5"), description: description, options: options)
    }

    @Test("labels at the ends of the range of whole numbers are refused")
    func labelRange() {
        for (labels, base) in [(["0", "\(Int.max)"], -1), (["\(Int.min)"], 0), (["0"], -(1 << 31))] {
            let failure = #expect(throws: Failure.self) {
                try ClassLabels(distinct: Set(labels), names: nil, base: base, place: "x")
            }
            #expect(failure?.code == .badData && failure?.message.contains("x: has label") == true)
        }
    }

    @Test("every order, type, version and container of NumPy arrays gives the same dataset")
    func numpyForms() throws {
        let scratch = try Scratch()
        let shape = [12, 6, 6, 3]
        let wide = Same.all().flatMap { [UInt8(0), $0] }
        let images: [(String, [UInt8])] = [
            ("plain", ArrayFixture.npy("|u1", shape, Same.all())),
            ("version 2", ArrayFixture.npy("|u1", shape, Same.all(), version: 2)),
            ("version 3", ArrayFixture.npy("|u1", shape, Same.all(), version: 3)),
            ("channels first", ArrayFixture.npy("|u1", [12, 3, 6, 6], Same.permuted([0, 3, 1, 2]))),
            ("Fortran order", ArrayFixture.npy("|u1", shape, Same.permuted([3, 2, 1, 0]), fortran: true)),
            ("big-endian int16", ArrayFixture.npy(">i2", shape, wide)),
            ("little-endian int32", ArrayFixture.npy("<i4", shape, Same.all().flatMap { [$0, 0, 0, 0] })),
        ]
        let labels: [(String, [UInt8])] = [
            ("bytes", ArrayFixture.npy("|u1", [12], Same.labelBytes)),
            (
                "column of int64",
                ArrayFixture.npy("<i8", [12, 1], Same.labels.flatMap { [UInt8($0)] + [UInt8](repeating: 0, count: 7) })
            ),
            (
                "float32",
                ArrayFixture.npy(
                    ">f4", [12],
                    Same.labels.flatMap { [[0, 0, 0, 0], [0x3F, 0x80, 0, 0], [0x40, 0, 0, 0]][$0] as [UInt8] })
            ),
            (
                "one-hot",
                ArrayFixture.npy("|u1", [12, 3], Same.labels.flatMap { label in (0..<3).map { $0 == label ? 1 : 0 } })
            ),
        ]
        for (name, bytes) in images {
            try scratch.write(bytes, "x_train.npy")
            try scratch.write(labels[0].1, "y_train.npy")
            _ = try numpy(scratch, ["x_train.npy", "y_train.npy"])
            #expect(throws: Never.self, "\(name)") { try Same.check(scratch.file("d.h5")) }
        }
        for (name, bytes) in labels {
            let archive = ArrayFixture.zip([("train_images.npy", images[0].1), ("train_labels.npy", bytes)])
            try scratch.write(archive, "a.npz")
            _ = try numpy(scratch, ["a.npz"])
            #expect(throws: Never.self, "\(name)") { try Same.check(scratch.file("d.h5")) }
        }
    }

    @Test("float images stay as they are, in as many channels as there are; bool becomes 0 and 255; 16 bits 0…1")
    func numpyTypes() throws {
        let scratch = try Scratch()
        let values: [Float] = (0..<2 * 3 * 3 * 7).map { Float($0) / 64 - 0.5 }
        let bytes = values.flatMap { value in withUnsafeBytes(of: value.bitPattern.littleEndian) { Array($0) } }
        try scratch.write(ArrayFixture.npy("<f4", [2, 3, 3, 7], bytes), "x.npy")
        try scratch.write(ArrayFixture.npy("|u1", [2], [0, 1]), "y.npy")
        let report = try numpy(scratch, ["x.npy", "y.npy"]) { ($0.images, $0.labels) = ("x", "y") }
        #expect(report.shape == (3, 3, 7))
        let train = try DatasetFile(path: scratch.file("d.h5")).split("train")
        #expect(train.pixelType == .float32)
        #expect(pixels(of: train) == bytes)
        let mean = (0..<18).map { Double(values[$0 * 7]) }.reduce(0, +) / 18
        #expect(abs(Double(train.mean[0]) - mean) < 1e-6)
        try scratch.write(ArrayFixture.npy("|b1", [2, 2, 2], [0, 1, 0, 1, 1, 1, 0, 0]), "x.npy")
        _ = try numpy(scratch, ["x.npy", "y.npy"])
        #expect(
            try pixels(of: DatasetFile(path: scratch.file("d.h5")).split("train")) == [0, 255, 0, 255, 255, 255, 0, 0])
        try scratch.write(ArrayFixture.npy("<u2", [2, 1, 1], [0xFF, 0xFF, 0, 0]), "x.npy")
        _ = try numpy(scratch, ["x.npy", "y.npy"])
        let wide = try DatasetFile(path: scratch.file("d.h5")).split("train")
        #expect(wide.pixelType == .float32 && pixels(of: wide) == [0, 0, 0x80, 0x3F, 0, 0, 0, 0])
    }

    @Test("half floats become what they are")
    func halves() {
        #expect(
            [0x3C00, 0xC000, 0x0001, 0x7BFF, 0x8000, 0x3555].map { NPYHeader.half($0) } == [
                1, -2, 0x1p-24, 65504, -0.0, 0.333251953125,
            ])
        #expect(NPYHeader.half(0x7C00) == .infinity && NPYHeader.half(0x7E00).isNaN)
    }

    @Test("more than 256 classes are labels like others")
    func manyClasses() throws {
        let scratch = try Scratch()
        let labels = (0..<300).flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
        try scratch.write(ArrayFixture.npy("|u1", [300, 2, 2], [UInt8](repeating: 7, count: 1200)), "x.npy")
        try scratch.write(ArrayFixture.npy("<u2", [300], labels), "y.npy")
        let report = try numpy(scratch, ["x.npy", "y.npy"])
        #expect(report.classCount == 300)
        #expect(try DatasetFile(path: scratch.file("d.h5")).split("train").labels == (0..<300).map { Int32($0) })
        #expect(report.text.contains("from 1 ("))
    }

    /// The bytes of x.npy and y.npy, and words of the message.
    private static let badArrays: [(x: [UInt8], y: [UInt8], words: String)] = {
        let x = ArrayFixture.npy("|u1", [2, 2, 2], [UInt8](repeating: 0, count: 8))
        let y = ArrayFixture.npy("|u1", [2], [0, 1])
        func header(_ text: String) -> [UInt8] { ArrayFixture.npy("", [], [], header: text) }
        return [
            ([1, 2, 3], y, "ends within its header"), (Array("not numpy".utf8), y, "is no NumPy array"),
            (Array(x.dropLast()), y, "its header declares"), (x + [0], y, "its header declares"),
            (ArrayFixture.npy("|O", [2, 2, 2], []), y, "Python objects (pickle)"),
            (ArrayFixture.npy("<c8", [2, 2, 2], []), y, "is of type <c8"),
            (header("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (2,)}"), y, "structured"),
            (header("__import__('os').system('true')"), y, "no dictionary of literals"),
            (header("{'descr': '<f4', 'shape': (2,)}"), y, "without descr"),
            (ArrayFixture.npy("|u1", [1 << 62, 4, 4], []), y, "too much to count"),
            (ArrayFixture.npy("|u1", [1 << 40, 4, 4], []), y, "its header declares"),
            (ArrayFixture.npy("|u1", [-2, 4, 4], []), y, "too much to count"),
            (ArrayFixture.npy("|u1", [2], [0, 0]), y, "expected (N, H, W)"),
            (ArrayFixture.npy("<f4", [2, 1, 1], [0, 0, 0x80, 0x7F, 0, 0, 0, 0]), y, "not finite"),
            (ArrayFixture.npy("<i2", [2, 1, 1], [0, 1, 0, 0]), y, "holds 256.0, expected 0…255"),
            (x, ArrayFixture.npy("|u1", [3], [0, 1, 0]), "expected 2 labels"),
            (x, ArrayFixture.npy("|u1", [2, 2], [1, 1, 0, 1]), "2 ones, expected one-hot"),
            (x, ArrayFixture.npy("<f4", [2], [0, 0, 0, 0x3F, 0, 0, 0, 0]), "expected a whole number"),
            (x, ArrayFixture.npy("|i1", [2], [0xFF, 0]), "has label -1"),
        ]
    }()

    @Test("damaged and hostile arrays are refused with a reason", arguments: badArrays.indices)
    func badNumPy(index: Int) throws {
        let (x, y, words) = Self.badArrays[index]
        let scratch = try Scratch()
        try scratch.write(x, "x.npy")
        try scratch.write(y, "y.npy")
        let failure = try #require(throws: Failure.self) { try numpy(scratch, ["x.npy", "y.npy"]) }
        #expect(failure.code == .badData)
        #expect(failure.message.contains(words), "\(failure)")
        #expect(!scratch.names().contains("d.h5"))
    }

    @Test("arrays whose names do not say what they are are listed with the options that choose")
    func ambiguousArrays() throws {
        let scratch = try Scratch()
        let array = ArrayFixture.npy("|u1", [2, 2, 2], [UInt8](repeating: 0, count: 8))
        try scratch.write(ArrayFixture.zip([("a.npy", array), ("b.npy", array)]), "z.npz")
        let failure = try #require(throws: Failure.self) { try numpy(scratch, ["z.npz"]) }
        #expect(failure.message.contains("a u1 [2, 2, 2], b u1 [2, 2, 2]. Name them: --images a --labels b"))
        try scratch.write(Array(ArrayFixture.zip([("x.npy", array)]).dropLast(30)), "z.npz")
        #expect(throws: Failure.self) { try numpy(scratch, ["z.npz"]) }
    }

    private func csv(_ text: String, _ change: (inout CSVImages.Description) -> Void = { _ in }) throws -> (
        Scratch, ConversionReport
    ) {
        let scratch = try Scratch()
        try scratch.put(text, "d.csv")
        var description = CSVImages.Description()
        change(&description)
        let report = try CSVImages.convert(
            train: scratch.file("d.csv"), to: scratch.file("d.h5"), description: description, options: options)
        return (scratch, report)
    }

    @Test("labels of a table that begin above the first class are noted, unless the base or the names say so")
    func csvLabelBase() throws {
        func text(_ labels: [Int]) -> String { labels.map { "\($0),1,2,3,4" }.joined(separator: "\n") }
        let (scratch, report) = try csv(text([1, 2, 4, 1]))
        #expect(
            report.warnings == [
                "\(scratch.file("d.csv")): labels go from 1 to 4, and class 0 has no images; if the first class is 1, say so "
                    + "(--label-base 1)"
            ])
        #expect(try csv(text([1, 2, 4, 1])) { $0.labelBase = 1 }.1.warnings.isEmpty)
        #expect(try csv(text([0, 3, 4])).1.warnings.isEmpty)
        #expect(try csv(text([1, 2])) { $0.classNames = ["none", "one", "two"] }.1.warnings.isEmpty)
        let failure = #expect(throws: Failure.self) { try csv(text([1, 2])) { $0.classNames = ["one", "two"] } }
        #expect(failure?.message.contains("say with --label-base 1 that the first class is 1") == true)
    }

    @Test("pixels in lines: with and without header, byte order mark, CRLF, quotes, blank lines, other separators")
    func csvPixels() throws {
        func lines(_ separator: String, label: String = "") -> [String] {
            Same.labels.indices.map { index in
                ([label + "\(Same.labels[index])" + label] + Same.image(index).map(String.init)).joined(
                    separator: separator)
            }
        }
        let header = "label," + (0..<108).map { "pixel\($0)" }.joined(separator: ",")
        let texts = [
            lines(",").joined(separator: "\n"), lines(",").joined(separator: "\n") + "\n\n",
            "\u{FEFF}" + ([header] + lines(",")).joined(separator: "\r\n") + "\r\n",
            lines(",", label: "\"").joined(separator: "\n"), lines(";").joined(separator: "\n"),
            lines("\t").joined(separator: "\n"),
        ]
        for text in texts {
            let (scratch, _) = try csv(text) { $0.shape = [6, 6, 3] }
            try Same.check(scratch.file("d.h5"))
        }
    }

    @Test("paths in lines: names of classes, a header, a folder to begin at, and none outside of it")
    func csvPaths() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in")
        try scratch.put(
            "filename,kind,label\nant/0.png,x,six\n\"bee/1.png\",y,\"a \"\"b\"\"\"\n../secret.png,z,six\n", "in/d.csv")
        try scratch.put(ImageFixture.png(1), "secret.png")
        var options = options
        options.largestBadFraction = 1
        _ = try CSVImages.convert(train: scratch.file("in/d.csv"), to: scratch.file("d.h5"), options: options)
        let file = try DatasetFile(path: scratch.file("d.h5"))
        #expect(file.classes == ["a \"b\"", "six"])
        #expect(try file.split("train").labels == [1, 0])
        #expect(
            try String(decoding: scratch.bytes("d.h5.left-out.csv"), as: UTF8.self).contains(
                "../secret.png,\"lies outside of"))
    }

    /// The text and words of the message.
    private static let badTables = [
        ("", "is empty"), ("label,pixel0\n", "no line after it"), ("1\n", "one column"),
        ("1,2,3,4,5\n1,2,3,4\n", ":2: has 4 fields, expected 5"),
        ("path,label,size\na.png\n", ":2: has 1 fields, expected 3"),
        ("1,2,3,4,x\n1,2,3,4,5\n", "field 5 is 'x', expected a number"),
        ("1,2,3,4,256\n", "field 5 is 256, expected a pixel of 0…255"), ("1,2,3,4,-1\n", "expected a pixel of 0…255"),
        ("1,2,3\n", "2 pixels, which are no square"), ("pixel0,pixel1,pixel2,pixel3\n1,2,3,4\n", "no column of labels"),
        ("1,2,3,4,\"5\n", "a quote is not closed"), ("-1,2,3,4,5\n", "has label -1"), (",2,3,4,5\n", "has no label"),
        ("1,2,3,4,nan\n", "expected a number"), ("1,2,3,4,1e999\n", "expected a number"),
        ("a\0b,2,3,4,5\n", "NUL byte"),
        ("9999999,2,3,4,5\n", "fewer than 1048576 classes"),
    ]

    @Test("tables that do not fit are refused with line and field", arguments: badTables.indices)
    func badCSV(index: Int) throws {
        let failure = try #require(throws: Failure.self) { try csv(Self.badTables[index].0) }
        #expect(failure.code == .badData)
        #expect(failure.message.contains(Self.badTables[index].1), "\(failure)")
    }

    private func png(_ index: Int) -> [UInt8] { ImageFixture.png(index, height: 6, width: 6) }

    private func tar(_ scratch: Scratch, _ files: [String], fractions: SplitFractions = SplitFractions()) throws
        -> ConversionReport
    {
        var options = options
        options.largestBadFraction = 1
        return try TarImages.convert(
            shards: TarImages.Shards(train: files.map { scratch.file($0) }), to: scratch.file("d.h5"),
            fractions: fractions,
            options: options)
    }

    @Test("WebDataset shards: cls, txt and json labels, gzip, braces, long names, a label before its image")
    func tarSamples() throws {
        for suffix in ["cls", "txt", "json"] {
            let scratch = try Scratch()
            let long = String(repeating: "long-", count: 30)
            var shards: [[(name: String, data: [UInt8], type: Character)]] = [[], []]
            for (index, label) in Same.labels.enumerated() {
                let key = index == 3 ? "./\(long)" : "sample\(index)"
                let text = suffix == "json" ? "{\"other\": [1], \"label\": \(label)}" : "\(label)\n"
                let label = (name: "\(key).\(suffix)", data: Array(text.utf8), type: Character("0"))
                let image = (name: "\(key).png", data: png(index), type: Character("0"))
                shards[index / 6] += index % 2 == 0 ? [label, image] : [image, label]
            }
            try scratch.write(ArrayFixture.tar(shards[0]), "s-00.tar")
            try scratch.write(IDXFixture.gzip(ArrayFixture.tar(shards[1])), "s-01.tar")
            _ = try tar(scratch, ["s-{00..01}.tar"])
            try Same.check(scratch.file("d.h5"))
            let names = try HDF5File.open(scratch.file("d.h5")).dataset("/train/names").readStrings()
            #expect(names[3] == long + ".png")
        }
    }

    @Test("samples without label or image, duplicates, links and other members are left out by name")
    func tarTraps() throws {
        let scratch = try Scratch()
        let zero = Array("0".utf8)
        try scratch.write(
            ArrayFixture.tar([
                ("a.png", png(0), "0"), ("a.cls", zero, "0"), ("b.png", png(1), "0"), ("c.cls", zero, "0"),
                ("d.png", png(2), "0"), ("d.cls", Array("x\ny".utf8), "0"), ("a.png", png(3), "0"),
                ("a.cls", zero, "0"),
                ("e.png", [], "2"), ("f.png", png(4), "0"), ("f.left.png", png(4), "0"),
                ("f.cls", Array("1".utf8), "0"),
                ("g.npy", [1], "0"), (".hidden.png", png(5), "0"),
            ]), "t.tar")
        let report = try tar(scratch, ["t.tar"])
        #expect(report.splits[0].count == 2)
        let list = String(decoding: try scratch.bytes("d.h5.left-out.csv"), as: UTF8.self)
        for line in [
            "b.png,has no label", "c,has a label but no image", "d.cls,holds no label", "d.png,has no label",
            "a.png,stands twice",
            "e.png,is neither a file nor a folder", "f.left.png,is a second image of its sample",
            "g.npy,is neither an image nor a label", ".hidden.png,is hidden or belongs to the system",
        ] {
            #expect(list.contains(line + "\n"), "\(line) in \(list)")
        }
    }

    @Test("a packed image folder is read like the folder itself")
    func tarFolder() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in/train")
        try scratch.putClasses("in/test", count: 2)
        var members: [(name: String, data: [UInt8], type: Character)] = []
        for split in ["train", "test"] {
            for name in ["bee", "ant"] {
                for index in 0..<(split == "train" ? 4 : 2) {
                    members.append(
                        ("\(split)/\(name)/\(index).png", try scratch.bytes("in/\(split)/\(name)/\(index).png"), "0"))
                }
            }
        }
        try scratch.write(ArrayFixture.tar(members), "p.tar")
        let report = try tar(scratch, ["p.tar"])
        #expect(report.classes == ["ant", "bee"])
        #expect(report.splits.map(\.count) == [8, 4])
    }

    @Test("archives that are damaged, missing or something else are refused")
    func badTar() throws {
        let scratch = try Scratch()
        try scratch.write(Array("no archive at all, whatever its name".utf8), "n.tar")
        let whole = ArrayFixture.tar([("a.png", png(0), "0"), ("a.cls", [48], "0")])
        try scratch.write(Array(whole[..<600]), "cut.tar")
        try scratch.write(Array(IDXFixture.gzip(whole).dropLast(1000)), "cut.tgz")
        for (name, code) in [
            ("n.tar", ExitCode.badData), ("cut.tar", .badData), ("cut.tgz", .badData), ("none.tar", .inputMissing),
        ] {
            let failure = try #require(throws: Failure.self) { try tar(scratch, [name]) }
            #expect(failure.code == code, "\(failure)")
        }
    }

    private func cifar(_ scratch: Scratch, _ variant: CIFARImages.Variant) throws -> ConversionReport {
        try CIFARImages.convert(folder: scratch.path, variant: variant, to: scratch.file("d.h5"), options: options)
    }

    @Test("CIFAR-10 records are planes that become pixels, with the names of batches.meta.txt")
    func cifar10() throws {
        let scratch = try Scratch()
        let planes = (0..<3).flatMap { channel in [UInt8](repeating: UInt8(10 * (channel + 1)), count: 1024) }
        for (number, name) in ((1...5).map { "data_batch_\($0).bin" } + ["test_batch.bin"]).enumerated() {
            try scratch.write([UInt8(number)] + planes + [9] + planes, name)
        }
        let names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
        try scratch.put(names.joined(separator: "\n") + "\n\n", "batches.meta.txt")
        let report = try cifar(scratch, .cifar10)
        #expect(report.classes == names)
        let file = try DatasetFile(path: scratch.file("d.h5"))
        #expect(try file.split("train").labels == [0, 9, 1, 9, 2, 9, 3, 9, 4, 9])
        #expect(try pixels(of: file.split("test")) == (0..<2048).flatMap { _ in [10, 20, 30] as [UInt8] })
        try scratch.write([10] + planes, "data_batch_3.bin")
        #expect(
            try #require(throws: Failure.self) { try cifar(scratch, .cifar10) }.message.contains("byte 0: label 10"))
        try scratch.write([1] + planes.dropLast(), "data_batch_3.bin")
        #expect(
            try #require(throws: Failure.self) { try cifar(scratch, .cifar10) }.message.contains("a multiple of 3073"))
    }

    @Test("CIFAR-100 has fine and coarse labels; the version for Python is named")
    func cifar100() throws {
        let scratch = try Scratch()
        let record = { (coarse: UInt8, fine: UInt8) in [coarse, fine] + [UInt8](repeating: 0, count: 3072) }
        try scratch.write(record(19, 99) + record(3, 50), "train.bin")
        try scratch.write(record(0, 1), "test.bin")
        _ = try cifar(scratch, .cifar100(usesCoarseLabels: false))
        #expect(try DatasetFile(path: scratch.file("d.h5")).split("train").labels == [99, 50])
        #expect(try cifar(scratch, .cifar100(usesCoarseLabels: true)).classCount == 20)
        #expect(try DatasetFile(path: scratch.file("d.h5")).split("train").labels == [19, 3])
        let pickle = try Scratch()
        try pickle.put("x", "data_batch_1")
        #expect(try #require(throws: Failure.self) { try cifar(pickle, .cifar10) }.message.contains("pickle"))
    }
}
