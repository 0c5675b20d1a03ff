import Foundation
import TestSupport
import Testing

@testable import HDF5

@Suite("HDF5 files")
struct HDF5FileTests {
    @Test("numbers of every type come back as they went in, from disk")
    func roundTrip() throws {
        let scratch = try Scratch()
        let file = try HDF5File.create(scratch.file("a.h5"))
        try file.write("/deep/er/bytes", shape: [2, 3], [1, 2, 3, 4, 5, 255] as [UInt8])
        try file.write("/i32", shape: [2], [Int32.min, .max])
        try file.write("/i64", shape: [2], [Int64.min, .max])
        try file.write("/f32", shape: [1, 1, 1, 4], [Float.infinity, -0.0, .leastNonzeroMagnitude, 3])
        try file.write("/f64", shape: [], [Double.pi])
        try file.write("/empty", shape: [0, 4], [Float]())
        try file.close()

        let again = try HDF5File.open(scratch.file("a.h5"))
        #expect(try again.dataset("/deep/er/bytes").readAll(as: UInt8.self) == [1, 2, 3, 4, 5, 255])
        #expect(try again.dataset("/deep/er/bytes").shape == [2, 3])
        #expect(try again.dataset("/i32").readAll(as: Int32.self) == [.min, .max])
        #expect(try again.dataset("/i64").readAll(as: Int64.self) == [.min, .max])
        let floats = try again.dataset("/f32").readAll(as: Float.self)
        #expect(floats.map(\.bitPattern) == [Float.infinity, -0.0, .leastNonzeroMagnitude, 3].map(\.bitPattern))
        #expect(try again.dataset("/f64").readAll(as: Double.self) == [.pi])
        #expect(try again.dataset("/empty").readAll(as: Float.self) == [])
        #expect(try again.children(of: "/") == ["deep", "empty", "f32", "f64", "i32", "i64"])
        #expect(again.exists("/deep/er") && !again.exists("/deep/est") && again.exists("/"))
    }

    @Test("rows are written and read in pieces, contiguous or in gzip chunks")
    func rows() throws {
        let scratch = try Scratch()
        for (name, storage) in [
            ("c.h5", HDF5Storage.contiguous), ("z.h5", .chunked(shape: [2, 3], gzipLevel: 6, fletcher32: true)),
        ] {
            let file = try HDF5File.create(scratch.file(name))
            let dataset = try file.createDataset("/x", shape: [5, 3], type: .float32, storage: storage)
            for start in [0, 2, 4] {
                let rows = start..<min(start + 2, 5)
                let values = rows.flatMap { row in (0..<3).map { Float(row * 3 + $0) } }
                try values.withUnsafeBufferPointer { try dataset.write(rows: rows, $0) }
            }
            try file.close()

            let again = try HDF5File.open(scratch.file(name)).dataset("/x")
            var middle = [Float](repeating: 0, count: 6)
            try middle.withUnsafeMutableBufferPointer { try again.read(rows: 1..<3, into: $0) }
            #expect(middle == [3, 4, 5, 6, 7, 8])
            #expect(try again.readAll(as: Float.self) == (0..<15).map { Float($0) })
            #expect(again.isContiguous == (storage == .contiguous))
            #expect((again.fileOffset == nil) == (storage != .contiguous))
        }
        let chunked = try HDF5File.open(scratch.file("z.h5")).dataset("/x")
        #expect(chunked.storageDescription == "chunks of 2×3, gzip 6, fletcher32")
    }

