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
        #expect(ContactSheet(rows: [ContactSheet.Row]()).canvas.width == 1)
    }

    @Test("rows may have headings, empty places, images of several sizes, labels in pixels and windows")
    func rows() {
        let two = PixelImage(width: 2, height: 1, channels: 1, pixels: [0, 255])
        let square = PixelImage(width: 2, height: 2, channels: 1, pixels: [255, 255, 255, 255])
        let sheet = ContactSheet(
            rows: [
                .init([nil, .init(image: two, captions: ["one", "two"], labels: ["1", "2"])], heading: "above"),
                .init([.init(image: square, captions: [], window: (0..<1, 1..<2))]),
            ], captionCharacters: 3, smallestSide: 100, largestSide: 200)
        let canvas = sheet.canvas
        #expect(canvas.width == 2 * 112 + 12 && canvas.height == 12 + (17 + 30 + 50) + 12 + (4 + 100) + 12)
        // The first place is empty, the second half black, half white, each with its number in the other colour.
        let top = 12 + 17 + 30
        #expect(canvas[20, top + 25] == .white && canvas[126, top + 25] == .black && canvas[222, top + 25] == .white)
        let (left, right) = ((124..<174).map { $0 }, (174..<224).map { $0 })
        #expect(left.contains { x in (top..<top + 50).contains { canvas[x, $0] == .white } })
        #expect(right.contains { x in (top..<top + 50).contains { canvas[x, $0] == .black } })
        let second = 12 + 97 + 12 + 4
        #expect(canvas[62, second] == Colour(220, 60, 40) && canvas[30, second + 20] == .white)
    }

    @Test("values become gray levels: stretched, or with zero in the middle")
    func grayLevels() {
        #expect(GrayLevels(of: [2, 4, 3]) == GrayLevels(low: 2, high: 4))
        #expect(GrayLevels(of: [-1, 4]) == GrayLevels(low: -4, high: 4))
        #expect(GrayLevels(of: [0, 0]) == GrayLevels(low: 0, high: 1))
        #expect(GrayLevels(of: [3]) == GrayLevels(low: 0, high: 3))
        #expect(GrayLevels(of: [.nan, .infinity, 1, 2]) == GrayLevels(low: 1, high: 2))
        #expect(GrayLevels.picture([0.25, .nan, -.infinity, 0.75]) == GrayLevels(low: 0, high: 1))
        #expect(GrayLevels.picture([-2, .infinity, 3]) == GrayLevels(low: -2, high: 3))
        // Farther apart than float32 reaches.
        let widest = GrayLevels(of: [-.greatestFiniteMagnitude, 0, .greatestFiniteMagnitude])
        let extremes: [Float] = [-.greatestFiniteMagnitude, 0, .greatestFiniteMagnitude]
        #expect(extremes.map(widest.level) == [0, 128, 255])
        let levels = GrayLevels(low: -1, high: 1)
        #expect([-2, -1, 0, 1, 7, .nan].map(levels.level) == [0, 0, 128, 255, 255, 0])
        let planes: [Float] = [-1, 0, 0, 1, 1, 1]
        #expect(levels.image(planes: planes, channels: 3, height: 1, width: 2).pixels == [0, 128, 255, 128, 255, 255])
        #expect(levels.image(planes: planes, channels: 2, height: 1, width: 3).pixels == [0, 128, 128])
    }

    @Test("the colour map is viridis, and lies over the gray of an image")
    func colourMap() {
        #expect(ColourMap.colour(0) == Colour(0x44, 0x01, 0x54) && ColourMap.colour(1) == Colour(0xFD, 0xE7, 0x25))
        #expect(ColourMap.colour(-1) == ColourMap.colour(0) && ColourMap.colour(.nan) == ColourMap.colour(0))
        // Lightness rises from colour to colour.
        let lightness = (0...255).map { index -> Double in
            let colour = ColourMap.colour(Float(index) / 255)
            return 0.2126 * Double(colour.red) + 0.7152 * Double(colour.green) + 0.0722 * Double(colour.blue)
        }
        #expect(
            zip(lightness, lightness.dropFirst()).allSatisfy { $0 < $1 + 0.8 } && lightness[255] > lightness[0] + 150)
        let image = PixelImage(width: 1, height: 1, channels: 3, pixels: [200, 100, 0])
        let blended = ColourMap.blended([0, 0, 1, 1], over: image.enlarged(2))
        #expect(blended.width == 2 && Array(blended.pixels.prefix(3)) == [101, 77, 106])
        #expect(Array(blended.pixels.suffix(3)) == [219, 203, 57])
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
