import Datasets
import Diagnostics
import Foundation
import HDF5
import TestSupport
import Testing

@testable import Ingest

@Suite("Conversion of image folders")
struct FolderImagesTests {
    private func convert(
        _ scratch: Scratch, _ folder: String = "in", _ output: String = "d.h5",
        fractions: SplitFractions = SplitFractions(),
        _ change: (inout ConversionOptions) -> Void = { _ in }
    ) throws -> ConversionReport {
        var options = ConversionOptions(replaceExisting: true, threads: 2)
        change(&options)
        return try FolderImages.convert(
            folder: scratch.file(folder), to: scratch.file(output), fractions: fractions, options: options)
    }

    @Test("train, valid and test become splits; classes are train's folders by bytes; names and pixels arrive")
    func splitFolders() throws {
        let scratch = try Scratch()
        for folder in ["in/train", "in/valid", "in/test"] { try scratch.putClasses(folder) }
        try scratch.put(ImageFixture.png(7), "in/train/Zebra/deep/er/x.bin")
        let report = try convert(scratch)
        let file = try DatasetFile(path: scratch.file("d.h5"))
        #expect(file.classes == ["Zebra", "ant", "bee"])
        #expect(file.splitNames == ["test", "train", "val"])
        let train = try file.split("train")
        #expect(train.labels == [0, 1, 1, 1, 1, 2, 2, 2, 2])
        let expected = [7, 0, 1, 2, 3, 100, 101, 102, 103]
            .flatMap { ImageFixture.pixels($0, height: 4, width: 5, channels: 3) }
        #expect(pixels(of: train) == expected)
        let names = try HDF5File.open(scratch.file("d.h5")).dataset("/train/names").readStrings()
        #expect(names.prefix(2) == ["train/Zebra/deep/er/x.bin", "train/ant/0.png"])
        #expect(report.text.contains("train: Zebra 1, ant 4, bee 4"))
        #expect(report.text.contains("note: val has no image of Zebra"))
        #expect(report.text.contains("next: swift-train inspect"))
    }

