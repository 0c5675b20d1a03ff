import CAllocationCounter
import CImages
import CZlib
import Foundation
import Testing

@testable import Datasets
@testable import Ingest

@Suite("Decoding and resizing images")
struct ImageDecodingTests {
    @Test("every fixture decodes to Pillow's pixels: colours, gray, CMYK, palette, alpha, depths, orientations")
    func decoding() throws {
        let rows = try ImageFixture.rows("decoded.csv")
        #expect(rows.count > 80)
        for row in rows {
            let bytes = try ImageFixture.bytes(row[0])
            var options = CImages_DecodeOptions(
                largestPixels: 1 << 20, channels: try #require(Int32(row[1])), orient: row[2] == "1" ? 1 : 0,
                smallestSide: 0)
            var image = CImages_Image()
            var message = [CChar](repeating: 0, count: 256)
            #expect(CImages_decode(bytes, bytes.count, &options, &image, &message) == 0, "\(row[0])")
            defer { CImages_free(&image) }
            #expect([image.height, image.width, image.channels] == row[3...5].map { Int32($0) }, "\(row[0])")
            let count = Int(image.height * image.width * image.channels)
            let pixels = Array(UnsafeBufferPointer(start: image.pixels, count: count))
            #expect(ImageFixture.sha256(pixels) == row[6], "\(row[0]) channels \(row[1]) oriented \(row[2])")
            var size = CImages_Image()
            #expect(CImages_measure(bytes, bytes.count, &options, &size, &message) == 0)
            #expect((size.height, size.width, size.channels) == (image.height, image.width, image.channels))
        }
    }

    @Test("resizing gives Pillow's bytes, up and down, gray and colour, bilinear and bicubic")
    func resizing() throws {
        let rows = try ImageFixture.rows("resized.csv")
        #expect(rows.count == 400)
        let scratch = ResizeScratch()
        for row in rows {
            let numbers = row[..<5].compactMap { Int($0) }
            let (height, width, channels, newHeight, newWidth) = (
                numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
            )
            let source = (0..<height * width * channels).map { UInt8(truncatingIfNeeded: ($0 &* 2_654_435_761) >> 24) }
            var target = [UInt8](repeating: 0, count: newHeight * newWidth * channels)
            target.withUnsafeMutableBufferPointer { target in
                scratch.resize(
                    source, height, width, channels, to: ImagePreparation.Size(width: newWidth, height: newHeight),
                    row[5] == "bicubic" ? .bicubic : .bilinear, target.baseAddress!)
            }
            #expect(ImageFixture.sha256(target) == row[6], "\(row)")
        }
    }

