internal import Datasets
internal import Digests
internal import Glibc

/// What one image looks like, measured on its brightness in levels 0…255.
struct ImageMeasures {
    /// Equal for images of equal bytes.
    var digest = ImageDigest()
    /// The level below which the darkest channel of one pixel in a hundred lies, and that above which the brightest channel of
    /// one in a hundred lies.
    var darkLevel: UInt8 = 0
    var brightLevel: UInt8 = 0
    /// Levels between the smallest and the largest value of the channel in which they lie farthest apart.
    var range: Float = 0
    /// The part of the contrast that is lost when the image is halved in size and enlarged again: root mean square of the
    /// difference over standard deviation. nil for images that are flat or smaller than 8×8.
    var fineDetail: Float?
    /// All channels are equal in every pixel.
    var isGray = false
    /// Values that are not finite, and finite ones outside 0…1, of float images.
    var notFinite = 0
    var outsideRange = 0
}

/// The first 128 bits of a SHA-256.
struct ImageDigest: Equatable, Comparable, Sendable {
    var high: UInt64 = 0
    var low: UInt64 = 0

    static func < (left: ImageDigest, right: ImageDigest) -> Bool {
        (left.high, left.low) < (right.high, right.low)
    }
}

/// Measures images of one shape, with memory of its own; one thread at a time.
final class ImageMeter {
    private let height: Int
    private let width: Int
    private let channels: Int
    private let type: PixelType
    /// Brightness, [H, W].
    private let plane: UnsafeMutableBufferPointer<Float>
    private let half: UnsafeMutableBufferPointer<Float>
    private let cells: UnsafeMutableBufferPointer<Float>
    private let thumbnail: UnsafeMutableBufferPointer<Float>
    /// Pixels by their darkest and by their brightest channel, 256 levels each.
    private let histograms: UnsafeMutableBufferPointer<Int>
    /// Below this standard deviation, in levels, an image is flat: what is left is noise.
    private static let flatDeviation: Float = 4
    /// Pictures are compared at this size, or at their own where that is smaller.
    private static let comparedSide = 32

    init(height: Int, width: Int, channels: Int, type: PixelType) {
        (self.height, self.width, self.channels, self.type) = (height, width, channels, type)
        plane = .allocate(capacity: height * width)
        half = .allocate(capacity: max(1, (height / 2) * (width / 2)))
        cells = .allocate(capacity: 2 * Self.comparedSide * Self.comparedSide)
        thumbnail = .allocate(capacity: ThumbnailIndex.dimensions)
        histograms = .allocate(capacity: 512)
    }

    deinit {
        for memory in [plane, half, cells, thumbnail] { memory.deallocate() }
        histograms.deallocate()
    }

    var imageBytes: Int { height * width * channels * type.byteCount }

    /// Measures an image, [H, W, C], and writes its thumbnail's coordinates (`ThumbnailIndex.dimensions`), zeros for a flat one.
    func measure(_ image: UnsafeRawPointer, coordinates: UnsafeMutablePointer<Int16>) -> ImageMeasures {
        var measures = ImageMeasures()
        measures.digest = digest(image)
        readPlane(image, &measures)
        let deviation = deviation()
        coordinates.update(repeating: 0, count: ThumbnailIndex.dimensions)
        guard deviation >= Self.flatDeviation else { return measures }
        if height >= 8, width >= 8 { measures.fineDetail = lostByHalving() / deviation }
        writeCoordinates(coordinates)
        return measures
    }

    /// The fine detail of an image at the size of comparison, with mean 0 and length 1; nil for a flat one. Brightness, contrast,
    /// size and slight compression change it little.
    func detail(_ image: UnsafeRawPointer) -> [Float]? {
        var measures = ImageMeasures()
        readPlane(image, &measures)
        let (rows, columns) = (min(height, Self.comparedSide), min(width, Self.comparedSide))
        let small = UnsafeMutableBufferPointer(rebasing: cells[..<(rows * columns)])
        average(into: small, rows: rows, columns: columns)
        var detail = [Float](repeating: 0, count: rows * columns)
        for y in 0..<rows {
            for x in 0..<columns {
                var sum: Float = 0
                for dy in -1...1 {
                    let row = min(max(y + dy, 0), rows - 1) * columns
                    for dx in -1...1 { sum += small[row + min(max(x + dx, 0), columns - 1)] }
                }
                detail[y * columns + x] = small[y * columns + x] - sum / 9
            }
        }
        let mean = detail.reduce(0, +) / Float(detail.count)
        var square: Float = 0
        for index in detail.indices {
            detail[index] -= mean
            square += detail[index] * detail[index]
        }
        // A quarter of a level: what is left of a flat image after rounding.
        guard square > Float(detail.count) / 16 else { return nil }
        let scale = 1 / square.squareRoot()
        for index in detail.indices { detail[index] *= scale }
        return detail
    }

    private func digest(_ image: UnsafeRawPointer) -> ImageDigest {
        var hash = SHA256()
        hash.update(UnsafeRawBufferPointer(start: image, count: imageBytes))
        let bytes = hash.finalize()
        func word(_ start: Int) -> UInt64 { bytes[start..<start + 8].reduce(0) { $0 << 8 | UInt64($1) } }
        return ImageDigest(high: word(0), low: word(8))
    }

