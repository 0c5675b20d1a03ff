import CImages
import Foundation
import Report
import Testing

@testable import Pictures

@Suite("Drawing")
struct CanvasTests {
    @Test("fills, frames and lines stay within the canvas")
    func shapes() {
        var canvas = Canvas(width: 8, height: 6)
        canvas.fill(x: -3, y: 4, width: 5, height: 9, .black)
        canvas.line(from: (x: 2, y: 0), to: (x: 7, y: 3), Colour(255, 0, 0))
        canvas.line(from: (x: 7, y: 5), to: (x: 9, y: 5), .gray)
        canvas.frame(x: 4, y: 2, width: 3, height: 3, Colour(0, 0, 255))
        let signs: [(Colour, Character)] = [
            (.white, "."), (.black, "#"), (Colour(255, 0, 0), "r"), (.gray, "g"), (Colour(0, 0, 255), "b"),
        ]
        let rows = (0..<6).map { y in
            String((0..<8).map { x in signs.first { $0.0 == canvas[x, y] }?.1 ?? "?" })
        }
        #expect(rows == ["..r.....", "...rr...", "....bbb.", "....b.br", "##..bbb.", "##.....g"], "\(rows)")
    }

    @Test("text is drawn in the font's pixels, letters of other scripts too, what is missing as a box of its own")
    func text() {
        var canvas = Canvas(width: 14, height: 13)
        canvas.text("A", x: 0, y: 0)
        let rows = (0..<13).map { y in String((0..<7).map { canvas[$0, y] == .black ? "#" : "." }) }
        #expect(
            rows == [
                ".......", ".......", "..##...", ".#..#..", "#....#.", "#....#.", "#....#.", "######.", "#....#.",
                "#....#.",
                "#....#.", ".......", ".......",
            ])
        for text in ["Größe", "Ελλάδα", "Кошка", "naïve – …"] {
            #expect(
                text.precomposedStringWithCanonicalMapping.unicodeScalars.allSatisfy {
                    $0 == " " || FixedFont.rows(of: $0) != FixedFont.rows(of: "\u{FFFD}")
                }, "\(text)")
        }
        #expect(FixedFont.rows(of: "猫") == FixedFont.rows(of: "\u{FFFD}"))
        #expect(Canvas.size(of: "abc", scale: 2).width == 42 && Canvas.size(of: "abc", scale: 2).height == 26)
        #expect(Canvas.shortened("automobile", toWidth: 35) == "auto…" && Canvas.shortened("cat", toWidth: 35) == "cat")
    }

    @Test("small images are enlarged pixel by pixel, large ones shrunk, and the PNG gives the pixels back")
    func images() throws {
        var canvas = Canvas(width: 12, height: 4)
        canvas.image(PixelImage(width: 2, height: 1, channels: 1, pixels: [0, 200]), x: 0, y: 0, width: 4, height: 2)
        let colour = PixelImage(width: 1, height: 1, channels: 3, pixels: [1, 2, 3])
        canvas.image(colour, x: 4, y: 1, width: 2, height: 2)
        let large = PixelImage(width: 64, height: 64, channels: 1, pixels: [UInt8](repeating: 90, count: 4096))
        canvas.image(large, x: 8, y: 0, width: 4, height: 4)
        #expect(canvas[1, 1] == .black && canvas[2, 0] == Colour(200, 200, 200) && canvas[4, 1] == Colour(1, 2, 3))
        #expect(canvas[11, 3] == Colour(90, 90, 90) && canvas[6, 0] == .white)
        var image = CImages_Image()
        var options = CImages_DecodeOptions(largestPixels: 1000, channels: 3, orient: 0, smallestSide: 0)
        var message = [CChar](repeating: 0, count: Int(CImages_messageBytes))
        let png = canvas.png()
        #expect(CImages_decode(png, png.count, &options, &image, &message) == 0)
        defer { CImages_free(&image) }
        #expect(image.width == 12 && image.height == 4)
        #expect(Array(UnsafeBufferPointer(start: image.pixels, count: 12 * 4 * 3)) == canvas.pixels)
    }

    @Test("a sheet has a cell for each image, as large as its caption needs")
    func sheets() {
        func cell(_ side: Int) -> ContactSheet.Cell {
            ContactSheet.Cell(
                image: PixelImage(
                    width: side, height: side, channels: 1, pixels: [UInt8](repeating: 0, count: side * side)),
                caption: "a name that is far too long for its cell")
        }
        let small = ContactSheet(rows: [[cell(28), cell(28), cell(28)], [cell(28)]]).canvas
        #expect(small.width == 3 * (112 + 12) + 12 && small.height == 2 * (112 + 17 + 12) + 12)
        let large = ContactSheet(rows: [[cell(500)]]).canvas
        #expect(large.width == 224 + 24)
        #expect(ContactSheet(rows: []).canvas.width == 1)
    }

    @Test("text that reads upwards has the pixels of text, turned")
    func upwardText() {
        var (across, upwards) = (Canvas(width: 21, height: 13), Canvas(width: 13, height: 21))
        across.text("aÄ1", x: 0, y: 0)
        upwards.upwardText("aÄ1", x: 0, bottom: 21)
        for x in 0..<21 { for y in 0..<13 { #expect(across[x, y] == upwards[y, 20 - x]) } }
    }

    @Test("a confusion matrix has a square for each pair that occurs, in the shade of its share, whatever the classes")
    func confusion() {
        for classes in [1, 2, 12, 13, 33, 121, 2048] {
            let truths = (0..<classes * 3).map { Int32($0 % classes) }
            let matrix = ConfusionMatrix(
                classNames: (0..<classes).map { "class \($0)" }, truths: truths,
                predictions: truths.map { ($0 + ($0 == 1 ? 1 : 0)) % Int32(classes) })
            let canvas = ConfusionSheet(matrix, title: "many").canvas
            #expect(canvas.width < 2400 && canvas.height < 2400, "\(classes) classes: \(canvas.width)")
            let dark = ConfusionShade(1)
            let cell = classes <= 12 ? 46 : classes <= 32 ? 34 : classes <= 120 ? 14 : max(1, 1200 / classes)
            let found = (0..<canvas.height).reduce(0) { count, y in
                count + (0..<canvas.width).count { canvas[$0, y] == Colour(dark.red, dark.green, dark.blue) }
            }
            // All of them, but for the counts on them; and the last step of the legend.
            let all = classes * cell * cell + 200
            #expect((Int(Double(all) * 0.9)...all).contains(found), "\(classes) classes: \(found) of \(all)")
        }
    }
}