    @Test("the file offset of contiguous data points at its bytes")
    func fileOffset() throws {
        let scratch = try Scratch()
        let values = (0..<100_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let file = try HDF5File.create(scratch.file("a.h5"))
        try file.write("/x", shape: [values.count], values)
        try file.close()
        let offset = try #require(try HDF5File.open(scratch.file("a.h5")).dataset("/x").fileOffset)
        #expect(offset % 4096 == 0)
        #expect(Array(try scratch.bytes("a.h5")[offset..<offset + values.count]) == values)
    }

    @Test("attributes hold strings, integers, reals and rows of them")
    func attributes() throws {
        let scratch = try Scratch()
        let file = try HDF5File.create(scratch.file("a.h5"))
        let values: [(String, HDF5Value)] = [
            ("text", .string("Größe 🙂")), ("empty", .string("")),
            ("long", .string(String(repeating: "x", count: 100_000))),
            ("count", .integer(.min)), ("rate", .real(0.1)), ("counts", .integers([1, -2])), ("mean", .reals([0.5])),
            ("none", .integers([])),
        ]
        for (name, value) in values { try file.setAttribute(name, on: "/", value) }
        try file.createGroup("/a/b")
        try file.setAttribute("text", on: "/a/b", .string("deep"))
        try file.close()
        let again = try HDF5File.open(scratch.file("a.h5"))
        for (name, value) in values { #expect(try again.attribute(name, on: "/") == value) }
        #expect(try again.attribute("text", on: "/a/b") == .string("deep"))
        #expect(try again.attribute("missing", on: "/") == nil)
        #expect(
            try again.attributeNames(on: "/") == ["count", "counts", "empty", "long", "mean", "none", "rate", "text"])
    }

    @Test("rows of strings come back as UTF-8")
    func strings() throws {
        let scratch = try Scratch()
        let file = try HDF5File.create(scratch.file("a.h5"))
        let names = ["T-shirt/top", "", "Schuhgröße", "🙂"]
        try file.write("/classes", strings: names)
        try file.write("/none", strings: [])
        try file.close()
        let again = try HDF5File.open(scratch.file("a.h5"))
        #expect(try again.dataset("/classes").readStrings() == names)
        #expect(try again.dataset("/none").readStrings() == [])
    }

    @Test("equal calls give equal bytes")
    func determinism() throws {
        let scratch = try Scratch()
        for name in ["a.h5", "b.h5"] {
            let file = try HDF5File.create(scratch.file(name))
            try file.write("/g/x", shape: [100, 1000], [Float](repeating: 1, count: 100_000))
            try file.write("/classes", strings: ["a", "b"])
            try file.setAttribute("format", on: "/", .string("test"))
            try file.close()
            if name == "a.h5" { Thread.sleep(forTimeInterval: 1.1) }  // a stored time would differ
        }
        #expect(try scratch.bytes("a.h5") == scratch.bytes("b.h5"))
    }

    @Test("a file in memory gives its image, which opens again without a copy")
    func image() throws {
        let file = try HDF5File.createInMemory(name: "checkpoint")
        let values = (0..<300_000).map { Float($0) }
        try file.write("/model/w", shape: [300, 1000], values)
        try file.setAttribute("step", on: "/", .integer(7))
        let image = try file.image()
        let lent = try file.withImage { Array($0) }
        #expect(image == lent)
        #expect(image.count < values.count * 4 + 16384)
        try file.close()
        try image.withUnsafeBytes { bytes in
            let again = try HDF5File.open(image: bytes, name: "checkpoint")
            #expect(try again.dataset("/model/w").readAll(as: Float.self) == values)
            #expect(try again.attribute("step", on: "/") == .integer(7))
            try again.close()
        }
    }

    @Test("an image on disk is an ordinary file")
    func imageOnDisk() throws {
        let scratch = try Scratch()
        let file = try HDF5File.createInMemory(name: "m")
        try file.write("/x", shape: [3], [1, 2, 3] as [Int64])
        try Data(try file.image() + [UInt8](repeating: 9, count: 64)).write(
            to: URL(fileURLWithPath: scratch.file("m.h5")))
        #expect(try HDF5File.open(scratch.file("m.h5")).dataset("/x").readAll(as: Int64.self) == [1, 2, 3])
    }

    @Test("creating does not overwrite")
    func exclusive() throws {
        let scratch = try Scratch()
        try HDF5File.create(scratch.file("a.h5")).close()
        let error = #expect(throws: HDF5Error.self) { try HDF5File.create(scratch.file("a.h5")) }
        #expect(error?.call == "H5Fcreate")
        #expect(error?.description.contains("File exists") == true)
    }

    @Test("errors carry the call, the place and the library's own words")
    func errors() throws {
        let scratch = try Scratch()
        let missing = #expect(throws: HDF5Error.self) { try HDF5File.open(scratch.file("none.h5")) }
        #expect(missing?.reason == "unable to open file: No such file or directory (errno = 2)")
        #expect(missing?.call == "H5Fopen")
        let file = try HDF5File.create(scratch.file("a.h5"))
        try file.write("/x", shape: [3], [1, 2, 3] as [Float])
        #expect(throws: HDF5Error(call: "H5Lexists", place: file.path + ":/y/z", reason: "there is no /y")) {
            try file.dataset("/y/z")
        }
        let type = #expect(throws: HDF5Error.self) { try file.dataset("/x").readAll(as: Double.self) }
        #expect(type?.reason == "is float32, expected float64")
        let twice = #expect(throws: HDF5Error.self) { try file.write("/x", shape: [1], [1] as [Float]) }
        #expect(twice?.reason.contains("name already exists") == true)
        try file.close()
        #expect(throws: HDF5Error.self) { try file.dataset("/x") }
        try file.close()
    }

    @Test("a full device is recognised by the system's number")
    func fullDevice() {
        func isDiskFull(_ reason: String) -> Bool { HDF5Error(call: "H5Fflush", place: "a", reason: reason).isDiskFull }
        #expect(isDiskFull("file write failed: No space left on device (errno = 28)"))
        #expect(isDiskFull("file write failed: Disk quota exceeded (errno = 122)"))
        #expect(!isDiskFull("file write failed: Input/output error (errno = 5)"))
    }

    @Test("nothing stays open in a process that is done with its files, also after errors")
    func leaks() async {
        await #expect(processExitsWith: .exitCode(0)) {
            let name = "/tmp/swift-train-leak-\(ProcessInfo.processInfo.processIdentifier).h5"
            defer { try? FileManager.default.removeItem(atPath: name) }
            do {
                let file = try HDF5File.create(name)
                try file.write("/g/x", shape: [3], [1, 2, 3] as [Float])
                try file.write("/names", strings: ["a"])
                try file.setAttribute("text", on: "/g/x", .string("t"))
                try file.setAttribute("row", on: "/g/x", .reals([1]))
                try file.close()
            }
            do {
                let file = try HDF5File.open(name)
                _ = try file.dataset("/g/x").readAll(as: Float.self)
                _ = try file.dataset("/names").readStrings()
                _ = try file.attribute("text", on: "/g/x")
                _ = try file.children(of: "/g")
                _ = try? file.dataset("/g")
                _ = try? file.dataset("/none")
                _ = try? file.children(of: "/g/x")
                _ = try? file.dataset("/names").readAll(as: Float.self)
                #expect(file.openObjectCount == 1)
            }
            exit(HDF5File.openObjectCount == 0 ? 0 : 1)
        }
    }
}