    @Test("the file does not depend on the number of threads, nor on a bad image among the good")
    func threads() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in", count: 150, height: 60, width: 50)
        let whole = ImageFixture.png(1, height: 60, width: 50)
        try scratch.put(Array(whole.dropLast(20)), "in/ant/100-truncated.png")
        try scratch.put(whole, "in/bee/100-more.png")
        for (compression, checksum) in [(nil, false), (1, true)] as [(Int?, Bool)] {
            for threads in [1, 2, 5] {
                _ = try convert(scratch, "in", "\(threads).h5") {
                    $0.threads = threads
                    $0.gzipLevel = compression
                    $0.checksum = checksum
                    $0.replaceExisting = true
                }
            }
            let bytes = try scratch.bytes("1.h5")
            #expect(try scratch.bytes("2.h5") == bytes)
            #expect(try scratch.bytes("5.h5") == bytes)
            let file = try DatasetFile(path: scratch.file("1.h5"))
            let train = try file.split("train")
            #expect(train.count == 301)
            #expect(try file.computeImageDigest("train") == file.headers[0].storedImageDigest)
            let last = ImageFixture.pixels(199, height: 60, width: 50, channels: 3)
            #expect(
                pixels(of: train).suffix(last.count).elementsEqual(
                    ImageFixture.pixels(199, height: 60, width: 50, channels: 3)))
        }
        #expect(
            try String(decoding: scratch.bytes("1.h5.left-out.csv"), as: UTF8.self).hasPrefix(
                "file,reason\nant/100-truncated.png,cannot be decoded"))
    }

    @Test("float and byte images keep their rows when the end of a split is given back", arguments: [0, 1, 5, 6])
    func shrinking(kept: Int) throws {
        let scratch = try Scratch()
        let rows = max(kept, 1)
        let file = try HDF5File.create(scratch.file("s.h5"))
        for (name, first) in [("/a/images", 0), ("/b/images", 1000)] {
            let values = (0..<6 * 40000).map { Float($0 + first) }
            do {
                let set = try file.createDataset(name, shape: [6, 40000], type: .float32, storage: .contiguous)
                try values.withUnsafeBufferPointer { try set.write(rows: 0..<6, $0) }
            }
            if rows < 6 { try file.shrink(name, toRows: rows, as: .contiguous) }
        }
        try file.close()
        let again = try HDF5File.open(scratch.file("s.h5"))
        for (name, first) in [("/a/images", 0), ("/b/images", 1000)] {
            let set = try again.dataset(name)
            #expect(set.shape == [rows, 40000])
            #expect(try set.readAll(as: Float.self) == (0..<rows * 40000).map { Float($0 + first) })
        }
        let bytes = try scratch.bytes("s.h5").count
        #expect(bytes < 2 * rows * 160_000 + 40_000)
    }

    @Test("a seeded split takes the same images again, its part of every class, and other images with another seed")
    func fractions() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in", count: 20)
        func names(_ seed: UInt64, _ split: String) throws -> [String] {
            let fractions = SplitFractions(
                val: try SplitFraction("10%", option: "--val"), test: try SplitFraction("0.25", option: "--test"),
                seed: seed)
            _ = try convert(scratch, fractions: fractions)
            let file = try DatasetFile(path: scratch.file("d.h5"))
            #expect(try file.split("test").labels == Array(repeating: 0, count: 5) + Array(repeating: 1, count: 5))
            #expect(try file.split("val").count == 4)
            #expect(try file.split("train").count == 26)
            return try HDF5File.open(scratch.file("d.h5")).dataset("/\(split)/names").readStrings()
        }
        let test = try names(1, "test")
        #expect(try names(1, "test") == test)
        #expect(try names(2, "test") != test)
        // The split of a sample hangs on its name alone.
        #expect(test.prefix(5).allSatisfy { $0.hasPrefix("ant/") })
        #expect(Set(test).isDisjoint(with: try names(1, "train")))
    }

    @Test("mixed sizes are an error with the histogram and three commands; --size resizes")
    func mixedSizes() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in")
        try scratch.put(ImageFixture.png(1, height: 9, width: 3), "in/ant/other.png")
        let failure = try #require(throws: Failure.self) {
            try convert(scratch) {
                $0.invocation = ["swift-train", "convert", "folder", "my photos", "--output", "p.h5"]
            }
        }
        #expect(failure.code == .badData)
        for words in ["5×4: 8 images", "3×9: 1 image", "folder 'my photos' --output p.h5 --size 32 --fit pad"] {
            #expect(failure.message.contains(words), "\(words)")
        }
        #expect(scratch.names() == ["in"])
        let report = try convert(scratch) { $0.preparation.size = ImagePreparation.Size(width: 6, height: 8) }
        #expect(report.shape == (8, 6, 3))
        let file = try DatasetFile(path: scratch.file("d.h5"))
        #expect(try #require(try file.text("command")).hasSuffix("convert folder --size 6x8"))
        #expect(try #require(try file.text("preprocessing")).contains("\"fit\": \"crop\", \"filter\": \"bilinear\""))
    }

    @Test("gray images stay gray until one has colours, or channels are asked for")
    func channels() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in", channels: 1)
        #expect(try convert(scratch).shape == (4, 5, 1))
        #expect(try convert(scratch) { $0.preparation.channels = 3 }.shape == (4, 5, 3))
        try scratch.put(ImageFixture.png(3), "in/ant/colour.png")
        #expect(try convert(scratch).shape == (4, 5, 3))
    }

    @Test("what does not belong is left out by name and reason; links stay inside; fail ends at the first bad image")
    func leftOut() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in/train", count: 3)
        try scratch.put(ImageFixture.png(1), "outside/x.png")
        try scratch.put(Array("GIF89a".utf8), "in/train/ant/a.gif")
        try scratch.put("text", "in/train/ant/notes.txt")
        try scratch.put([], "in/train/bee/empty.jpg")
        try scratch.put(ImageFixture.png(1), "in/train/.hidden/x.png")
        try scratch.put(ImageFixture.png(1), "in/test/cow/x.png")
        try scratch.put(ImageFixture.png(1), "in/test/ant/comma, \"quote\".png")
        let links = [
            ("in/train/bee/inside.png", "0.png"), ("in/train/bee/outside.png", "../../../outside/x.png"),
            ("in/train/bee/nothing.png", "nowhere"), ("in/train/bee/circle", ".."),
            ("in/train/bee/self.png", "self.png"),
        ]
        for (name, target) in links {
            try FileManager.default.createSymbolicLink(atPath: scratch.file(name), withDestinationPath: target)
        }
        let report = try convert(scratch) { $0.largestBadFraction = 1 }
        #expect(report.leftOutCounts == (bad: 7, other: 2))
        let list = String(decoding: try scratch.bytes("d.h5.left-out.csv"), as: UTF8.self)
        #expect(
            list == """
                file,reason
                test/cow/x.png,"is of class cow, which train does not have"
                train/.hidden,is hidden or belongs to the system
                train/ant/a.gif,"is a GIF file, expected JPEG or PNG"
                train/ant/notes.txt,"is no image, expected JPEG or PNG"
                train/bee/circle,is a link in a circle
                train/bee/empty.jpg,is empty
                train/bee/nothing.png,is a link to nothing
                train/bee/outside.png,is a link that leaves the folder
                train/bee/self.png,is a link in a circle

                """)
        let tooMany = try #require(throws: Failure.self) { try convert(scratch, "in", "e.h5") }
        #expect(tooMany.code == .badData)
        #expect(tooMany.message.contains("7 of 15 images cannot be used, more than --max-bad 1%"), "\(tooMany)")
        let first = try #require(throws: Failure.self) { try convert(scratch, "in", "e.h5") { $0.onError = .fail } }
        #expect(first.message.contains("test/cow/x.png: is of class cow"))
        #expect(!scratch.names().contains { $0.hasPrefix("e.h5") && !$0.hasSuffix(".csv") })
    }

    @Test("names that are not UTF-8 are read, and stored with their bytes spelled out")
    func namesOfBytes() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in")
        let path = Array(scratch.file("in/ant/").utf8) + [0xFF, 0x41] + Array("\u{e9}\n.png".utf8)
        let file = try #require(fopen(path.map { CChar(bitPattern: $0) } + [0], "w"))
        let bytes = ImageFixture.png(50)
        fwrite(bytes, 1, bytes.count, file)
        fclose(file)
        _ = try convert(scratch)
        let names = try HDF5File.open(scratch.file("d.h5")).dataset("/train/names").readStrings()
        #expect(names.contains("ant/\\xffAé\\x0a.png"))
    }

    /// The folder's content, the exit code and words of the message.
    private static let bad: [(@Sendable (Scratch) throws -> Void, ExitCode, String)] = [
        ({ _ in }, .inputMissing, "No such file"), ({ try $0.put("x", "in") }, .badData, "is not a folder"),
        ({ try $0.put("x", "in/a.png") }, .badData, "no file in a class folder"),
        ({ try $0.put("x", "in/ant/a.png") }, .badData, "none of the images can be read"),
        ({ try $0.putClasses("in/test") }, .badData, "has a folder test but no train"),
    ]

    @Test("folders without images, without train or without anything are refused", arguments: bad.indices)
    func badFolders(index: Int) throws {
        let (prepare, code, words) = Self.bad[index]
        let scratch = try Scratch()
        try prepare(scratch)
        let failure = try #require(throws: Failure.self) { try convert(scratch) }
        #expect(failure.code == code)
        #expect(failure.message.contains(words), "\(failure)")
        #expect(!scratch.names().contains("d.h5"))
    }

    @Test("a part that finds nothing left beside test and train says so")
    func nothingLeft() throws {
        for (count, test, words) in [
            (2, "40%", "has 2 images, one of which stays in train; expected more images or a smaller --test"),
            (1, nil, "has 1 image, which stays in train; expected more images"),
        ] as [(Int, String?, String)] {
            let scratch = try Scratch()
            try scratch.putClasses("in", count: count)
            let fractions = SplitFractions(
                val: try SplitFraction("55%", option: "--val"),
                test: try test.map { try SplitFraction($0, option: "--test") })
            let failure = try #require(throws: Failure.self) { try convert(scratch, fractions: fractions) }
            #expect(failure.code == .usage && failure.message.contains("--val 55% takes no image"), "\(failure)")
            #expect(failure.message.contains(words), "\(failure)")
        }
    }

    @Test("no picture of the folder is replaced by the dataset")
    func inputs() throws {
        let scratch = try Scratch()
        try scratch.putClasses("in")
        let before = try scratch.bytes("in/ant/0.png")
        let failure = try #require(throws: Failure.self) {
            try convert(scratch, "in", "in/ant/0.png") { $0.replaceExisting = true }
        }
        #expect(failure.code == .cannotCreate && failure.message.contains("is what is read from"), "\(failure)")
        #expect(try scratch.bytes("in/ant/0.png") == before)
    }

    @Test("--test on a folder that has a test folder is a usage error")
    func contradiction() throws {
        let scratch = try Scratch()
        for folder in ["in/train", "in/test"] { try scratch.putClasses(folder) }
        let failure = try #require(throws: Failure.self) {
            try convert(scratch, fractions: SplitFractions(test: try SplitFraction("20%", option: "--test")))
        }
        #expect(failure.code == .usage)
    }
}
