import Datasets
import Diagnostics
import Foundation
import HDF5
import Tensors
import TestSupport
import Testing

@testable import Ingest

/// Pictures with large forms and fine texture, which no other seed repeats.
private struct Picture {
    static let side = 24
    var height = side
    var width = side
    var pixels: [UInt8]

    init(_ seed: UInt64, height: Int = side, width: Int = side) {
        (self.height, self.width) = (height, width)
        var random = RandomStream(seed: seed, purpose: .synthetic, id: 0)
        let forms = (0..<4).map { _ in
            (
                x: random.nextUniform() * Float(width), y: random.nextUniform() * Float(height),
                colour: (0..<3).map { _ in random.nextUniform() * 200 }
            )
        }
        pixels = (0..<height * width).flatMap { index -> [UInt8] in
            let (x, y) = (Float(index % width), Float(index / width))
            func distance(_ form: Int) -> Float {
                let (dx, dy) = (x - forms[form].x, y - forms[form].y)
                return dx * dx + dy * dy
            }
            let nearest = forms.indices.min { distance($0) < distance($1) } ?? 0
            return forms[nearest].colour.map { UInt8($0 + random.nextUniform() * 50) }
        }
    }

    func map(_ change: (Float) -> Float) -> Picture {
        var copy = self
        copy.pixels = pixels.map { UInt8(min(max(change(Float($0)), 0), 255)) }
        return copy
    }

    /// The mean of a square of 9×9 around every pixel.
    var blurred: Picture {
        var copy = self
        for y in 0..<height {
            for x in 0..<width {
                for channel in 0..<3 {
                    var (sum, count) = (0, 0)
                    for v in max(0, y - 4)...min(height - 1, y + 4) {
                        for u in max(0, x - 4)...min(width - 1, x + 4) {
                            sum += Int(pixels[(v * width + u) * 3 + channel])
                            count += 1
                        }
                    }
                    copy.pixels[(y * width + x) * 3 + channel] = UInt8(sum / count)
                }
            }
        }
        return copy
    }

    var png: [UInt8] { ImageFixture.png(of: pixels, height: height, width: width, channels: 3) }
}

@Suite("What the check of a dataset finds")
struct DatasetCheckTests {
    private static func convert(_ scratch: Scratch, _ change: (inout ConversionOptions) -> Void = { _ in }) throws {
        var options = ConversionOptions(replaceExisting: true, threads: 2)
        change(&options)
        _ = try FolderImages.convert(
            folder: scratch.file("in"), to: scratch.file("d.h5"),
            fractions: SplitFractions(val: nil, test: nil, seed: 1), options: options)
    }

    private static func check(_ scratch: Scratch, threads: Int = 2) throws -> DatasetCheck {
        try DatasetCheck(DatasetFile(path: scratch.file("d.h5")), threads: threads, showsProgress: false)
    }

    /// A set without faults: two classes, `count` images each in train and a quarter of them in test.
    private static func putClean(_ scratch: Scratch, count: Int = 20) throws {
        for (number, name) in ["ant", "bee"].enumerated() {
            for index in 0..<count {
                try scratch.put(Picture(UInt64(1000 * number + index)).png, "in/train/\(name)/\(index).png")
            }
            for index in 0..<count / 4 {
                try scratch.put(Picture(UInt64(1000 * number + 500 + index)).png, "in/test/\(name)/\(index).png")
            }
        }
    }