    // MARK: Brightness

    private func readPlane(_ image: UnsafeRawPointer, _ measures: inout ImageMeasures) {
        switch type {
        case .uint8:
            let pixels = image.assumingMemoryBound(to: UInt8.self)
            readPlane(&measures) { Float(pixels[$0]) }
        case .float32:
            let pixels = image.assumingMemoryBound(to: Float.self)
            for index in 0..<plane.count * channels {
                let value = pixels[index]
                if !value.isFinite {
                    measures.notFinite += 1
                } else if value < 0 || value > 1 {
                    measures.outsideRange += 1
                }
            }
            readPlane(&measures) {
                let value = pixels[$0]
                return value.isFinite ? min(max(value, 0), 1) * 255 : 0
            }
        }
    }

    @inline(__always)
    private func readPlane(_ measures: inout ImageMeasures, _ level: (Int) -> Float) {
        histograms.update(repeating: 0)
        let weights: [Float] =
            channels == 3 ? [0.299, 0.587, 0.114] : .init(repeating: 1 / Float(channels), count: channels)
        var lows = [Float](repeating: .infinity, count: channels)
        var highs = [Float](repeating: -.infinity, count: channels)
        var isGray = true
        for pixel in 0..<plane.count {
            var (brightness, low, high): (Float, Float, Float) = (0, .infinity, -.infinity)
            for channel in 0..<channels {
                let value = level(channels * pixel + channel)
                brightness += weights[channel] * value
                (low, high) = (min(low, value), max(high, value))
                (lows[channel], highs[channel]) = (min(lows[channel], value), max(highs[channel], value))
            }
            plane[pixel] = brightness
            isGray = isGray && low == high
            histograms[Int(low + 0.5)] += 1
            histograms[256 + Int(high + 0.5)] += 1
        }
        measures.isGray = isGray
        measures.range = zip(lows, highs).reduce(0) { max($0, $1.1 - $1.0) }
        let few = plane.count / 100
        measures.darkLevel = UInt8(Self.level(0..<256, histograms, beyond: few))
        measures.brightLevel = UInt8(Self.level((256..<512).reversed(), histograms, beyond: few) - 256)
    }

    /// The standard deviation of the brightness.
    private func deviation() -> Float {
        var (sum, square) = (0.0, 0.0)
        for value in plane {
            sum += Double(value)
            square += Double(value) * Double(value)
        }
        let mean = sum / Double(plane.count)
        return Float(max(0, square / Double(plane.count) - mean * mean).squareRoot())
    }

    private static func level(
        _ levels: some Collection<Int>, _ histogram: UnsafeMutableBufferPointer<Int>, beyond few: Int
    ) -> Int {
        var seen = 0
        for level in levels {
            seen += histogram[level]
            if seen > few { return level }
        }
        return levels.first ?? 0
    }

    /// Root mean square of what is lost when the image is averaged 2×2 and enlarged bilinearly.
    private func lostByHalving() -> Float {
        let (rows, columns) = (height / 2, width / 2)
        for y in 0..<rows {
            for x in 0..<columns {
                let corner = 2 * y * width + 2 * x
                half[y * columns + x] =
                    (plane[corner] + plane[corner + 1] + plane[corner + width] + plane[corner + width + 1]) / 4
            }
        }
        var lost = 0.0
        for y in 0..<2 * rows {
            let near = y / 2
            let far = min(max(near + (y % 2 == 0 ? -1 : 1), 0), rows - 1)
            var sum: Float = 0
            for x in 0..<2 * columns {
                let left = x / 2
                let right = min(max(left + (x % 2 == 0 ? -1 : 1), 0), columns - 1)
                let nearRow = 0.75 * half[near * columns + left] + 0.25 * half[near * columns + right]
                let farRow = 0.75 * half[far * columns + left] + 0.25 * half[far * columns + right]
                let difference = plane[y * width + x] - (0.75 * nearRow + 0.25 * farRow)
                sum += difference * difference
            }
            lost += Double(sum)
        }
        return Float((lost / Double(4 * rows * columns)).squareRoot())
    }

    // MARK: Thumbnails

    /// The means of the cells of a grid over the image, which is at least as fine.
    private func average(into target: UnsafeMutableBufferPointer<Float>, rows: Int, columns: Int) {
        for row in 0..<rows {
            let ys = row * height / rows..<(row + 1) * height / rows
            for column in 0..<columns {
                let xs = column * width / columns..<(column + 1) * width / columns
                var sum: Float = 0
                for y in ys { for x in xs { sum += plane[y * width + x] } }
                target[row * columns + column] = sum / Float(ys.count * xs.count)
            }
        }
    }

    private func writeCoordinates(_ coordinates: UnsafeMutablePointer<Int16>) {
        let side = ThumbnailIndex.side
        if height >= side, width >= side {
            average(into: thumbnail, rows: side, columns: side)
        } else {
            for cell in 0..<thumbnail.count {
                thumbnail[cell] = plane[cell / side * height / side * width + cell % side * width / side]
            }
        }
        ThumbnailIndex.coordinates(of: UnsafePointer(thumbnail.baseAddress!), into: coordinates)
    }
}
