import Diagnostics
import Digests
import Foundation
import HDF5
import TestSupport
import Testing

@testable import Datasets

/// A small dataset file of which each part can be made wrong.
private struct Recipe {
    var format = "swift-train.dataset"
    var version: Int64 = 1
    var classes = ["a", "b", "c"]
    var shape = [4, 2, 3, 1]
    var labels: [Int64] = [0, 1, 2, 1]
    var layout: String? = "NHWC"
    /// In place of `labels`.
    var realLabels: [Double]?
    var narrowLabels: [Int32]?
    var labelShape: [Int]?
    var pixel: (Int) -> Double = { Double($0) }
    var extraGroups: [String] = []
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
                try (0..<count).map { UInt8(truncatingIfNeeded: $0) }.withUnsafeBufferPointer {
                    try images.write(rows: 0..<shape[0], $0)
                }
            case .float32:
                try (0..<count).map { Float(pixel($0)) }.withUnsafeBufferPointer {
                    try images.write(rows: 0..<shape[0], $0)
                }
            case .int32:
                try (0..<count).map { Int32($0) }.withUnsafeBufferPointer { try images.write(rows: 0..<shape[0], $0) }
            default:
                try (0..<count).map(pixel).withUnsafeBufferPointer { try images.write(rows: 0..<shape[0], $0) }
            }
            let labelPath = "/\(split)/labels"
            if let realLabels {
                try file.write(labelPath, shape: labelShape ?? [realLabels.count], realLabels)
            } else if let narrowLabels {
                try file.write(labelPath, shape: labelShape ?? [narrowLabels.count], narrowLabels)
            } else {
                try file.write(labelPath, shape: labelShape ?? [labels.count], labels)
            }
            let path = "/\(split)/images"
            if let layout { try file.setAttribute("layout", on: path, .string(layout)) }
            if let mean { try file.setAttribute("mean", on: path, mean) }
            if let std { try file.setAttribute("std", on: path, std) }
            if let counts { try file.setAttribute("counts", on: path, counts) }
            if let imageDigest { try file.setAttribute("sha256", on: path, .string(imageDigest)) }
            if let labelDigest { try file.setAttribute("sha256", on: "/\(split)/labels", .string(labelDigest)) }
        }
        for name in extraGroups { try file.createGroup("/\(name)") }
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
        ("integers", { $0.pixelType = .int32 }, ["is int32", "expected uint8 or float32", "images.astype('uint8')"]),
        ("no mean", { $0.mean = nil }, ["@mean is missing", "expected both"]),
        ("no deviation", { $0.std = nil }, ["@std is missing", "expected both"]),
        ("mean as text", { $0.mean = .string("0.5") }, ["@mean is 0.5", "expected 1 finite"]),
        (
            "channels first",
            {
                $0.shape = [4, 3, 8, 8]; $0.layout = nil
            }, ["looks like channels first", "transpose(0, 2, 3, 1)"]
        ),
        ("fractions", { $0.realLabels = [0, 1, 2, 1.5] }, ["labels holds 1.5 at 3", "whole numbers"]),
        (
            "one-hot",
            {
                $0.labelShape = [4, 3]; $0.realLabels = [Double](repeating: 0, count: 12)
            }, ["one-hot", "argmax"]
        ),
        ("label below, as reals", { $0.realLabels = [0, 1, 2, -1] }, ["/labels[3] = -1", "expected 0…2"]),
        ("labels not finite", { $0.realLabels = [0, 1, 2, .nan] }, ["holds nan at 3"]),
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

    @Test("labels of other types and shapes are the same data")
    func labelTypes() throws {
        let scratch = try Scratch()
        try Recipe().write(scratch.file("d.h5"))
        let expected = try DatasetFile(path: scratch.file("d.h5")).digest
        let changes: [(inout Recipe) -> Void] = [
            { $0.narrowLabels = [0, 1, 2, 1] }, { $0.realLabels = [0, 1, 2, 1] }, { $0.labelShape = [4, 1] },
            { $0.extraGroups = ["meta", "a\u{1b}[31m"] },
        ]
        for (index, change) in changes.enumerated() {
            var recipe = Recipe()
            change(&recipe)
            try recipe.write(scratch.file("\(index).h5"))
            let file = try DatasetFile(path: scratch.file("\(index).h5"))
            #expect(file.digest == expected && file.splitNames == ["test", "train"])
            #expect(file.ignoredNames == recipe.extraGroups.sorted())
        }
    }

    @Test("a named split that is empty is damage, not a group beside the splits")
    func emptySplit() throws {
        let scratch = try Scratch()
        var recipe = Recipe()
        recipe.extraGroups = ["val"]
        try recipe.write(scratch.file("d.h5"))
        let failure = #expect(throws: Failure.self) { try DatasetFile(path: scratch.file("d.h5")) }
        #expect(failure?.code == .badData && failure?.message.contains("/val/images") == true)
    }

    @Test("float64 images become float32, what float32 cannot hold is named, and mean and deviation may be missing")
    func doubles() throws {
        let scratch = try Scratch()
        var recipe = Recipe()
        (recipe.pixelType, recipe.pixel) = (.float64, { Double($0) / 64 })
        (recipe.mean, recipe.std) = (nil, nil)
        try recipe.write(scratch.file("d.h5"))
        let file = try DatasetFile(path: scratch.file("d.h5"))
        let split = try file.split("train")
        #expect(split.pixelType == .float32 && !split.isMapped && split.mean.isEmpty && split.std.isEmpty)
        #expect(pixels(of: split) == (0..<24).flatMap { withUnsafeBytes(of: Float($0) / 64) { Array($0) } })
        #expect(try file.checkPixels().filter { $0.contains("is float64") }.count == 2)
        recipe.pixel = { $0 == 13 ? 1e300 : 0 }
        try recipe.write(scratch.file("e.h5"))
        let failure = #expect(throws: Failure.self) { try DatasetFile(path: scratch.file("e.h5")) }
        #expect(failure?.code == .badData && failure?.message.contains("/images[2] holds 1e+300") == true)
    }

    @Test("whole numbers and single ones are statistics too")
    func statistics() throws {
        let scratch = try Scratch()
        for (index, value) in [HDF5Value.integers([1]), .integer(1), .real(1), .reals([1])].enumerated() {
            var recipe = Recipe()
            (recipe.mean, recipe.std) = (value, value)
            try recipe.write(scratch.file("\(index).h5"))
            let split = try DatasetFile(path: scratch.file("\(index).h5")).split("train")
            #expect(split.mean == [1] && split.std == [1])
        }
    }

    @Test("HDF5 behind a user block is HDF5, and its pixels are found")
    func userBlock() throws {
        let scratch = try Scratch()
        try Recipe().write(scratch.file("d.h5"))
        let digest = try DatasetFile(path: scratch.file("d.h5")).digest
        for size in [512, 2048, 4096] {
            try scratch.write([UInt8](repeating: 32, count: size) + scratch.bytes("d.h5"), "u.h5")
            let file = try DatasetFile(path: scratch.file("u.h5"))
            #expect(
                try file.digest == digest && pixels(of: file.split("train")) == (0..<24).map { UInt8($0) }, "\(size)")
        }
    }

    @Test("a file that is no regular one is refused at once, one that must not be read or does not exist is missing")
    func kinds() throws {
        let scratch = try Scratch()
        mkfifo(scratch.file("pipe"), 0o600)
        symlink("loop", scratch.file("loop"))
        let rows: [(String, ExitCode, String)] = [
            (scratch.file("pipe"), .badData, "is a named pipe"), ("/dev/null", .badData, "is a device"),
            (scratch.path, .badData, "is a folder"), (scratch.file("loop"), .inputMissing, "symbolic links"),
            (scratch.file(String(repeating: "x", count: 300)), .inputMissing, "too long"),
            (scratch.file("pipe") + "/x", .inputMissing, "Not a directory"), ("", .inputMissing, "No such file"),
        ]
        for (path, code, words) in rows {
            let failure = #expect(throws: Failure.self) { try DatasetFile(path: path) }
            #expect(failure?.code == code && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        }
    }

    @Test(
        "a file of another kind is said to be what it seems to be",
        arguments: [
            ([0x89, 0x50, 0x4E, 0x47, 13, 10, 26, 10], "PNG"), ([0xFF, 0xD8, 0xFF, 0xE0, 0, 16], "JPEG"),
            ([0x93] + Array("NUMPY".utf8), ".npy"), (Array("label,p0,p1\n1,2,3\n".utf8), "CSV"),
            (Array("PK\u{3}\u{4}".utf8) + [UInt8](repeating: 0, count: 26) + Array("x.npy".utf8), ".npz"),
            (Array("PK\u{3}\u{4}".utf8) + [UInt8](repeating: 0, count: 26) + Array("a/data.pkl".utf8), "PyTorch"),
            (Array("PK\u{3}\u{4}".utf8) + [UInt8](repeating: 0, count: 40), "zip"), ([0x80, 4, 0x95, 0], "pickle"),
            ([UInt8](repeating: 97, count: 257) + Array("ustar".utf8), "tar"), ([0x1F, 0x8B, 8], "gzip"),
            (Array("{\"a\": 1}".utf8), "JSON"), (Array("model: lenet5\n".utf8), "it is text"),
            (Array("version https://git-lfs.github.com".utf8), "git lfs pull"),
        ] as [([UInt8], String)])
    func foreign(bytes: [UInt8], words: String) throws {
        let scratch = try Scratch()
        try scratch.write(bytes, "x")
        let failure = #expect(throws: Failure.self) { try DatasetFile(path: scratch.file("x")) }
        #expect(failure?.code == .badData && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
    }
}

