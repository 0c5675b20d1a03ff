import Diagnostics
import Foundation
import HDF5
import Testing

@testable import Datasets

/// A small dataset file of which each part can be made wrong.
private struct Recipe {
    var format = "swift-train.dataset"
    var version: Int64 = 1
    var classes = ["a", "b", "c"]
    var shape = [4, 2, 3, 1]
    var labels: [Int64] = [0, 1, 2, 1]
    var layout = "NHWC"
    var mean: HDF5Value? = .reals([0.25])
    var std: HDF5Value? = .reals([0.5])
    var counts: HDF5Value? = .integers([1, 2, 1])
    var imageDigest: String?
    var labelDigest: String?
    var storage = HDF5Storage.contiguous
    var pixelType = HDF5ElementType.uint8
    var hasTest = true

    func write(_ path: String) throws {
        let file = try HDF5File.create(path)
        try file.setAttribute("format", on: "/", .string(format))
        try file.setAttribute("format_version", on: "/", .integer(version))
        try file.write("/classes", strings: classes)
        for split in hasTest ? ["train", "test"] : ["train"] {
            let images = try file.createDataset("/\(split)/images", shape: shape, type: pixelType, storage: storage)
            let count = shape.reduce(1, *)
            switch pixelType {
            case .uint8:
                try (0..<count).map { UInt8($0) }.withUnsafeBufferPointer { try images.write(rows: 0..<shape[0], $0) }
            case .float32:
                try (0..<count).map { Float($0) }.withUnsafeBufferPointer { try images.write(rows: 0..<shape[0], $0) }
            default:
                try (0..<count).map { Double($0) }.withUnsafeBufferPointer { try images.write(rows: 0..<shape[0], $0) }
            }
            try file.write("/\(split)/labels", shape: [labels.count], labels)
            let path = "/\(split)/images"
            try file.setAttribute("layout", on: path, .string(layout))
            if let mean { try file.setAttribute("mean", on: path, mean) }
            if let std { try file.setAttribute("std", on: path, std) }
            if let counts { try file.setAttribute("counts", on: path, counts) }
            if let imageDigest { try file.setAttribute("sha256", on: path, .string(imageDigest)) }
            if let labelDigest { try file.setAttribute("sha256", on: "/\(split)/labels", .string(labelDigest)) }
        }
        try file.close()
    }
}

@Suite("Dataset files")
struct DatasetFileTests {
    @Test("a file gives its splits, labels, statistics and pixels, mapped")
    func reading() throws {
        let scratch = try Scratch()
        try Recipe().write(scratch.file("d.h5"))
        let file = try DatasetFile(path: scratch.file("d.h5"))
        #expect(file.classes == ["a", "b", "c"])
        #expect(file.splitNames == ["test", "train"])
        #expect(file.height == 2 && file.width == 3 && file.channels == 1)
        let split = try file.split("train")
        #expect(split.count == 4 && split.imageBytes == 6 && split.pixelType == .uint8 && split.isMapped)
        #expect(split.labels == [0, 1, 2, 1] && split.mean == [0.25] && split.std == [0.5])
        #expect(pixels(of: split) == (0..<24).map { UInt8($0) })
        #expect(try file.split("train") === split)
    }

    @Test("pixels outlive the file object")
    func lifetime() throws {
        let scratch = try Scratch()
        try Recipe().write(scratch.file("d.h5"))
        let split = try { try DatasetFile(path: scratch.file("d.h5")).split("test") }()
        #expect(pixels(of: split).last == 23)
    }

    @Test("compressed and float images give the same pixels, from memory or mapped")
    func storages() throws {
        let scratch = try Scratch()
        var recipe = Recipe()
        recipe.storage = .chunked(shape: [2, 2, 3, 1], gzipLevel: 1, fletcher32: true)
        try recipe.write(scratch.file("z.h5"))
        let compressed = try DatasetFile(path: scratch.file("z.h5")).split("train")
        #expect(!compressed.isMapped && pixels(of: compressed) == (0..<24).map { UInt8($0) })
        recipe = Recipe()
        recipe.pixelType = .float32
        try recipe.write(scratch.file("f.h5"))
        let float = try DatasetFile(path: scratch.file("f.h5")).split("train")
        #expect(float.pixelType == .float32 && float.imageBytes == 24 && float.isMapped)
        #expect(pixels(of: float) == (0..<24).flatMap { pixel in withUnsafeBytes(of: Float(pixel)) { Array($0) } })
    }

