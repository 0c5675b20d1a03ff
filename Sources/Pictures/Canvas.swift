internal import CImages
internal import Foundation
internal import Glibc

package struct Colour: Equatable, Sendable {
    package var red, green, blue: UInt8

    package init(_ red: UInt8, _ green: UInt8, _ blue: UInt8) { (self.red, self.green, self.blue) = (red, green, blue) }

    package static let white = Colour(255, 255, 255)
    package static let black = Colour(0, 0, 0)
    package static let gray = Colour(110, 110, 110)
}

/// A picture to draw on: 8-bit red, green and blue, the origin at the top left. What lies outside is cut off.
package struct Canvas: Sendable {
    package let width: Int
    package let height: Int
    /// [height, width, 3]
    package private(set) var pixels: [UInt8]

    /// Traps: a side that is not in 1 … 32,768.
    package init(width: Int, height: Int, background: Colour = .white) {
        precondition((1...1 << 15).contains(width) && (1...1 << 15).contains(height), "a canvas of \(width)×\(height)")
        (self.width, self.height) = (width, height)
        pixels = [UInt8](repeating: 255, count: width * height * 3)
        if background != .white { fill(x: 0, y: 0, width: width, height: height, background) }
    }

    package subscript(x: Int, y: Int) -> Colour {
        get {
            let place = (y * width + x) * 3
            return Colour(pixels[place], pixels[place + 1], pixels[place + 2])
        }
        set {
            guard (0..<width).contains(x), (0..<height).contains(y) else { return }
            let place = (y * width + x) * 3
            (pixels[place], pixels[place + 1], pixels[place + 2]) = (newValue.red, newValue.green, newValue.blue)
        }
    }

    package mutating func fill(x: Int, y: Int, width: Int, height: Int, _ colour: Colour) {
        let columns = max(0, x)..<max(max(0, x), min(self.width, x + width))
        for row in max(0, y)..<max(max(0, y), min(self.height, y + height)) {
            for column in columns { self[column, row] = colour }
        }
    }

    /// The outline of a box, one pixel wide.
    package mutating func frame(x: Int, y: Int, width: Int, height: Int, _ colour: Colour) {
        fill(x: x, y: y, width: width, height: 1, colour)
        fill(x: x, y: y + height - 1, width: width, height: 1, colour)
        fill(x: x, y: y, width: 1, height: height, colour)
        fill(x: x + width - 1, y: y, width: 1, height: height, colour)
    }

    /// A line one pixel wide, both ends included (Bresenham 1965).
    package mutating func line(from start: (x: Int, y: Int), to end: (x: Int, y: Int), _ colour: Colour) {
        let (dx, dy) = (abs(end.x - start.x), -abs(end.y - start.y))
        let (stepX, stepY) = (start.x < end.x ? 1 : -1, start.y < end.y ? 1 : -1)
        var (x, y) = start
        var error = dx + dy
        while true {
            self[x, y] = colour
            guard (x, y) != end else { return }
            let twice = 2 * error
            if twice >= dy { (error, x) = (error + dy, x + stepX) }
            if twice <= dx { (error, y) = (error + dx, y + stepY) }
        }
    }

    // MARK: Text

    /// Pixels that a text takes.
    package static func size(of text: String, scale: Int = 1) -> (width: Int, height: Int) {
        (text.unicodeScalars.count * FixedFont.width * scale, FixedFont.height * scale)
    }

    /// The longest beginning of a text that fits, with an ellipsis where something is missing.
    package static func shortened(_ text: String, toWidth width: Int, scale: Int = 1) -> String {
        let room = max(1, width / (FixedFont.width * scale))
        let composed = Array(composed(text).unicodeScalars)
        guard composed.count > room else { return String(String.UnicodeScalarView(composed)) }
        return String(String.UnicodeScalarView(composed.prefix(room - 1))) + "…"
    }

    /// Draws a text, its box's corner at the top left.
    package mutating func text(_ text: String, x: Int, y: Int, _ colour: Colour = .black, scale: Int = 1) {
        for (column, row) in Self.marks(of: text) {
            fill(x: x + column * scale, y: y + row * scale, width: scale, height: scale, colour)
        }
    }

    /// Draws a text that reads from bottom to top, its box's corner at the bottom left.
    package mutating func upwardText(_ text: String, x: Int, bottom: Int, _ colour: Colour = .black) {
        for (column, row) in Self.marks(of: text) { self[x + row, bottom - 1 - column] = colour }
    }

    /// The font's pixels of a text.
    private static func marks(of text: String) -> [(column: Int, row: Int)] {
        composed(text).unicodeScalars.enumerated().flatMap { place, scalar in
            FixedFont.rows(of: scalar).enumerated().flatMap { row, bits in
                (0..<FixedFont.width).filter { bits & 0x80 >> UInt8($0) != 0 }.map {
                    (place * FixedFont.width + $0, row)
                }
            }
        }
    }

    /// Letters with their accents in one character, as the font has them.
    private static func composed(_ text: String) -> String { text.precomposedStringWithCanonicalMapping }

    // MARK: Images

    /// Draws an image, [H, W, C], with C 1 or 3, at a size: enlarged pixel by pixel, made smaller with antialiasing.
    package mutating func image(
        _ image: PixelImage, x: Int, y: Int, width: Int, height: Int
    ) {
        let shown = width < image.width || height < image.height ? image.resized(width: width, height: height) : image
        for row in 0..<height {
            let from = row * shown.height / height
            for column in 0..<width {
                let place = (from * shown.width + column * shown.width / width) * shown.channels
                let last = shown.channels == 3 ? 1 : 0
                self[x + column, y + row] = Colour(
                    shown.pixels[place], shown.pixels[place + last], shown.pixels[place + 2 * last])
            }
        }
    }

    // MARK: File

    /// The picture as a PNG file; one without colours takes a third of the bytes.
    package func png() -> [UInt8] {
        let gray = grayPixels
        return PixelImage(width: width, height: height, channels: gray == nil ? 3 : 1, pixels: gray ?? pixels).png()
    }

    /// [height, width]; nil where there are colours.
    private var grayPixels: [UInt8]? {
        var gray: [UInt8] = []
        gray.reserveCapacity(width * height)
        for place in stride(from: 0, to: pixels.count, by: 3) {
            guard pixels[place] == pixels[place + 1], pixels[place] == pixels[place + 2] else { return nil }
            gray.append(pixels[place])
        }
        return gray
    }
}

