import Diagnostics
import Foundation
import HDF5
import TestSupport
import Testing

@testable import Datasets
@testable import Ingest

/// Files of Generator/make_foreign.py: the same twelve images in each.
@Suite("HDF5 files that others wrote")
struct HDF5ImagesTests {
    private static let count = 12
    private static let imageBytes = 192

    private static func pixels(_ images: Range<Int>) -> [UInt8] {
        (images.lowerBound * imageBytes..<images.upperBound * imageBytes).map {
            UInt8(truncatingIfNeeded: ($0 &* 40503) >> 4)
        }
    }

    private static func labels(_ images: Range<Int>) -> [Int32] { images.map { Int32($0 * 7 % 3) } }

    private static func paths(_ names: [String]) throws -> [String] {
        try names.map { try ImageFixture.path("foreign/\($0)") }
    }

    @Test(
        "every layout is read in its roles, and converts to a file of the same images, digests and labels",
        arguments: [
            (
                [
                    "camelyonpatch_level_2_split_train_x.h5", "camelyonpatch_level_2_split_train_y.h5",
                    "camelyonpatch_level_2_split_valid_x.h5", "camelyonpatch_level_2_split_valid_y.h5",
                ], ["train": 0..<12, "val": 0..<4], ["0", "1", "2"]
            ),
            (["galaxy10.h5"], ["train": 0..<12], ["0", "1", "2"]),
            (["train_signs.h5", "test_signs.h5"], ["train": 0..<12, "test": 0..<4], ["ant", "bee", "cow"]),
            (["caffe.h5"], ["train": 0..<12], ["0", "1", "2"]),
            (["caffe-row.h5"], ["train": 0..<12], ["0", "1", "2"]),
            (["keras.h5"], ["train": 0..<12, "test": 0..<4], ["0", "1", "2"]),
            (["keras-groups.h5"], ["train": 0..<12, "test": 0..<4], ["0", "1", "2"]),
            (["medmnist.h5"], ["train": 0..<12, "val": 0..<4, "test": 4..<8], ["0", "1", "2"]),
            (["float64.h5"], ["train": 0..<12], ["0", "1", "2"]),
            (["chunked.h5"], ["train": 0..<12], ["0", "1", "2"]),
            (["circle.h5"], ["train": 0..<12], ["0", "1", "2"]),
            (["file-names.h5"], ["train": 0..<12], ["0", "1", "2"]),
            (["fletcher-first.h5"], ["train": 0..<12], ["0", "1", "2"]),
        ])
    func layouts(names: [String], splits: [String: Range<Int>], classes: [String]) throws {
        let scratch = try Scratch()
        let paths = try Self.paths(names)
        let foreign = try DatasetFile(foreign: paths, roles: DatasetRoles())
        let report = try HDF5Images.convert(
            paths: paths, to: scratch.file("d.h5"), options: ConversionOptions(threads: 2))
        #expect(report.leftOutCounts == (0, 0))
        let own = try DatasetFile(path: scratch.file("d.h5"))
        for file in [foreign, own] {
            #expect(file.classes == classes && file.splitNames == splits.keys.sorted())
            for (name, images) in splits {
                let split = try file.split(name)
                #expect(split.labels == Self.labels(images) && split.pixelType == .uint8)
                #expect(TestSupport.pixels(of: split) == Self.pixels(images), "\(name)")
                try split.confirm()
            }
        }
        for name in splits.keys {
            #expect(try foreign.computeImageDigest(name) == (try own.computeImageDigest(name)))
        }
        #expect(try own.checkPixels().isEmpty)
    }

