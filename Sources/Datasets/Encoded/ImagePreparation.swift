internal import CImages
internal import Diagnostics
package import Report

/// How images of any size become images of one size.
package struct ImagePreparation: Sendable {
    /// What happens where the shapes of picture and target differ.
    package enum Fit: String, Sendable, CaseIterable {
        /// The short side is resized to the target, the middle is kept: torchvision's Resize and CenterCrop.
        case crop
        /// The long side is resized to the target, black borders fill the rest: Pillow's ImageOps.pad.
        case pad
        /// Both sides are resized, whatever the shape.
        case stretch
    }

    /// Antialiased, with Pillow's bytes.
    package enum Filter: String, Sendable, CaseIterable {
        case bilinear, bicubic
    }

    package struct Size: Sendable, Equatable {
        package var width: Int
        package var height: Int
        package var text: String { "\(width)x\(height)" }

        package init(width: Int, height: Int) { (self.width, self.height) = (width, height) }

        /// `224` or `WIDTHxHEIGHT`.
        package init(_ text: String) throws {
            let numbers = text.split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(numbers.count), let width = numbers[0], let height = numbers[numbers.count - 1],
                (1...65536).contains(width), (1...65536).contains(height)
            else { throw Failure(.usage, "--size \(text), expected 224 or WIDTHxHEIGHT, each 1…65536") }
            self.init(width: width, height: height)
        }
    }

    /// More pixels are decoded only where a user asks for it.
    package static let defaultLargestPixels = 100_000_000
    /// An encoded image with more bytes is not read.
    package static let largestEncodedBytes = 1 << 28

    /// nil: as the images are, which then have one size.
    package var size: Size?
    package var fit: Fit
    package var filter: Filter
    /// 1 or 3; nil: 3 when any image has colours, else 1.
    package var channels: Int?
    /// Turn images as their EXIF data ask.
    package var orients: Bool
    /// More pixels than this are refused before anything is allocated.
    package var largestPixels: Int

    package init(
        size: Size? = nil, fit: Fit = .crop, filter: Filter = .bilinear, channels: Int? = nil, orients: Bool = true,
        largestPixels: Int = Self.defaultLargestPixels
    ) {
        self.size = size
        self.fit = fit
        self.filter = filter
        self.channels = channels
        self.orients = orients
        self.largestPixels = largestPixels
    }

    /// The options that change pixels, as they stand in the file's `command`.
    package var words: [String] {
        var words: [String] = []
        if let size { words += ["--size", size.text] }
        if size != nil, fit != .crop { words += ["--fit", fit.rawValue] }
        if size != nil, filter != .bilinear { words += ["--filter", filter.rawValue] }
        if let channels { words += ["--channels", "\(channels)"] }
        return words + (orients ? [] : ["--no-exif"])
    }

    static let asStored = "as stored"
    static let asEXIFAsks = "as EXIF asks"
    /// Of encoded pictures, which are decoded again.
    package static let largestPixelsKey = "largest_pixels"

    /// What `/@preprocessing` says of decoded images; of encoded pictures also what decoding them again may take.
    package func description(of shape: ImageShape, isStoredEncoded: Bool = false) -> [JSON.Member] {
        var members = [
            JSON.Member("width", .integer(shape.width)), JSON.Member("height", .integer(shape.height)),
            JSON.Member("channels", .integer(shape.channels)),
        ]
        if size != nil {
            members += [
                JSON.Member("fit", .string(fit.rawValue)), JSON.Member("filter", .string(filter.rawValue)),
            ]
        }
        return members + [
            JSON.Member("orientation", .string(orients ? Self.asEXIFAsks : Self.asStored)),
            JSON.Member("alpha", "dropped"),
            JSON.Member("sixteen_bits", "upper byte"),
        ] + (isStoredEncoded ? [JSON.Member(Self.largestPixelsKey, .integer(largestPixels))] : [])
    }

    func decodeOptions(channels: Int) -> CImages_DecodeOptions {
        CImages_DecodeOptions(
            largestPixels: Int64(largestPixels), channels: Int32(channels), orient: orients ? 1 : 0, smallestSide: 0)
    }

    /// Size and channels that an encoded image declares.
    package func measure(_ bytes: UnsafeRawBufferPointer) -> Result<ImageShape, Unreadable> {
        var options = decodeOptions(channels: channels ?? 0)
        return Self.calling(bytes) { CImages_measure($0, bytes.count, &options, $1, $2) }
            .map { ImageShape(height: Int($0.height), width: Int($0.width), channels: Int($0.channels)) }
    }

    /// Decodes an image and brings it to the shape of the dataset. `target` holds `shape.bytes`. Returns the size it had.
    package func decode(
        _ bytes: UnsafeRawBufferPointer, to shape: ImageShape, _ target: UnsafeMutableRawPointer,
        _ scratch: ResizeScratch
    ) -> Result<Size, Unreadable> {
        if size == nil {
            // Another size is of no use, so its pixels cost nothing.
            switch measure(bytes) {
            case .failure(let unreadable): return .failure(unreadable)
            case .success(let own) where (own.height, own.width) != (shape.height, shape.width):
                return .failure(Self.otherSize(height: own.height, width: own.width, than: shape))
            case .success: break
            }
        }
        var options = decodeOptions(channels: shape.channels)
        switch Self.calling(bytes, { CImages_decode($0, bytes.count, &options, $1, $2) }) {
        case .failure(let unreadable): return .failure(unreadable)
        case .success(var image):
            defer { CImages_free(&image) }
            let size = Size(width: Int(image.width), height: Int(image.height))
            let unreadable = fit(
                image.pixels, height: size.height, width: size.width, to: shape,
                target.assumingMemoryBound(to: UInt8.self), scratch)
            return unreadable.map { .failure($0) } ?? .success(size)
        }
    }

    private static func otherSize(height: Int, width: Int, than shape: ImageShape) -> Unreadable {
        Unreadable(reason: "is \(width)×\(height), the others \(shape.width)×\(shape.height)")
    }

    /// Brings pixels to the shape of the dataset; channels agree.
    package func fit(
        _ source: UnsafePointer<UInt8>, height: Int, width: Int, to shape: ImageShape,
        _ target: UnsafeMutablePointer<UInt8>, _ scratch: ResizeScratch
    ) -> Unreadable? {
        if (height, width) == (shape.height, shape.width) {
            target.update(from: source, count: shape.bytes)
            return nil
        }
        guard size != nil else {
            return Self.otherSize(height: height, width: width, than: shape)
        }
        let inner = innerSize(height: height, width: width, of: shape)
        let channels = shape.channels
        if (inner.height, inner.width) == (shape.height, shape.width) {
            scratch.resize(source, height, width, channels, to: inner, filter, target)
            return nil
        }
        guard inner.width * inner.height <= max(16 * shape.width * shape.height, 1 << 22) else {
            return Unreadable(reason: "is \(width)×\(height) pixels, too narrow for --fit \(fit.rawValue)")
        }
        let picture = scratch.picture(inner.width * inner.height * channels)
        scratch.resize(source, height, width, channels, to: inner, filter, picture)
        // Where the picture begins in the target, or, negative, the target in the picture; halves to even as Python rounds.
        let top = Self.half(shape.height - inner.height)
        let left = Self.half(shape.width - inner.width)
        if fit == .pad { target.update(repeating: 0, count: shape.bytes) }
        let rows = min(inner.height, shape.height)
        let rowBytes = min(inner.width, shape.width) * channels
        for row in 0..<rows {
            let from = ((row + max(0, -top)) * inner.width + max(0, -left)) * channels
            let to = ((row + max(0, top)) * shape.width + max(0, left)) * channels
            (target + to).update(from: picture + from, count: rowBytes)
        }
        return nil
    }

    /// The size to which a picture is resized before it is cropped or padded.
    package func innerSize(height: Int, width: Int, of shape: ImageShape) -> Size {
        let (h, w) = (shape.height, shape.width)
        switch fit {
        case .stretch: return Size(width: w, height: h)
        case .crop:
            // The side that is nearer to its target takes it; the other is rounded down.
            return height * w >= width * h
                ? Size(width: w, height: max(h, w * height / width))
                : Size(width: max(w, h * width / height), height: h)
        case .pad:
            let ratio = Double(width) / Double(height)
            let targetRatio = Double(w) / Double(h)
            if ratio > targetRatio {
                return Size(width: w, height: max(1, Self.rounded(Double(height) / Double(width) * Double(w))))
            }
            if ratio < targetRatio { return Size(width: max(1, Self.rounded(ratio * Double(h))), height: h) }
            return Size(width: w, height: h)
        }
    }

    private static func half(_ difference: Int) -> Int { rounded(Double(difference) / 2) }
    private static func rounded(_ value: Double) -> Int { Int(value.rounded(.toNearestOrEven)) }

    private static func calling(
        _ bytes: UnsafeRawBufferPointer,
        _ body: (UnsafePointer<UInt8>?, UnsafeMutablePointer<CImages_Image>, UnsafeMutablePointer<CChar>?) -> Int32
    ) -> Result<CImages_Image, Unreadable> {
        var image = CImages_Image()
        let base = bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard bytes.count > 0, CImages_format(base, bytes.count) != CImages_unknown else {
            return .failure(Unreadable(reason: ForeignFormat.words(bytes), isForeign: true))
        }
        let reason = withUnsafeTemporaryAllocation(of: CChar.self, capacity: Int(CImages_messageBytes)) {
            body(base, &image, $0.baseAddress) == 0 ? nil : String(cString: $0.baseAddress!)
        }
        if let reason { return .failure(Unreadable(reason: "cannot be decoded: \(reason)")) }
        return .success(image)
    }
}