    @Test(
        "several scans are bounded by how often they look at a coefficient, and by those that are held until the last")
    func scans() throws {
        let progressive = try ImageFixture.bytes("progressive.jpg")
        func reason(_ bytes: [UInt8], _ read: Reader = CImages_decode) -> String {
            var options = CImages_DecodeOptions(largestPixels: 100_000_000, channels: 3, orient: 1, smallestSide: 0)
            var image = CImages_Image()
            var message = [CChar](repeating: 0, count: 256)
            defer { CImages_free(&image) }
            let code = read(bytes, bytes.count, &options, &image, &message)
            return code == 0
                ? "" : String(decoding: message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }, as: UTF8.self)
        }
        #expect(reason(progressive).isEmpty)
        // The first scan again and again: up to the next marker behind its own.
        let first = try #require(progressive.indices.dropLast().first { progressive[$0...($0 + 1)] == [0xFF, 0xDA] })
        let next = try #require(
            progressive.indices.dropLast().first { $0 > first && progressive[$0] == 0xFF && progressive[$0 + 1] != 0 })
        let scans = repeatElement(progressive[first..<next], count: 120).joined()
        let many = progressive[..<first] + Array(scans) + progressive[next...]
        for read in [CImages_measure, CImages_decode] {
            #expect(reason(Array(many), read) == "its scans go over the image 19 times, expected at most 8")
        }

        var large = progressive
        let frame = try #require(large.indices.dropLast().first { large[$0...($0 + 1)] == [0xFF, 0xC2] })
        large.replaceSubrange(frame + 5..<frame + 9, with: [0x27, 0x0F, 0x27, 0x0F])
        // Photos of 24 and 96 million pixels with the usual scans are read, were they but a solid colour: two bits a block.
        for (height, width, count) in [(4000, 6000, 141_295), (8000, 12_000, 563_000)] {
            var photo = large
            photo.replaceSubrange(
                frame + 5..<frame + 9, with: [height >> 8, height & 255, width >> 8, width & 255].map { UInt8($0) })
            #expect(
                reason(photo, CImages_measure)
                    == "\(width)×\(height) pixels are more than \(photo.count) bytes can hold")
            #expect(reason(photo + [UInt8](repeating: 0, count: count - photo.count), CImages_measure) == "")
        }
        for component in 0..<3 { large[frame + 11 + 3 * component] = 0x11 }
        #expect(reason(large) == "9999×9999 pixels in several scans take 600000000 bytes, expected at most 536870912")
    }

    private typealias Reader = (
        UnsafePointer<UInt8>?, Int, UnsafePointer<CImages_DecodeOptions>?, UnsafeMutablePointer<CImages_Image>?,
        UnsafeMutablePointer<CChar>?
    ) -> Int32

    @Test("chunks of a PNG that are no part of the picture cost nothing but their bytes")
    func ancillary() async {
        await #expect(processExitsWith: .success) {
            let png = try ImageFixture.bytes("rgb.png")
            // Behind the header, 8 + 25 bytes: texts, compressed texts that are damaged, profiles.
            func chunk(_ name: String, _ data: [UInt8]) -> [UInt8] {
                let content = Array(name.utf8) + data
                let sum = content.withUnsafeBufferPointer { crc32(0, $0.baseAddress, UInt32($0.count)) }
                func number(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(value >> (24 - 8 * $0) & 255) } }
                return number(data.count) + content + number(Int(sum))
            }
            let kinds = [
                chunk("tEXt", Array("a\0b".utf8)), chunk("zTXt", [97, 0, 0] + [UInt8](repeating: 0xEE, count: 50)),
                chunk("iCCP", [97, 0, 0] + [UInt8](repeating: 0xEE, count: 50)), chunk("prVt", [1, 2, 3]),
            ]
            func allocations(_ bytes: [UInt8]) -> Int64 {
                var options = CImages_DecodeOptions(largestPixels: 1 << 20, channels: 3, orient: 1, smallestSide: 0)
                var image = CImages_Image()
                var message = [CChar](repeating: 0, count: 256)
                let before = CAllocationCounter_count()
                #expect(CImages_decode(bytes, bytes.count, &options, &image, &message) == 0)
                defer { CImages_free(&image) }
                return CAllocationCounter_count() - before
            }
            func with(_ count: Int) -> [UInt8] {
                Array(png[..<33] + (0..<count).flatMap { kinds[$0 % 4] } + png[33...])
            }
            // Other tests allocate meanwhile, so this one has a process of its own.
            let (few, many) = (with(4), with(20_000))
            let counts = [few, many].map { allocations($0) }
            #expect(counts[1] < counts[0] + 1_000, "\(counts)")
        }
    }

    @Test("damaged, truncated, foreign and oversized images say why, and none is filled up")
    func refusals() throws {
        let jpeg = try ImageFixture.bytes("baseline-420.jpg")
        let png = try ImageFixture.bytes("rgb.png")
        var wide = png
        wide.replaceSubrange(16..<20, with: [0, 0, 0xFF, 0xFF])
        let cases: [([UInt8], String)] = [
            ([], "is empty"), (Array("GIF89a".utf8), "is a GIF file, expected JPEG or PNG"),
            (Array("hello".utf8), "is no image, expected JPEG or PNG"),
            (Array(jpeg[..<(jpeg.count / 2)]), "Premature end"), (Array(jpeg.dropLast(2)), "Premature end"),
            (Array(png[..<(png.count / 2)]), "ends too early"), (wide, "cannot be decoded"),
            (Array(png[..<50]) + [png[50] ^ 1] + Array(png[51...]), "cannot be decoded"),
        ]
        let shape = ImageShape(height: 4, width: 4, channels: 3)
        let preparation = ImagePreparation(size: ImagePreparation.Size(width: 4, height: 4), largestPixels: 2000)
        let target = UnsafeMutableRawPointer.allocate(byteCount: shape.bytes, alignment: 64)
        defer { target.deallocate() }
        for (bytes, words) in cases {
            let result = bytes.withUnsafeBytes { preparation.decode($0, to: shape, target, ResizeScratch()) }
            let unreadable = #expect(throws: Unreadable.self) { try result.get() }
            #expect(unreadable?.reason.contains(words) == true, "\(words)")
        }
        var small = preparation
        small.largestPixels = 10
        for bytes in [jpeg, png] {
            let result = bytes.withUnsafeBytes { small.decode($0, to: shape, target, ResizeScratch()) }
            let unreadable = #expect(throws: Unreadable.self) { try result.get() }
            #expect(unreadable?.reason.contains("37×23 pixels, expected at most 10") == true)
        }
    }

    @Test(
        "crop and pad choose torchvision's and Pillow's inner size",
        arguments: [
            (ImagePreparation.Fit.crop, 375, 500, 224, 298), (.crop, 500, 375, 298, 224), (.crop, 224, 224, 224, 224),
            (.crop, 100, 333, 224, 745), (.pad, 375, 500, 168, 224), (.pad, 500, 375, 224, 168),
            (.pad, 1, 1000, 1, 224),
            (.stretch, 10, 1000, 224, 224),
        ])
    func innerSizes(fit: ImagePreparation.Fit, height: Int, width: Int, newHeight: Int, newWidth: Int) {
        let preparation = ImagePreparation(size: ImagePreparation.Size(width: 224, height: 224), fit: fit)
        let inner = preparation.innerSize(
            height: height, width: width, of: ImageShape(height: 224, width: 224, channels: 3))
        #expect((inner.height, inner.width) == (newHeight, newWidth))
    }

    @Test("padding centres the picture on black; cropping keeps the middle")
    func placing() throws {
        let shape = ImageShape(height: 2, width: 4, channels: 1)
        var target = [UInt8](repeating: 9, count: 8)
        let square: [UInt8] = [10, 20, 30, 40]
        var preparation = ImagePreparation(size: ImagePreparation.Size(width: 4, height: 2), fit: .pad)
        _ = preparation.fit(square, height: 2, width: 2, to: shape, &target, ResizeScratch())
        #expect(target == [0, 10, 20, 0, 0, 30, 40, 0])
        preparation.fit = .crop
        let tall = [UInt8](repeating: 0, count: 4) + [UInt8](1...8) + [UInt8](repeating: 0, count: 4)
        _ = preparation.fit(tall, height: 4, width: 4, to: shape, &target, ResizeScratch())
        #expect(target == [UInt8](1...8))
    }
}