    @Test("other types and axes: what they become is said, and named roles are taken as they are named")
    func types() throws {
        let scratch = try Scratch()
        var roles = DatasetRoles()
        roles.labelBase = 1
        let short = try DatasetFile(foreign: Self.paths(["int16.h5"]), roles: roles)
        #expect(try TestSupport.pixels(of: short.split("train")) == Self.pixels(0..<12))
        #expect(short.headers[0].storage == "contiguous; int16 with whole numbers in 0…255, read as uint8")
        #expect(short.classes == ["1", "2", "3"])

        func floats(_ name: String) throws -> [Float] {
            let split = try DatasetFile(foreign: Self.paths([name]), roles: DatasetRoles()).split("train")
            #expect(split.pixelType == .float32)
            return TestSupport.pixels(of: split).withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
        }
        let expected = Self.pixels(0..<12)
        #expect(try floats("unit.h5") == expected.map { Float($0) / 255 })
        #expect(try floats("uint16.h5") == expected.map { Float(Double($0) * 257 * (1.0 / 65_535)) })
        #expect(
            try floats("half.h5") == expected.map { Float((Double($0) + ($0 < 128 ? 0.5 : 0)) * (1.0 / 255)) })
        for (name, chunks) in [
            ("gray.h5", .streamed), ("gray-chunks.h5", .streamed), ("gray-chunks.h5", .inMemory(threads: 2)),
        ] as [(String, DatasetFile.ChunkAccess)] {
            let gray = try DatasetFile(foreign: Self.paths([name]), roles: DatasetRoles(), chunks: chunks)
            #expect(gray.channels == 1)
            #expect(
                try TestSupport.pixels(of: gray.split("train"))
                    == stride(from: 0, to: expected.count, by: 3).map { expected[$0] }, "\(name)")
        }

        let path = try Self.paths(["two-images.h5"])[0]
        var named = DatasetRoles()
        named.images = ["train": "\(path)#/left"]
        named.labels = ["train": "/labels"]
        try HDF5Images.convert(paths: [path], to: scratch.file("n.h5"), roles: named)
        let command = try DatasetFile(path: scratch.file("n.h5")).text("command")
        #expect(command == "swift-train convert hdf5 --images two-images.h5#/left --labels /labels")
        var square = DatasetRoles()
        square.layout = .nchw
        #expect(try DatasetFile(foreign: Self.paths(["axes.h5"]), roles: square).channels == 3)
    }

    @Test(
        "images that are converted come to memory where any may be asked for, and out of order where neighbours are",
        arguments: ["chunked.h5", "float64.h5", "caffe.h5", "int16.h5"], [1, 3])
    func inMemory(name: String, threads: Int) throws {
        let path = try Self.paths([name])
        for chunks in [.streamed, .inMemory(threads: threads)] as [DatasetFile.ChunkAccess] {
            let split = try DatasetFile(foreign: path, roles: DatasetRoles(), chunks: chunks).split("train")
            for image in [11, 0, 5, 4] {
                var bytes = [UInt8](repeating: 0, count: Self.imageBytes)
                try bytes.withUnsafeMutableBytes { try split.fill($0.baseAddress!, sample: image) }
                #expect(bytes == Self.pixels(image..<image + 1), "\(name) \(chunks)")
            }
            try split.confirm()
        }
    }

    @Test("labels that are far from the first class, or no row, are refused where they lie")
    func labelRange() throws {
        func failure(_ name: String, _ change: (inout DatasetRoles) -> Void) throws -> String {
            var roles = DatasetRoles()
            change(&roles)
            let paths = try Self.paths([name])
            return #expect(throws: Failure.self) { try DatasetFile(foreign: paths, roles: roles) }?.message ?? ""
        }
        #expect(
            try failure("galaxy10.h5") { $0.labelBase = .min }.contains(
                "holds 0 at 0, expected at most 1048576 classes"))
        #expect(
            try failure("galaxy10.h5") { $0.labelBase = .max }.contains("holds 0 at 0, expected 2147483647 or more"))
        let scalar = try failure("scalar-label.h5") { roles in
            roles.images = ["train": "/images"]
            roles.labels = ["train": "/labels"]
        }
        #expect(scalar.contains("is int64 of shape [], expected 1 numbers"), "\(scalar)")
    }

    @Test("splits that are not named are found in the rest, and a warning says where they are not clear")
    func partlyNamed() throws {
        var roles = DatasetRoles()
        roles.images = ["test": "/X_test"]
        roles.labels = ["test": "/y_test"]
        let both = try DatasetFile(foreign: Self.paths(["keras.h5"]), roles: roles)
        #expect(both.splitNames == ["test", "train"] && both.headers.allSatisfy(\.warnings.isEmpty))
        #expect(try TestSupport.pixels(of: both.split("train")) == Self.pixels(0..<12))

        let scratch = try Scratch()
        roles.images = ["test": "/left"]
        roles.labels = ["test": "/labels"]
        let report = try HDF5Images.convert(
            paths: Self.paths(["two-images.h5"]), to: scratch.file("d.h5"), roles: roles)
        #expect(try DatasetFile(path: scratch.file("d.h5")).splitNames == ["test"])
        #expect(
            report.warnings.count == 1
                && report.warnings[0].hasPrefix("nothing is taken for train, which is not named: "),
            "\(report.warnings)")
    }

    /// A file with images and labels as others write them: uint8 unless `reals`.
    private static func write(
        _ path: String, _ parts: [(images: String, shape: [Int], labels: String)], reals: Bool = false,
        label: (Int) -> Int64 = { Int64($0 % 3) }
    ) throws {
        let file = try HDF5File.create(path)
        for (images, shape, labels) in parts {
            let count = shape.reduce(1, *)
            if reals {
                try file.write(images, shape: shape, (0..<count).map { Float($0 % 256) / 256 })
            } else {
                try file.write(images, shape: shape, (0..<count).map { UInt8(truncatingIfNeeded: $0) })
            }
            try file.write(labels, shape: [shape[0]], (0..<shape[0]).map(label))
        }
        try file.close()
    }

    @Test(
        "a split that nobody named and that is of another kind, or cannot be used, is left out with a note",
        arguments: [
            ([6, 8, 8, 3], "holds 8×8×3 images (uint8), "), ([6, 6, 5, 1], "holds 6×5×1 images (uint8), "),
            ([6, 3, 6, 5], nil), ([0, 6, 5, 3], "uint8 (0, 6, 5, 3) holds no images"),
        ])
    func otherKinds(shape: [Int], words: String?) throws {
        let scratch = try Scratch()
        let path = scratch.file("f.h5")
        try Self.write(path, [("/a", [6, 6, 5, 3], "/b"), ("/x_test", shape, "/y_test")])
        var roles = DatasetRoles()
        (roles.images, roles.labels) = (["train": "/a"], ["train": "/b"])
        let file = try DatasetFile(foreign: [path], roles: roles)
        let warnings = file.headers.flatMap(\.warnings)
        if let words {
            #expect(file.splitNames == ["train"] && warnings.count == 1)
            #expect(
                warnings[0].hasPrefix("nothing is taken for test") && warnings[0].contains(words), "\(warnings)")
        } else {
            #expect(file.splitNames == ["test", "train"] && warnings.isEmpty)
        }
        // Where nothing is named, or both are, two kinds are an error.
        if words?.hasPrefix("holds") == true {
            roles.images["test"] = "/x_test"
            roles.labels["test"] = "/y_test"
            let failure = #expect(throws: Failure.self) { try DatasetFile(foreign: [path], roles: roles) }
            #expect(failure?.code == .badData && failure?.message.contains("expected one kind") == true)
        }
    }

    @Test("labels that begin above the number of the first class are noted, those that lack a class elsewhere are not")
    func labelBases() throws {
        let scratch = try Scratch()
        func warnings(_ name: String, base: Int32 = 0, _ label: @escaping (Int) -> Int64) throws -> [String] {
            try Self.write(scratch.file(name), [("/images", [8, 6, 5, 3], "/labels")], label: label)
            var roles = DatasetRoles()
            roles.labelBase = base
            return try DatasetFile(foreign: [scratch.file(name)], roles: roles).headers.flatMap(\.warnings)
        }
        let note =
            "labels go from 1 to 4, and class 0 has no images; if the first class is 1, say so (--label-base 1 of convert "
            + "hdf5, or --set data.label_base=1)"
        #expect(try warnings("a.h5") { Int64($0 % 4 + 1) } == ["\(scratch.file("a.h5")): \(note)"])
        #expect(try warnings("b.h5", base: 1) { Int64($0 % 4 + 1) }.isEmpty)
        #expect(try warnings("c.h5") { Int64($0 % 4 * 2) }.isEmpty)
        #expect(try warnings("d.h5") { Int64($0 % 2 + 3) }.first?.contains("classes 0 to 2 have no images") == true)
    }

    @Test("what numbers mean is found out once for a file that lies unchanged")
    func rememberedMeaning() throws {
        let scratch = try Scratch()
        let cache = PixelFactsCache(path: scratch.file("verified"))
        func type() throws -> PixelType {
            try DatasetFile(
                foreign: Self.paths(["float64.h5"]), roles: DatasetRoles(), chunks: .streamed, cache: cache
            ).headers[0].pixelType
        }
        #expect(try type() == .uint8)
        let text = String(decoding: try scratch.bytes("verified"), as: UTF8.self)
        #expect(text.contains(" levels\n"), "\(text)")
        try scratch.write(Array(text.replacing(" levels\n", with: " reals\n").utf8), "verified")
        #expect(try type() == .float32)
    }

    @Test("chunks are unpacked once: to find out what numbers mean, in order, and all at once")
    func chunksOnce() throws {
        for threads in [nil, 1, 3] {
            let file = try DatasetFile(
                foreign: Self.paths(["chunked.h5"]), roles: DatasetRoles(),
                chunks: threads.map { .inMemory(threads: $0) } ?? .streamed, cache: PixelFactsCache(path: nil))
            let images = try #require(file.headers[0].foreign)
            let watch = try FileWatch(
                path: images.dataset.file.path, descriptor: try images.dataset.file.descriptor())
            let chunks = ChunkedBytes(
                watch, table: try #require(try images.dataset.chunkTable()), place: images.dataset.place)
            let pixels = ConvertedPixels(images, raw: chunks, watch: watch)
            if let threads {
                let memory = UnsafeMutableRawBufferPointer.allocate(byteCount: 12 * Self.imageBytes, alignment: 64)
                defer { memory.deallocate() }
                try pixels.readAll(into: memory, threads: threads)
                #expect(Array(memory) == Self.pixels(0..<12))
            } else {
                var bytes = [UInt8](repeating: 0, count: Self.imageBytes)
                for image in 0..<12 {
                    try bytes.withUnsafeMutableBytes {
                        try pixels.copy(
                            image * Self.imageBytes..<(image + 1) * Self.imageBytes, to: $0.baseAddress!)
                    }
                    #expect(bytes == Self.pixels(image..<image + 1))
                }
            }
            #expect(chunks.unitsRead == 3)
        }

        // 180,000 numbers an image, three images a chunk.
        let scratch = try Scratch()
        let file = try HDF5File.create(scratch.file("f.h5"))
        let images = try file.createDataset(
            "/images", shape: [6, 300, 300, 2], type: .float32,
            storage: .chunked(shape: [3, 300, 300, 2], gzipLevel: 1, fletcher32: false))
        let numbers = (0..<6 * 180_000).map { Float($0 % 256) / 256 }
        try numbers.withUnsafeBufferPointer { try images.write(rows: 0..<6, $0) }
        let found = try ForeignImages(images, DatasetRoles(), PixelFactsCache(path: nil))
        #expect(found.values == .reals && images.numberReads == 2)
    }

    @Test("images of other types than uint8 are bounded in size before anything is read")
    func largeImages() throws {
        let scratch = try Scratch()
        let file = try HDF5File.create(scratch.file("f.h5"))
        let images = try file.createDataset(
            "/images", shape: [1, 4100, 4100, 1], type: .float32,
            storage: .chunked(shape: [1, 100, 4100, 1], gzipLevel: 1, fletcher32: false))
        let failure = #expect(throws: Failure.self) {
            try ForeignImages(images, DatasetRoles(), PixelFactsCache(path: nil))
        }
        #expect(
            failure?.message.hasSuffix(
                "is float32 of shape [1, 4100, 4100, 1], whose images have more than 16 Mi numbers; uint8 may have 128 Mi"
            )
                == true, "\(failure?.message ?? "")")
        #expect(images.numberReads == 0)
    }

    @Test("names with # and quotes are read back as they are printed, numbers below 0 too")
    func words() throws {
        #expect(DatasetRoles.parts(of: "/a#/b.h5#/x", in: [])?.file == "/a#/b.h5")
        #expect(DatasetRoles.parts(of: "/a#/b.h5#/x#/y", in: ["/a#/b.h5"])?.name == "/x#/y")
        #expect(DatasetRoles.parts(of: "/x", in: ["f.h5"]) == nil && DatasetRoles.parts(of: "x#y", in: []) == nil)
        #expect(DatasetRoles.option("label-base", "-1") == "--label-base=-1")

        let scratch = try Scratch()
        try scratch.write(ImageFixture.bytes("foreign/two-images.h5"), "it's #1.h5")
        let path = scratch.file("it's #1.h5")
        let failure = #expect(throws: Failure.self) { try DatasetFile(foreign: [path], roles: DatasetRoles()) }
        let words = "--images '\(path.replacing("'", with: #"'\''"#))#/left' --labels"
        #expect(failure?.message.contains(words) == true, "\(failure?.message ?? "")")
        var roles = DatasetRoles()
        roles.images = ["train": "\(path)#/left"]
        roles.labels = ["train": "\(path)#/labels"]
        let file = try DatasetFile(foreign: [path], roles: roles)
        #expect(try TestSupport.pixels(of: file.split("train")) == Self.pixels(0..<12))
    }

    @Test("what reads images without roles names a way that it has")
    func unlabelledAxes() throws {
        let path = try Self.paths(["axes.h5"])[0]
        let failure = #expect(throws: Failure.self) { try StoredImages.all(in: path) }
        #expect(
            failure?.message.contains("swift-train convert hdf5 and --layout nhwc or --layout nchw") == true
                && failure?.message.contains("--set") == false, "\(failure?.message ?? "")")
    }

    @Test("rows are read by whole rows of chunks")
    func rowsPerRead() throws {
        let chunked = try HDF5File.open(Self.paths(["chunked.h5"])[0]).dataset("/images")
        #expect([1, 5, 6].map(chunked.rowsPerRead) == [5, 5, 10])
        let plain = try HDF5File.open(Self.paths(["galaxy10.h5"])[0]).dataset("/images")
        #expect([0, 1, 7].map(plain.rowsPerRead) == [1, 1, 7])
    }

    @Test("names beside the images are theirs, not those of the classes")
    func names() throws {
        let file = try DatasetFile(foreign: Self.paths(["file-names.h5"]), roles: DatasetRoles())
        #expect(try file.sampleNames(of: "train") == (0..<12).map { "\($0).png" })
    }

    @Test(
        "images without labels are found as labelled ones are, and have the same pixels",
        arguments: ["caffe.h5", "float64.h5", "galaxy10.h5", "camelyonpatch_level_2_split_train_x.h5", "no-labels.h5"])
    func unlabelled(name: String) throws {
        let found = try StoredImages.all(in: Self.paths([name])[0])
        #expect(found.map(\.name) == ["train"])
        #expect(TestSupport.pixels(of: found[0].images) == Self.pixels(0..<12))
        let two = try StoredImages.all(in: Self.paths(["two-images.h5"])[0])
        #expect(two.map(\.name) == ["left", "right"])
    }

    @Test(
        "what is not clear is an error with the lines to choose by, and what is wrong is named",
        arguments: [
            ("two-images.h5", "--images '%/two-images.h5#/left' --labels '%/two-images.h5#/labels'"),
            ("two-images.h5", "--images '%/two-images.h5#/right' --labels '%/two-images.h5#/labels'"),
            ("two-labels.h5", "--images '%/two-labels.h5#/images' --labels '%/two-labels.h5#/label_b'"),
            ("two-images.h5", "--set 'data.images=%/two-images.h5#/right' --set 'data.labels=%/two-images.h5#/labels'"),
            ("axes.h5", "Choose one:\n  convert hdf5   --layout nhwc\n  train          --set data.layout=nhwc"),
            ("many-hot.h5", "has 3 ones in row 0, expected one-hot rows"),
            ("fractions.h5", "holds 0.5 at 0, expected whole numbers"),
            ("negative.h5", "(--label-base=-1 of convert hdf5, or --set data.label_base=-1)"),
            ("no-labels.h5", "--set 'data.images=%/no-labels.h5#/images' --set 'data.labels=FILE#/PATH'"),
            ("not-a-number.h5", "not-a-number.h5:/images holds nan in image 7 among whole numbers in 0…255"),
            ("least-label.h5", "holds -9223372036854775808 at 2, expected 0 or more"),
            ("scalar-label.h5", "could be images, but nothing holds a label for each of them"),
            ("levels.h5", "holds 0.0 to 2295.0, expected 0…255"),
            ("no-labels.h5", "could be images, but nothing holds a label for each of them"),
            ("weights.h5", "it looks like weights of Keras"),
            ("linked.h5", "%/linked.h5:/images: is an external or user-defined link; only hard links are followed"),
            ("external.h5", "external storage is not read"),
            ("virtual.h5", "virtual layout is not read"),
            ("bomb.h5", "the file has"),
            ("types.h5", "holds no images"),
        ])
    func refused(name: String, words: String) throws {
        let scratch = try Scratch()
        let path = try Self.paths([name])[0]
        let failure = #expect(throws: Failure.self) {
            try HDF5Images.convert(paths: [path], to: scratch.file("d.h5"))
        }
        let folder = String(path.dropLast(name.utf8.count + 1))
        #expect(failure?.code == .badData, "\(failure?.message ?? "")")
        #expect(
            failure?.message.contains(words.replacing("%", with: folder)) == true, "\(failure?.message ?? "")")
        #expect(scratch.names().isEmpty)
    }
}