/// An image that cannot be read, and why, in words that follow its name.
package struct Unreadable: Error {
    package let reason: String
    /// The bytes are of no format that is read.
    package let isForeign: Bool

    package init(reason: String, isForeign: Bool = false) {
        (self.reason, self.isForeign) = (reason, isForeign)
    }
}

/// Memory for resizing, of one thread, kept from image to image.
package final class ResizeScratch {
    private var tables = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    private var pixels = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    package init() {}

    deinit {
        tables.deallocate()
        pixels.deallocate()
    }

    func picture(_ bytes: Int) -> UnsafeMutablePointer<UInt8> {
        Self.grow(&pixels, bytes).assumingMemoryBound(to: UInt8.self)
    }

    func resize(
        _ source: UnsafePointer<UInt8>, _ height: Int, _ width: Int, _ channels: Int, to size: ImagePreparation.Size,
        _ filter: ImagePreparation.Filter, _ target: UnsafeMutablePointer<UInt8>
    ) {
        let box = CImages_Box(left: 0, top: 0, right: Float(width), bottom: Float(height))
        let kind = filter == .bicubic ? CImages_bicubic : CImages_bilinear
        let (h, w, c) = (Int32(height), Int32(width), Int32(channels))
        let (newHeight, newWidth) = (Int32(size.height), Int32(size.width))
        let bytes = CImages_resizeScratchBytes(h, w, c, box, newHeight, newWidth, kind)
        CImages_resize(source, h, w, c, box, target, newHeight, newWidth, kind, Self.grow(&tables, bytes))
    }

    private static func grow(_ memory: inout UnsafeMutableRawBufferPointer, _ bytes: Int) -> UnsafeMutableRawPointer {
        if memory.count < bytes {
            memory.deallocate()
            memory = .allocate(byteCount: bytes, alignment: 64)
        }
        return memory.baseAddress!
    }
}