@Suite("Pixels that are checked")
struct PixelCheckTests {
    private func file(_ scratch: Scratch, _ change: (inout Recipe) -> Void) throws -> DatasetFile {
        var recipe = Recipe()
        change(&recipe)
        try recipe.write(scratch.file("d.h5"))
        return try DatasetFile(path: scratch.file("d.h5"), cache: PixelFactsCache(path: nil))
    }

    @Test("pixels that are not those of the stored digest are damage, of the checked splits alone")
    func damaged() throws {
        let scratch = try Scratch()
        let good = try file(scratch) { _ in }.computeImageDigest("train")
        try FileManager.default.removeItem(atPath: scratch.file("d.h5"))
        #expect(try file(scratch) { $0.imageDigest = good }.checkPixels() == [])
        var bytes = try scratch.bytes("d.h5")
        let start = try #require(
            (0..<bytes.count).first { Array(bytes[$0...].prefix(24)) == (0..<24).map { UInt8($0) } })
        bytes[start + 7] ^= 1
        try scratch.write(bytes, "d.h5")
        let damaged = try DatasetFile(path: scratch.file("d.h5"), cache: PixelFactsCache(path: nil))
        let failure = #expect(throws: Failure.self) { try damaged.checkPixels() }
        #expect(
            failure?.code == .badData && failure?.message.contains("is damaged") == true, "\(failure?.message ?? "")")
        let splits = ["train", "test"].map { (try? damaged.checkPixels(of: [$0])) != nil }
        #expect(splits.filter { $0 }.count == 1)
    }

    @Test("float pixels that are not finite or outside 0…1 are said, with their place and range")
    func warnings() throws {
        let scratch = try Scratch()
        let texts = try file(scratch) {
            $0.pixelType = .float32
            $0.pixel = { $0 == 13 || $0 == 20 ? .nan : Double($0) * 10 }
        }.checkPixels(of: ["train"])
        #expect(texts.count == 2)
        #expect(texts[0].contains("/train/images[2]") && texts[0].contains("2 in all"), "\(texts)")
        #expect(texts[1].contains("from 0.0 to 230.0") && texts[1].contains("divide them by 255"), "\(texts)")
    }

    @Test("facts are remembered by key, the oldest are dropped, and a cache that cannot be used is no error")
    func cache() throws {
        let scratch = try Scratch()
        let facts = try #require(PixelFacts(line: String(repeating: "a", count: 64) + " 3f800000 40000000 3 7"))
        #expect(facts.minimum == 1 && facts.maximum == 2 && facts.notFinite == 3 && facts.firstNotFinite == 7)
        #expect(PixelFacts(line: facts.line) == facts)
        let cache = PixelFactsCache(path: scratch.file("deep/folder/verified"))
        func known(_ cache: PixelFactsCache, _ key: String) -> PixelFacts? { cache.facts(for: key) }
        #expect(known(cache, "k0") == nil)
        for index in 0..<600 { cache.remember(facts, for: "k\(index)") }
        #expect(known(cache, "k599") == facts && known(cache, "k0") == nil && known(cache, "k59") == nil)
        #expect(try scratch.bytes("deep/folder/verified").count < 1 << 18)
        #expect(try FileManager.default.contentsOfDirectory(atPath: scratch.file("deep/folder")) == ["verified"])
        for path in ["/dev/null/verified", scratch.path, "/proc/verified"] {
            let broken = PixelFactsCache(path: path)
            broken.remember(facts, for: "k")
            #expect(known(broken, "k") == nil)
        }
        try scratch.write([0xFF, 10, 107, 32, 48, 10], "garbage")
        #expect(known(PixelFactsCache(path: scratch.file("garbage")), "k") == nil)
    }

    @Test("what lies unchanged for some seconds is read once; a changed file is read again")
    func remembering() throws {
        let scratch = try Scratch()
        let cache = PixelFactsCache(path: scratch.file("verified"))
        var recipe = Recipe()
        recipe.imageDigest = try file(scratch) { _ in }.computeImageDigest("train")
        try recipe.write(scratch.file("e.h5"))
        let file = try DatasetFile(path: scratch.file("e.h5"), cache: cache)
        #expect(try file.checkPixels() == [])
        // Just written: a later change could carry the same times.
        #expect(!scratch.names().contains("verified"))
    }
}

