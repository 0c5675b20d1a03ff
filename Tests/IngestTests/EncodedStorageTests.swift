import Diagnostics
import Foundation
import HDF5
import TestSupport
import Testing

@testable import Datasets
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
        preprocessing: String? = nil, storage: HDF5Storage = .contiguous, _ change: (inout [UInt8]) -> Void = { _ in }
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
        if let preprocessing { try file.setAttribute("preprocessing", on: "/", .string(preprocessing)) }
        let encoded = try file.createDataset(
            "/train/encoded", shape: [bytes.count], type: .uint8, storage: storage)
        try bytes.withUnsafeBufferPointer { try encoded.write(rows: 0..<bytes.count, $0) }
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

    @Test("a picture of another size is refused by its header, before its pixels are decoded")
    func headerFirst() throws {
        let scratch = try Scratch()
        let path = try write(scratch, shape: [5, 4, 3]) { $0[45] ^= 0xFF }
        let failure = #expect(throws: Failure.self) { try DatasetFile(path: path) }
        #expect(failure?.message.contains("(p.png) is 5×4, the others 4×5") == true, "\(failure?.message ?? "")")
    }

    @Test(
        "a preparation that is not known, or a limit that is none, is the fault of the file's preprocessing",
        arguments: [
            (#"{"fit": "zoom"}"#, "the fit zoom, expected crop or pad or stretch"),
            (#"{"fit": 5}"#, "the fit 5, expected crop"),
            (#"{"fit": "crop", "filter": "lanczos"}"#, "the filter lanczos, expected bilinear or bicubic"),
            (#"{"orientation": "up"}"#, "the orientation up, expected as EXIF asks or as stored"),
            (#"{"largest_pixels": 0}"#, "the largest_pixels 0, expected a whole number of 1 or more"),
            (#"{"largest_pixels": -1}"#, "the largest_pixels -1, expected"),
            (#"{"largest_pixels": "NaN"}"#, "the largest_pixels NaN, expected"),
            (#"{"largest_pixels": 1e300}"#, "the largest_pixels 1e+300, expected"),
        ])
    func preprocessing(text: String, words: String) throws {
        let scratch = try Scratch()
        let path = try write(scratch, preprocessing: text)
        let failure = #expect(throws: Failure.self) { try DatasetFile(path: path) }
        #expect(
            failure?.code == .badData && failure?.message.contains(":/@preprocessing has \(words)") == true,
            "\(failure?.message ?? "")")
    }

    @Test("a file lowers the limit of pixels, and does not raise it")
    func largestPixels() throws {
        let scratch = try Scratch()
        for (recorded, limit) in [(20, 20), (1 << 40, 100_000_000)] {
            let file = try DatasetFile(path: write(scratch, preprocessing: #"{"largest_pixels": \#(recorded)}"#))
            #expect(file.headers[0].encoded?.preparation.largestPixels == limit)
        }
        let path = try write(scratch, preprocessing: #"{"largest_pixels": 19}"#)
        let failure = #expect(throws: Failure.self) { try DatasetFile(path: path) }
        #expect(failure?.message.contains("5×4 pixels, expected at most 19") == true, "\(failure?.message ?? "")")
    }

    @Test("a picture of more bytes than a file may have, and what was declared and never written, are refused unread")
    func sizes() throws {
        let scratch = try Scratch()
        func failure(
            _ name: String, encoded: (HDF5File) throws -> Void, offsets: (HDF5File) throws -> Void
        ) throws -> String {
            let file = try HDF5File.create(scratch.file(name))
            try file.setAttribute("format", on: "/", .string(DatasetFileFormat.name))
            try file.setAttribute("format_version", on: "/", .integer(DatasetFileFormat.version))
            try file.write("/classes", strings: ["a", "b"])
            try encoded(file)
            try file.setAttribute("shape", on: "/train/encoded", .integers([4, 5, 3]))
            try offsets(file)
            try file.write("/train/labels", shape: [1], [Int64(0)])
            try file.write("/filling", shape: [1 << 12], [UInt8](repeating: 1, count: 1 << 12))
            try file.close()
            let failure = #expect(throws: Failure.self) { try DatasetFile(path: scratch.file(name)) }
            #expect(failure?.code == .badData)
            return failure?.message ?? ""
        }
        let chunks = HDF5Storage.chunked(shape: [1 << 10], gzipLevel: 1, fletcher32: false)
        func row(_ file: HDF5File, _ path: String, _ count: Int, _ type: HDF5ElementType, _ storage: HDF5Storage) throws
        {
            _ = try file.createDataset(path, shape: [count], type: type, storage: storage)
        }
        func whole(_ file: HDF5File, _ count: Int) throws {
            // Written at its end alone, so that the file has a hole for the rest.
            let bytes = try file.createDataset("/train/encoded", shape: [count], type: .uint8, storage: .contiguous)
            try [UInt8(1)].withUnsafeBufferPointer { try bytes.write(rows: count - 1..<count, $0) }
        }
        let large = ImagePreparation.largestEncodedBytes + 1
        let long = try failure("long.h5") {
            try whole($0, large)
        } offsets: {
            try $0.write("/train/offsets", shape: [2], [0, Int64(large)])
        }
        #expect(
            long.contains("/train/encoded[0] has 268435457 bytes, expected at most 268435456 for a picture"), "\(long)")
        let unwritten = try failure("unwritten.h5") {
            try row($0, "/train/encoded", 1 << 20, .uint8, chunks)
        } offsets: {
            try $0.write("/train/offsets", shape: [2], [0, Int64(1 << 20)])
        }
        #expect(unwritten.contains("/train/encoded declares 1048576 elements, more than"), "\(unwritten)")
        let table = try failure("table.h5") {
            try whole($0, 1 << 17)
        } offsets: {
            try row($0, "/train/offsets", 1 << 17, .int64, chunks)
        }
        #expect(table.contains("/train/offsets declares 131072 elements, more than"), "\(table)")
    }

    @Test(
        "encoded bytes in compressed chunks are cut into blocks along them, or unpacked at once, with the same pixels")
    func chunked() throws {
        let scratch = try Scratch()
        let count = (0..<3).reduce(0) { $0 + ImageFixture.png($1).count }
        let path = try write(scratch, storage: .chunked(shape: [(count + 2) / 3], gzipLevel: 1, fletcher32: true))
        let expected = (0..<3).flatMap { ImageFixture.pixels($0, height: 4, width: 5, channels: 3) }
        let streamed = try DatasetFile(path: path).split("train")
        #expect(TestSupport.pixels(of: streamed) == expected && streamed.blocks(ofAtLeast: 1) == [0, 1, 2])
        streamed.keep(samples: 3)
        #expect(TestSupport.pixels(of: streamed) == expected)
        let memory = try DatasetFile(path: path, chunks: .inMemory(threads: 2)).split("train")
        #expect((memory.storage as? EncodedPixels)?.files is MappedBytes)
        #expect(TestSupport.pixels(of: memory) == expected)
        try memory.confirm()
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