    @Test("fourteen planted faults are fourteen findings, each with its images, on any number of threads")
    func planted() throws {
        let scratch = try Scratch()
        try Self.putClean(scratch, count: 40)
        func put(_ picture: Picture, _ name: String) throws { try scratch.put(picture.png, "in/\(name).png") }
        try put(Picture(1), "train/ant/same")
        try put(Picture(1002), "train/ant/wrong")
        try put(Picture(3).map { $0 * 0.9 + 10 }, "train/ant/darker")
        try put(Picture(1004).map { $0 * 0.85 + 20 }, "train/ant/darker-wrong")
        try put(Picture(5), "test/ant/seen")
        try put(Picture(1006).map { $0 * 0.95 + 3 }, "test/bee/seen-brighter")
        try put(Picture(1).map { _ in 77 }, "train/bee/empty")
        try put(Picture(7000).map { $0 * 0.1 }, "train/bee/night")
        try put(Picture(7001).map { 255 - $0 * 0.1 }, "train/bee/snow")
        try put(Picture(7002).blurred, "train/bee/soft")
        try put(Picture(7003, height: 24, width: 90), "train/bee/wide")
        for index in 0..<4 { try put(Picture(UInt64(7100 + index)), "train/cow/\(index)") }
        try Self.convert(scratch) { $0.preparation.size = ImagePreparation.Size(width: 24, height: 24) }
        // A pixel of the last image of train changes after the file was written.
        var bytes = try scratch.bytes("d.h5")
        let file = try DatasetFile(path: scratch.file("d.h5"))
        let train = try file.split("train")
        var last = [UInt8](repeating: 0, count: train.imageBytes)
        try last.withUnsafeMutableBytes { try train.fill($0.baseAddress!, sample: train.count - 1) }
        let place = try #require(bytes.firstRange(of: last))
        bytes[place.lowerBound] ^= 0x10
        try scratch.write(bytes, "d.h5")

        let check = try Self.check(scratch)
        func names(_ kind: Finding.Kind) -> [[String]] {
            let findings = check.findings.filter { $0.kind == kind }
            return findings.first?.groups.map { $0.map { check.name(of: $0).name ?? "" } } ?? []
        }
        let expected: [(Finding.Kind, [[String]])] = [
            (.damaged, []),
            (.labelsDisagree, [["train/ant/wrong.png", "train/bee/2.png"]]),
            (.nearLabelsDisagree, [["train/ant/darker-wrong.png", "train/bee/4.png"]]),
            (.acrossSplits, [["test/ant/seen.png", "train/ant/5.png"]]),
            (.nearAcrossSplits, [["test/bee/seen-brighter.png", "train/bee/6.png"]]),
            (.identical, [["train/ant/1.png", "train/ant/same.png"], ["train/ant/wrong.png", "train/bee/2.png"]]),
            (
                .nearlyIdentical,
                [["train/ant/3.png", "train/ant/darker.png"], ["train/ant/darker-wrong.png", "train/bee/4.png"]]
            ),
            (.singleColour, [["train/bee/empty.png"]]), (.dark, [["train/bee/night.png"]]),
            (.bright, [["train/bee/snow.png"]]), (.blurred, [["train/bee/soft.png"]]),
            (.oddlySized, [["train/bee/wide.png"]]), (.missingClasses, []), (.unbalanced, []),
        ]
        #expect(check.findings.map(\.kind) == expected.map(\.0))
        for (kind, groups) in expected { #expect(names(kind) == groups, "\(kind)") }
        #expect(check.failure?.code == .badData)
        #expect(check.text.contains("check     14 findings in"))
        #expect(check.text.contains("train[1] (ant, train/ant/1.png) = train["))
        #expect(try Self.check(scratch, threads: 5).text == check.text)
        let report = try DatasetReport(path: scratch.file("d.h5"), verifying: false, checkingOn: 2)
        let json = try #require(try JSONSerialization.jsonObject(with: Data(report.json.text().utf8)) as? [String: Any])
        #expect((json["findings"] as? [[String: Any]])?.count == 14)
    }

    @Test("a set without faults gives no finding, stored as it may be")
    func clean() throws {
        let scratch = try Scratch()
        try Self.putClean(scratch)
        for level in [nil, 1] {
            try Self.convert(scratch) { $0.gzipLevel = level }
            let check = try Self.check(scratch)
            #expect(check.findings.isEmpty && check.failure == nil, "\(check.text)")
            #expect(check.text.contains("check     nothing in 50 images"))
            #expect(check.splits.map(\.name) == ["test", "train"])
        }
    }

    @Test("gray images in three channels, chunks that cut images, floats that are no pixels")
    func others() throws {
        let scratch = try Scratch()
        let file = try HDF5File.create(scratch.file("d.h5"))
        try file.setAttribute("format", on: "/", .string(DatasetFileFormat.name))
        try file.setAttribute("format_version", on: "/", .integer(DatasetFileFormat.version))
        try file.write("/classes", strings: ["a", "b"])
        let images = try file.createDataset(
            "/train/images", shape: [2, 24, 24, 3], type: .float32,
            storage: .chunked(shape: [2, 12, 24, 3], gzipLevel: nil, fletcher32: false))
        var pixels = (0..<2).flatMap { image in
            Picture(UInt64(image)).pixels.enumerated().map { index, _ in
                Float(Picture(UInt64(image)).pixels[index / 3 * 3]) / 255
            }
        }
        pixels[0...2] = [.nan, .nan, .nan]
        for channel in 0..<3 { pixels[24 * 24 * 3 + channel] = 7 }
        try pixels.withUnsafeBufferPointer { try images.write(rows: 0..<2, $0) }
        try file.write("/train/labels", shape: [2], [Int64(0), 1])
        try file.close()
        let check = try Self.check(scratch)
        #expect(check.findings.map(\.kind) == [.notFinite, .outsideRange, .gray, .storage], "\(check.text)")
        #expect(check.findings.prefix(2).map(\.groups) == [[[0]], [[1]]])
        #expect(check.splits[0].maximum == 7)
    }

    @Test("close pairs are found however many points there are")
    func closePairs() throws {
        var index = ThumbnailIndex()
        var random = RandomStream(seed: 5, purpose: .synthetic, id: 0)
        let count = 3000
        var last: [Float] = []
        for point in 0..<count {
            var cells = (0..<ThumbnailIndex.dimensions).map { _ in random.nextUniform() }
            // Every hundredth lies close to the one before.
            if point % 100 == 99 { cells = last.map { $0 + random.nextUniform() * 0.01 } }
            last = cells
            var coordinates = [Int16](repeating: 0, count: cells.count)
            ThumbnailIndex.coordinates(of: cells, into: &coordinates)
            coordinates.withUnsafeBufferPointer { index.append($0) }
        }
        var found: Set<[Int]> = []
        try index.forEachClosePair(of: (0..<Int32(count)).map { $0 }, radius: 0.06) {
            found.insert([min($0, $1), max($0, $1)])
        }
        #expect(found == Set((0..<count / 100).map { [100 * $0 + 98, 100 * $0 + 99] }))
    }
}