@Suite("Files that change while they are mapped")
struct MappedBytesTests {
    private static let bytes = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }

    private func mapped(_ scratch: Scratch) throws -> MappedBytes {
        try scratch.write(Self.bytes, "x")
        let mapped = try MappedBytes(path: scratch.file("x"), offset: 4096, count: 90_000)
        mapped.expect(digest: Self.bytes[4096..<94_096].withUnsafeBytes { SHA256.hexadecimal(of: $0) })
        return mapped
    }

    private func overwrite(_ scratch: Scratch, at offset: Int, _ byte: UInt8) {
        let descriptor = open(scratch.file("x"), O_WRONLY)
        withUnsafeBytes(of: byte) { _ = pwrite(descriptor, $0.baseAddress, 1, off_t(offset)) }
        // In the same tick of the clock the times would stay as they are.
        let time = timespec(tv_sec: 1000 * offset + Int(byte), tv_nsec: 0)
        futimens(descriptor, [time, time])
        close(descriptor)
    }

    @Test("a file cut short reads as zeros, says so from then on, and does not end the process")
    func truncated() throws {
        let scratch = try Scratch()
        let mapped = try mapped(scratch)
        try mapped.confirm()
        truncate(scratch.file("x"), 8192)
        #expect(mapped.bytes[80_000] == 0)
        for _ in 0..<2 {
            let failure = #expect(throws: Failure.self) { try mapped.confirm() }
            #expect(failure?.code == .inputOutput)
            #expect(
                failure?.message.contains("it has 8192 bytes, expected 100000") == true, "\(failure?.message ?? "")")
        }
        #expect(failing(mapped))
        // Grown again it is still not what it was.
        try scratch.write(Self.bytes, "x")
        #expect(failing(mapped))
    }

    private func failing(_ mapped: MappedBytes) -> Bool { (try? mapped.forEachPiece { _ in }) == nil }

    @Test("a file that is touched, linked or given other rights goes on; one that holds other bytes does not")
    func changed() throws {
        let scratch = try Scratch()
        let mapped = try mapped(scratch)
        overwrite(scratch, at: 5000, Self.bytes[5000])
        try mapped.confirm()
        link(scratch.file("x"), scratch.file("y"))
        chmod(scratch.file("x"), 0o600)
        try mapped.confirm()
        // Outside the mapped range nothing is asked.
        overwrite(scratch, at: 10, 99)
        try mapped.confirm()
        overwrite(scratch, at: 5000, Self.bytes[5000] ^ 1)
        let failure = #expect(throws: Failure.self) { try mapped.confirm() }
        #expect(failure?.code == .inputOutput && failure?.message.contains("overwritten") == true)
    }

    @Test("a file that another takes the place of goes on being read")
    func replaced() throws {
        let scratch = try Scratch()
        let mapped = try mapped(scratch)
        try scratch.write([1, 2, 3], "z")
        rename(scratch.file("z"), scratch.file("x"))
        try mapped.confirm()
        #expect(mapped.bytes[0] == Self.bytes[4096])
    }

    @Test("a fault elsewhere still ends the process")
    func elsewhere() async {
        await #expect(processExitsWith: .signal(SIGBUS)) {
            let scratch = try Scratch()
            try scratch.write(MappedBytesTests.bytes, "x")
            let mapped = try MappedBytes(path: scratch.file("x"), offset: 0, count: 10)
            let descriptor = open(scratch.file("x"), O_RDONLY)
            let other = mmap(nil, 100_000, PROT_READ, MAP_SHARED, descriptor, 0)
            truncate(scratch.file("x"), 0)
            try? FileManager.default.removeItem(atPath: scratch.path)
            let byte = other!.load(fromByteOffset: 90_000, as: UInt8.self)
            exit(Int32(byte) + Int32(mapped.bytes.count))
        }
    }
}
