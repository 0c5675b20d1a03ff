/// Mean and standard deviation per channel of uint8 pixels, scaled to 0…1, from exact integer sums.
struct PixelStatistics {
    private let channels: Int
    private var sums: [UInt64]
    private var squares: [UInt64]
    private var count: UInt64 = 0

    init(channels: Int) {
        self.channels = channels
        sums = [UInt64](repeating: 0, count: channels)
        squares = sums
    }

    /// Adds whole pixels, channels last.
    mutating func add(_ pixels: UnsafeBufferPointer<UInt8>) {
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

    /// Of the population: divided by the number of pixels.
    var standardDeviation: [Double] {
        zip(sums, squares).map { sum, square in
            let mean = Double(sum) / Double(count)
            return max(0, Double(square) / Double(count) - mean * mean).squareRoot() / 255
        }
    }
}
