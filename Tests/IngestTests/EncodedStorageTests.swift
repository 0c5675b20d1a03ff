import Datasets
import Diagnostics
import Foundation
import HDF5
import TestSupport
import Testing

@testable import Ingest

@Suite("JPEG and PNG files stored as they are")
struct EncodedStorageTests {
    private func convert(
        _ scratch: Scratch, to output: String, encoded: Bool, threads: Int = 2, size: ImagePreparation.Size? = nil,
        _ change: (inout ConversionOptions) -> Void = { _ in }
    ) throws {
        var options = ConversionOptions(replaceExisting: true, threads: threads)
        (options.storesEncoded, options.preparation.size) = (encoded, size)
        change(&options)
        try FolderImages.convert(
            folder: scratch.file("in"), to: scratch.file(output),
            fractions: SplitFractions(test: try SplitFraction("25%", option: "--test")), options: options)
    }

    /// JPEG of every kind and PNG, of several sizes, turned ones among them.
    private func putPictures(_ scratch: Scratch) throws {
        let names = [
            "alpha.png", "baseline-420.jpg", "cmyk.jpg", "gray.jpg", "orientation-6.jpg", "orientation-6.png",
            "palette.png",
            "progressive.jpg", "sixteen-bits.png",
        ]
        for (index, name) in names.enumerated() {
            try scratch.put(ImageFixture.bytes(name), "in/\(index % 2 == 0 ? "ant" : "bee")/\(name)")
        }
    }

    private func compare(_ pixels: DatasetFile, _ encoded: DatasetFile) throws {
        #expect(encoded.digest == pixels.digest && encoded.classes == pixels.classes)
        #expect(encoded.splitNames == pixels.splitNames)
        for name in pixels.splitNames {
            let (left, right) = (try pixels.split(name), try encoded.split(name))
            #expect(left.labels == right.labels && left.mean == right.mean && left.std == right.std)
            #expect(TestSupport.pixels(of: right) == TestSupport.pixels(of: left), "\(name)")
            #expect(try encoded.sampleNames(of: name) == pixels.sampleNames(of: name))
            #expect(try encoded.sourceSizes(of: name).map(\.width) == pixels.sourceSizes(of: name).map(\.width))
            try right.confirm()
        }
        #expect(try encoded.checkPixels().isEmpty)
        #expect(try encoded.computeImageDigest("train") == pixels.computeImageDigest("train"))
    }

    @Test("the files decode to the pixels of a conversion, digests and statistics are those, whatever the threads")
    func equal() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in", count: 8)
        try convert(scratch, to: "p.h5", encoded: false)
        for threads in [1, 3] { try convert(scratch, to: "e\(threads).h5", encoded: true, threads: threads) }
        #expect(try scratch.bytes("e1.h5") == scratch.bytes("e3.h5"))
        try compare(DatasetFile(path: scratch.file("p.h5")), DatasetFile(path: scratch.file("e1.h5")))