/// Names of formats that are not read, for a message that helps.
package enum ForeignFormat {
    private static let signatures: [(name: String, offset: Int, bytes: [UInt8])] = [
        ("GIF", 0, Array("GIF8".utf8)), ("BMP", 0, Array("BM".utf8)), ("TIFF", 0, [0x49, 0x49, 0x2A, 0]),
        ("TIFF", 0, [0x4D, 0x4D, 0, 0x2A]), ("WebP", 8, Array("WEBP".utf8)), ("HEIC or AVIF", 4, Array("ftyp".utf8)),
        ("PDF", 0, Array("%PDF".utf8)), ("JPEG 2000", 4, Array("jP  ".utf8)), ("ZIP", 0, [0x50, 0x4B, 3, 4]),
        ("markup (SVG, XML, HTML)", 0, Array("<".utf8)),
    ]

    /// `is a GIF file, expected JPEG or PNG`
    static func words(_ bytes: UnsafeRawBufferPointer) -> String {
        guard bytes.count > 0 else { return "is empty" }
        let known = signatures.first { _, offset, signature in
            bytes.count >= offset + signature.count && bytes[offset..<offset + signature.count].elementsEqual(signature)
        }
        return (known.map { "is a \($0.name) file" } ?? "is no image") + ", expected JPEG or PNG"
    }

    private static let imageSuffixes: Set<String> = [
        "jpg", "jpeg", "jpe", "jfif", "png", "gif", "bmp", "tif", "tiff", "webp", "ppm", "pgm", "heic", "avif", "jp2",
    ]

    /// Whether a name claims to be an image's, whatever the content.
    package static func isImageName(_ name: String) -> Bool {
        guard let dot = name.lastIndex(of: ".") else { return false }
        return imageSuffixes.contains(name[name.index(after: dot)...].lowercased())
    }
}