    @Test("the digest depends on content and not on name or storage")
    func digest() throws {
        let scratch = try Scratch()
        func digest(_ name: String, _ change: (inout Recipe) -> Void) throws -> String {
            var recipe = Recipe()
            change(&recipe)
            try recipe.write(scratch.file(name))
            return try DatasetFile(path: scratch.file(name)).digest
        }
        let plain = try digest("a.h5") { _ in }
        #expect(plain.count == 64)
        #expect(
            try digest("b.h5") { $0.storage = .chunked(shape: [1, 2, 3, 1], gzipLevel: 9, fletcher32: false) } == plain)
        let file = try DatasetFile(path: scratch.file("a.h5"))
        let imageDigest = try file.computeImageDigest("train")
        #expect(try digest("c.h5") { $0.imageDigest = imageDigest } == plain)
        let others = try [
            digest("d.h5") { $0.classes = ["a", "b", "d"] },
            digest("e.h5") { $0.mean = .reals([0.375]) },
            digest("f.h5") {
                $0.labels = [1, 0, 2, 1]
            },
            digest("g.h5") { $0.hasTest = false },
            digest("h.h5") { $0.imageDigest = String(repeating: "0", count: 64) },
            digest("i.h5") { $0.pixelType = .float32 },
        ]
        #expect(Set(others + [plain]).count == others.count + 1)
    }

    /// What is wrong, the exit code, and words the message must have.
    private static let badRecipes: [(String, @Sendable (inout Recipe) -> Void, [String])] = [
        (
            "label above",
            {
                $0.labels[3] = 10; $0.counts = nil
            }, ["/labels[3] = 10", "expected 0…2 (3 classes)"]
        ),
        (
            "label below",
            {
                $0.labels[0] = -1; $0.counts = nil
            }, ["/labels[0] = -1", "expected 0…2"]
        ),
        (
            "fewer labels",
            {
                $0.labels.removeLast(); $0.counts = nil
            }, ["labels has shape [3]", "expected [4]"]
        ),
        ("other format", { $0.format = "elsewhere" }, ["/@format is elsewhere", "expected swift-train.dataset"]),
        ("newer version", { $0.version = 2 }, ["format_version is 2", "expected 1"]),
        ("no classes", { $0.classes = [] }, ["/classes has shape [0]"]),
        ("other layout", { $0.layout = "NCHW" }, ["layout NCHW", "expected NHWC"]),
        ("three extents", { $0.shape = [4, 2, 3] }, ["has shape [4, 2, 3]", "(N, H, W, C)"]),
        ("doubles", { $0.pixelType = .float64 }, ["is float64", "expected uint8 or float32"]),
        ("no mean", { $0.mean = nil }, ["@mean is missing", "expected 1 finite"]),
        ("two means", { $0.mean = .reals([1, 2]) }, ["@mean is [1.0, 2.0]", "expected 1 finite"]),
        ("mean not finite", { $0.mean = .reals([.nan]) }, ["@mean is [nan]"]),
        ("negative deviation", { $0.std = .reals([-1]) }, ["negative std"]),
        ("wrong counts", { $0.counts = .integers([4, 0, 0]) }, ["@counts is [4, 0, 0]", "[1, 2, 1]"]),
        ("short digest", { $0.imageDigest = "abc" }, ["@sha256 is abc", "64 hexadecimal"]),
        (
            "wrong label digest", { $0.labelDigest = String(repeating: "0", count: 64) },
            ["labels has SHA-256", "expected 0000"]
        ),
    ]

    @Test("a file with one thing wrong is refused with 65, the place, what was found and expected")
    func badFiles() throws {
        let scratch = try Scratch()
        for (index, (what, spoil, words)) in Self.badRecipes.enumerated() {
            var recipe = Recipe()
            spoil(&recipe)
            let path = scratch.file("\(index).h5")
            try recipe.write(path)
            let failure = #expect(throws: Failure.self, "\(what)") { try DatasetFile(path: path) }
            #expect(failure?.code == .badData, "\(what)")
            #expect(failure?.message.hasPrefix(path) == true, "\(what): \(failure?.message ?? "")")
            for word in words {
                #expect(failure?.message.contains(word) == true, "\(what): \(failure?.message ?? "")")
            }
        }
    }

    @Test("what is no HDF5 file is named by its first bytes; a missing file is 66")
    func notHDF5() throws {
        let scratch = try Scratch()
        let rows: [(String, [UInt8]?, ExitCode, String)] = [
            ("none.h5", nil, .inputMissing, "No such file"),
            ("empty.h5", [], .badData, "begins with nothing"),
            ("a.gz", [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0], .badData, "compressed with gzip"),
            ("a.idx", [0, 0, 8, 3, 0, 0, 0, 1], .badData, "looks like IDX"),
            ("a.txt", Array("hello world".utf8), .badData, "begins with 68 65 6c 6c 6f 20 77 6f, expected 89 48"),
        ]
        for (name, bytes, code, words) in rows {
            if let bytes { try scratch.write(bytes, name) }
            let failure = #expect(throws: Failure.self) { try DatasetFile(path: scratch.file(name)) }
            #expect(failure?.code == code)
            #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
        let folder = #expect(throws: Failure.self) { try DatasetFile(path: scratch.path) }
        #expect(folder?.message.contains("not a regular file") == true)
    }

    @Test("a truncated file is refused with both sizes, wherever it ends")
    func truncated() throws {
        let scratch = try Scratch()
        try Recipe().write(scratch.file("d.h5"))
        let bytes = try scratch.bytes("d.h5")
        for count in [9, 100, bytes.count / 2, bytes.count - 1] {
            try scratch.write(Array(bytes[..<count]), "t.h5")
            let failure = #expect(throws: Failure.self) { try DatasetFile(path: scratch.file("t.h5")) }
            #expect(failure?.code == .badData)
            if count >= 100 {
                let message = failure?.message ?? ""
                #expect(message.contains("has \(count) bytes, expected \(bytes.count)"), "\(message)")
            }
        }
    }

    @Test("a range beyond the file is never mapped")
    func mapping() throws {
        let scratch = try Scratch()
        try scratch.write([UInt8](repeating: 7, count: 100), "x")
        let mapped = try MappedBytes(path: scratch.file("x"), offset: 90, count: 10)
        #expect(withExtendedLifetime(mapped) { Array(mapped.bytes) } == [UInt8](repeating: 7, count: 10))
        let failure = #expect(throws: Failure.self) { try MappedBytes(path: scratch.file("x"), offset: 90, count: 11) }
        #expect(failure?.message.contains("has 100 bytes, expected 101") == true)
    }

    @Test("an unknown split is refused with the names of those there are")
    func unknownSplit() throws {
        let scratch = try Scratch()
        try Recipe().write(scratch.file("d.h5"))
        let failure = #expect(throws: Failure.self) { try DatasetFile(path: scratch.file("d.h5")).split("val") }
        #expect(failure?.code == .configuration)
        #expect(failure?.message.contains("has no split val, expected one of test, train") == true)
    }
}
