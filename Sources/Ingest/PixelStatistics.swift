/// Mean and standard deviation of every channel, from whole pixels given in pieces, channels last.
protocol ChannelStatistics {
    mutating func add(_ pixels: UnsafeRawBufferPointer)
    var mean: [Double] { get }
    /// Of the population: divided by the number of pixels.
    var standardDeviation: [Double] { get }
}

/// Mean and standard deviation per channel of uint8 pixels, scaled to 0…1, from exact integer sums.
struct PixelStatistics: ChannelStatistics {
    private let channels: Int
    private var sums: [UInt64]
    private var squares: [UInt64]
    private var count: UInt64 = 0

    init(channels: Int) {
        self.channels = channels
        sums = [UInt64](repeating: 0, count: channels)
        squares = sums
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        let pixels = bytes.assumingMemoryBound(to: UInt8.self)
        count += UInt64(pixels.count / channels)
        for channel in 0..<channels {
            // Blocks short enough for 32-bit sums of squares, so that the loop vectorizes.
            var start = channel
            while start < pixels.count {
                let end = min(pixels.count, start + 32768 * channels)
                var sum: UInt32 = 0
                var square: UInt32 = 0
                var index = start
                while index < end {
                    let value = UInt32(pixels[index])
                    sum &+= value
                    square &+= value &* value
                    index += channels
                }
                sums[channel] += UInt64(sum)
                squares[channel] += UInt64(square)
                start = index
            }
        }
    }

    var mean: [Double] { sums.map { Double($0) / (Double(count) * 255) } }

    var standardDeviation: [Double] {
        zip(sums, squares).map { sum, square in
            let mean = Double(sum) / Double(count)
            return max(0, Double(square) / Double(count) - mean * mean).squareRoot() / 255
        }
    }
}

/// Mean and standard deviation per channel of float32 pixels, as they are. Sums are taken in the order of the pixels, around the
/// first value of each channel, so that a small spread around a large value keeps its digits.
struct RealStatistics: ChannelStatistics {
    private let channels: Int
    private var origin: [Double] = []
    private var sums: [Double]
    private var squares: [Double]
    private var count = 0.0

    init(channels: Int) {
        self.channels = channels
        sums = [Double](repeating: 0, count: channels)
        squares = sums
    }

    mutating func add(_ bytes: UnsafeRawBufferPointer) {
        let pixels = bytes.assumingMemoryBound(to: Float.self)
        guard !pixels.isEmpty else { return }
        if origin.isEmpty { origin = pixels[..<channels].map { Double($0) } }
        count += Double(pixels.count / channels)
        for channel in 0..<channels {
            var (sum, square) = (0.0, 0.0)
            for index in stride(from: channel, to: pixels.count, by: channels) {
                let value = Double(pixels[index]) - origin[channel]
                sum += value
                square += value * value
            }
            sums[channel] += sum
            squares[channel] += square
        }
    }

    var mean: [Double] { zip(origin, sums).map { $0 + $1 / count } }

    var standardDeviation: [Double] {
        zip(sums, squares).map { sum, square in
            let mean = sum / count
            return max(0, square / count - mean * mean).squareRoot()
        }
    }
}
