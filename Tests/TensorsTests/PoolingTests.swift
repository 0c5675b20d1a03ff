import TestSupport
import Testing

@testable import Tensors

@Suite("Pooling")
struct PoolingTests {
    private struct Result {
        var y: [Float]
        var argmax: [Int32]
    }

    private func maximum(_ x: [Float], _ pooling: Pooling) -> Result {
        var result = Result(
            y: [Float](repeating: -7, count: pooling.outputCount),
            argmax: [Int32](repeating: 999, count: pooling.outputCount))
        pooling.extreme(.maximum, x: x, y: &result.y, argmax: &result.argmax)
        return result
    }

    /// Square windows without padding.
    private func windows(_ channels: Int, _ height: Int, _ width: Int, kernel: Int, stride: Int, padding: Int = 0)
        throws
        -> Pooling
    {
        Pooling(
            channels: channels,
            axes: [
                try PoolingSpans(input: height, kernel: kernel, stride: stride, padding: padding),
                try PoolingSpans(input: width, kernel: kernel, stride: stride, padding: padding),
            ])
    }

    @Test("the first of equal values wins, row by row")
    func ties() throws {
        let cases: [(x: [Float], argmax: Int32)] = [
            ([1, 1, 1, 1], 0), ([0, 1, 1, 1], 1), ([0, 0, 1, 1], 2), ([0, 0, 0, 1], 3), ([0, 1, 0, 1], 1),
            ([1, 0, 0, 1], 0), ([-0.0, 0, 0, 0], 0), ([0, -0.0, -0.0, -0.0], 0),
        ]
        for (x, argmax) in cases {
            #expect(maximum(x, try windows(1, 2, 2, kernel: 2, stride: 2)).argmax == [argmax], "\(x)")
        }
    }

    @Test("NaN wins over every number, and the first NaN over later ones")
    func notANumber() throws {
        let nan = Float.nan
        let cases: [(x: [Float], argmax: Int32)] = [
            ([nan, 1, 2, 3], 0), ([1, nan, 2, 3], 1), ([3, 2, nan, .infinity], 2), ([1, 2, 3, nan], 3),
            ([0, nan, nan, 0], 1),
        ]
        for (x, argmax) in cases {
            let result = maximum(x, try windows(1, 2, 2, kernel: 2, stride: 2))
            #expect(result.argmax == [argmax], "\(x)")
            #expect(result.y[0].isNaN)
        }
    }

    @Test("padding never wins, not even over negative infinity")
    func padding() throws {
        let result = maximum(
            [Float](repeating: -.infinity, count: 9), try windows(1, 3, 3, kernel: 3, stride: 2, padding: 1))
        #expect(result.y == [Float](repeating: -.infinity, count: 4))
        #expect(result.argmax == [0, 1, 3, 4])
    }

    @Test("the minimum is minus the maximum of minus the image, with the same argmax")
    func minimum() throws {
        var randoms = Randoms(20)
        for _ in 0..<100 {
            let pooling = try windows(
                randoms.int(1...3), randoms.int(4...11), randoms.int(4...11), kernel: randoms.int(1...4),
                stride: randoms.int(1...3))
            let x = (0..<pooling.inputCount).map { _ in Float(randoms.int(-2...2)) }
            let expected = maximum(x.map { -$0 }, pooling)
            var result = expected
            pooling.extreme(.minimum, x: x, y: &result.y, argmax: &result.argmax)
            #expect(result.y == expected.y.map { -$0 } && result.argmax == expected.argmax)
        }
    }

    @Test("where windows overlap a place gets the sum of what it has won, all others +0")
    func overlap() throws {
        let pooling = try windows(1, 3, 3, kernel: 2, stride: 1)
        let result = maximum([0, 0, 0, 0, 9, 0, 0, 0, 0], pooling)
        var dx = [Float](repeating: .nan, count: 9)
        pooling.extremeBackward(dy: [1, 2, 4, 8], argmax: result.argmax, dx: &dx)
        #expect(sameBits(dx, [0, 0, 0, 0, 15, 0, 0, 0, 0]))
    }

    @Test("a window that holds no place of the image gives negative infinity and no gradient")
    func emptyWindow() throws {
        let pooling = Pooling(
            channels: 1, axes: [try PoolingSpans(input: 1, kernel: 2, stride: 1, dilation: 2, padding: 1)])
        #expect(pooling.outputCount == 1)
        let result = maximum([5], pooling)
        #expect(result.y == [-.infinity] && result.argmax == [-1])
        var dx: [Float] = [.nan]
        pooling.extremeBackward(dy: [3], argmax: result.argmax, dx: &dx)
        #expect(dx == [0])
    }

    @Test("adaptive windows cover the input from end to end, and global averaging takes all of it")
    func adaptive() {
        for input in 1...20 {
            for output in 1...25 {
                let pooling = Pooling(channels: 1, axes: [PoolingSpans(input: input, adaptingTo: output)])
                var y = [Float](repeating: .nan, count: output)
                pooling.average(x: [Float](repeating: 3, count: input), y: &y)
                #expect(y.allSatisfy { $0 == 3 }, "\(input) → \(output)")
            }
        }
        var mean: [Float] = [0]
        Pooling(channels: 1, axes: [PoolingSpans(input: 4, adaptingTo: 1)]).average(x: [1, 2, 3, 6], y: &mean)
        #expect(mean == [3])
    }

    @Test("a channel of more places than 32 bits number has no argmax")
    func numbers() {
        let spans = PoolingSpans(input: 1 << 16, adaptingTo: 1)
        #expect(!Pooling(channels: 1, axes: [spans, spans]).numbersFit)
        let smaller = PoolingSpans(input: 1 << 14, adaptingTo: 1)
        #expect(Pooling(channels: 1 << 20, axes: [spans, smaller]).numbersFit)
    }
}