/// 8-bit pixels, [H, W, C], C 1 or 3.
package struct PixelImage: Equatable, Sendable {
    package let width: Int
    package let height: Int
    package let channels: Int
    package let pixels: [UInt8]

    /// Traps: other numbers of channels and of pixels.
    package init(width: Int, height: Int, channels: Int, pixels: [UInt8]) {
        precondition(channels == 1 || channels == 3, "\(channels) channels")
        precondition(
            pixels.count == width * height * channels, "\(pixels.count) bytes for \(height)×\(width)×\(channels)")
        (self.width, self.height, self.channels, self.pixels) = (width, height, channels, pixels)
    }

    /// How light a place is, 0…255 (ITU-R BT.601).
    func gray(_ place: Int) -> Float {
        guard channels == 3 else { return Float(pixels[place]) }
        return 0.299 * Float(pixels[3 * place]) + 0.587 * Float(pixels[3 * place + 1]) + 0.114
            * Float(pixels[3 * place + 2])
    }

    /// Every pixel as a square of so many.
    package func enlarged(_ factor: Int) -> PixelImage {
        let (wide, tall) = (width * factor, height * factor)
        var result = [UInt8]()
        result.reserveCapacity(wide * tall * channels)
        for row in 0..<tall {
            for column in 0..<wide {
                let place = (row / factor * width + column / factor) * channels
                result += pixels[place..<place + channels]
            }
        }
        return PixelImage(width: wide, height: tall, channels: channels, pixels: result)
    }

    /// The image as a PNG file.
    package func png() -> [UInt8] {
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        let code = CImages_encodePNG(pixels, Int32(height), Int32(width), Int32(channels), &bytes, &count)
        defer { free(bytes) }
        precondition(code == 0, "no memory for a PNG of \(width)×\(height)")
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }

    /// The image made smaller, if need be, until its longer side has so many pixels.
    package func fitting(side: Int) -> PixelImage {
        let long = max(width, height)
        guard long > side else { return self }
        return resized(width: max(1, width * side / long), height: max(1, height * side / long))
    }

    func resized(width: Int, height: Int) -> PixelImage {
        let box = CImages_Box(left: 0, top: 0, right: Float(self.width), bottom: Float(self.height))
        let (h, w, c) = (Int32(self.height), Int32(self.width), Int32(channels))
        let bytes = CImages_resizeScratchBytes(h, w, c, box, Int32(height), Int32(width), CImages_bilinear)
        let scratch = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
        defer { scratch.deallocate() }
        let target = [UInt8](unsafeUninitializedCapacity: width * height * channels) { target, count in
            CImages_resize(
                pixels, h, w, c, box, target.baseAddress, Int32(height), Int32(width), CImages_bilinear, scratch)
            count = width * height * channels
        }
        return PixelImage(width: width, height: height, channels: channels, pixels: target)
    }
}