        let file = try HDF5File.open(scratch.file("e1.h5"))
        let bytes = try file.dataset("/test/encoded").readAll(as: UInt8.self)
        let offsets = try file.dataset("/test/offsets").readIntegers().map { Int($0) }
        let names = try file.dataset("/test/names").readStrings()
        for (index, name) in names.enumerated() {
            #expect(try Array(bytes[offsets[index]..<offsets[index + 1]]) == scratch.bytes("in/\(name)"))
        }
        #expect(offsets.count == 5 && scratch.names() == ["e1.h5", "e3.h5", "in", "p.h5"])
    }

    @Test(
        "pictures of every kind are resized as in a conversion, however they fit",
        arguments: ImagePreparation.Fit.allCases, [true, false])
    func resized(fit: ImagePreparation.Fit, turns: Bool) throws {
        let scratch = try Scratch()
        try putPictures(scratch)
        for (name, isEncoded) in [("p.h5", false), ("e.h5", true)] {
            try convert(scratch, to: name, encoded: isEncoded, size: .init(width: 9, height: 7)) {
                $0.preparation.fit = fit
                $0.preparation.filter = .bicubic
                $0.preparation.channels = 3
                $0.preparation.orients = turns
            }
        }
        try compare(DatasetFile(path: scratch.file("p.h5")), DatasetFile(path: scratch.file("e.h5")))
    }

    @Test("what is not there to be stored encoded is a wrong use of the options")
    func options() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in")
        for change in [{ $0.gzipLevel = 1 }, { $0.checksum = true }] as [(inout ConversionOptions) -> Void] {
            let failure = #expect(throws: Failure.self) { try convert(scratch, to: "e.h5", encoded: true, change) }
            #expect(failure?.code == .usage && failure?.message.contains("compressed already") == true)
        }
        var options = ConversionOptions()
        options.storesEncoded = true
        let failure = #expect(throws: Failure.self) {
            try SyntheticDataset.write(to: scratch.file("s.h5"), train: 10, test: 10, seed: 1, options: options)
        }
        #expect(failure?.code == .usage && failure?.message.contains("the source holds pixels") == true)
        #expect(scratch.names() == ["in"])
    }

    /// A file as others might write it: three PNG files of 4×5×3.
    private func write(
        _ scratch: Scratch, offsets: [Int64]? = nil, shape: [Int64] = [4, 5, 3],
        _ change: (inout [UInt8]) -> Void = { _ in }
    ) throws -> String {
        let pictures = (0..<3).map { ImageFixture.png($0) }
        var bytes = Array(pictures.joined())
        change(&bytes)
        let starts = pictures.reduce(into: [Int64(0)]) { $0.append($0[$0.count - 1] + Int64($1.count)) }
        let path = scratch.file("x.h5")
        try? FileManager.default.removeItem(atPath: path)
        let file = try HDF5File.create(path)
        try file.setAttribute("format", on: "/", .string(DatasetFileFormat.name))
        try file.setAttribute("format_version", on: "/", .integer(DatasetFileFormat.version))
        try file.write("/classes", strings: ["a", "b"])
        try file.write("/train/encoded", shape: [bytes.count], bytes)
        try file.setAttribute("shape", on: "/train/encoded", .integers(shape))
        let table = offsets ?? starts
        try file.write("/train/offsets", shape: [table.count], table)
        try file.write("/train/labels", shape: [3], [Int64(0), 1, 0])
        try file.write("/train/names", strings: ["p.png", "q.png", "r.png"])
        try file.close()
        return path
    }

    @Test("a file that others wrote needs neither digests nor statistics")
    func foreign() throws {
        let scratch = try Scratch()
        let split = try DatasetFile(path: write(scratch)).split("train")
        #expect(
            TestSupport.pixels(of: split)
                == (0..<3).flatMap { ImageFixture.pixels($0, height: 4, width: 5, channels: 3) })
    }

    @Test(
        "a table that cannot be is refused where it is wrong",
        arguments: [
            ([0, 50, 40, -1], "expected numbers that ascend"), ([0, 40, 40, -1], "holds 40 at 2 behind 40"),
            ([1, 40, 80, -1], "goes from 1 to"), ([0, 40, 80, 1 << 40], "to 1099511627776, expected 0 to"),
            ([0, 1 << 40, 80, -1], "holds 80 at 2 behind 1099511627776"),
            ([0, .min, 80, -1], "holds -9223372036854775808 at 1"),
            ([0], "expected (N + 1,) int64"), ([0, -1], "has shape [3], expected [1]"),
            ([Int64](repeating: 0, count: 100_000), "of shape [100000], expected (N + 1,) int64 with N in 1…"),
        ] as [([Int64], String)])
    func offsets(table: [Int64], words: String) throws {
        let scratch = try Scratch()
        let count = Int64((0..<3).reduce(0) { $0 + ImageFixture.png($1).count })
        let path = try write(scratch, offsets: table.map { $0 == -1 ? count : $0 })
        let failure = #expect(throws: Failure.self) { try DatasetFile(path: path) }
        #expect(failure?.code == .badData && failure?.message.contains(words) == true, "\(failure?.message ?? "")")
    }

    @Test(
        "a shape that cannot be is refused before anything of its size is allocated",
        arguments: [[4, 5], [4, 5, 2], [0, 5, 3], [1 << 16, 1 << 16, 3], [.max, .max, 3], [.min, 5, 1]] as [[Int64]])
    func shapes(shape: [Int64]) throws {
        let scratch = try Scratch()
        let path = try write(scratch, shape: shape)
        let failure = #expect(throws: Failure.self) { try DatasetFile(path: path) }
        #expect(
            failure?.code == .badData && failure?.message.contains("/train/encoded@shape is") == true,
            "\(failure?.message ?? "")")
    }

    @Test("a picture that cannot be decoded, or has another size, is named by its number and name")
    func damaged() throws {
        let scratch = try Scratch()
        let first = ImageFixture.png(0).count
        var path = try write(scratch) { $0[first + 40] ^= 0xFF }
        let failure = #expect(throws: Failure.self) { try DatasetFile(path: path) }
        #expect(
            failure?.code == .badData
                && failure?.message.contains("/train/encoded[1] (q.png) cannot be decoded") == true,
            "\(failure?.message ?? "")")
        path = try write(scratch, shape: [5, 4, 3])
        let other = #expect(throws: Failure.self) { try DatasetFile(path: path) }
        #expect(
            other?.message.contains("/train/encoded[0] (p.png) is 5×4, the others 4×5") == true,
            "\(other?.message ?? "")")
    }

    @Test("bytes that are not those of their digest are damage, found without decoding")
    func digest() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in", count: 8)
        try convert(scratch, to: "e.h5", encoded: true)
        let offset = try #require(try HDF5File.open(scratch.file("e.h5")).dataset("/train/encoded").fileOffset)
        var bytes = try scratch.bytes("e.h5")
        bytes[offset + 45] ^= 1
        try scratch.write(bytes, "e.h5")
        let file = try DatasetFile(path: scratch.file("e.h5"))
        let failure = #expect(throws: Failure.self) { try file.checkPixels() }
        #expect(
            failure?.code == .badData && failure?.message.contains("/train/encoded has SHA-256") == true,
            "\(failure?.message ?? "")")
    }
}
