import Testing

@testable import Tensors

@Suite("Maximum pooling")
struct PoolingTests {
    private struct Result {
        var y: [Float]
        var winners: [UInt16]
    }

    private func pool(_ x: [Float], _ window: Window2d) -> Result {
        let pooling = MaxPooling2d(window: window)
        var result = Result(
            y: [Float](repeating: -7, count: pooling.outputCount),
            winners: [UInt16](repeating: 999, count: pooling.outputCount))
        pooling.forward(x: x, y: &result.y, winners: &result.winners)
        return result
    }

    /// One 2 × 2 window, by the branch-free code for whole images and by the general code that padding needs.
    private func both(_ x: [Float]) throws -> [Result] {
        let simple = try Window2d(image: [1, 2, 2], kernel: (2, 2), stride: (2, 2), padding: (0, 0))
        let general = try Window2d(image: [1, 2, 2], kernel: (2, 2), stride: (3, 3), padding: (0, 0))
        return [pool(x, simple), pool(x, general)]
    }

    @Test("the first of equal values wins, row by row")
    func ties() throws {
        let cases: [(x: [Float], winner: UInt16)] = [
            ([1, 1, 1, 1], 0), ([0, 1, 1, 1], 1), ([0, 0, 1, 1], 2), ([0, 0, 0, 1], 3), ([0, 1, 0, 1], 1),
            ([1, 0, 0, 1], 0), ([-0.0, 0, 0, 0], 0), ([0, -0.0, -0.0, -0.0], 0),
        ]
        for (x, winner) in cases {
            for result in try both(x) { #expect(result.winners == [winner], "\(x)") }
        }
    }

    @Test("NaN wins over every number, and the first NaN over later ones")
    func notANumber() throws {
        let nan = Float.nan
        let cases: [(x: [Float], winner: UInt16)] = [
            ([nan, 1, 2, 3], 0), ([1, nan, 2, 3], 1), ([3, 2, nan, .infinity], 2), ([1, 2, 3, nan], 3),
            ([0, nan, nan, 0], 1),
        ]
        for (x, winner) in cases {
            for result in try both(x) {
                #expect(result.winners == [winner], "\(x)")
                #expect(result.y[0].isNaN)
            }
        }
    }

    @Test("padding never wins, not even over negative infinity")
    func padding() throws {
        let window = try Window2d(image: [1, 3, 3], kernel: (3, 3), stride: (2, 2), padding: (1, 1))
        let result = pool([Float](repeating: -.infinity, count: 9), window)
        #expect(result.y == [Float](repeating: -.infinity, count: 4))
        #expect(result.winners == [4, 3, 1, 0])
    }

    @Test("the code for 2 × 2 windows makes the choices of the definition on random images with ties")
    func simpleWindows() throws {
        var randoms = Randoms(20)
        for _ in 0..<100 {
            let (channels, height, width) = (randoms.int(1...3), randoms.int(2...11), randoms.int(2...11))
            let window = try Window2d(
                image: [channels, height, width], kernel: (2, 2), stride: (2, 2), padding: (0, 0))
            let x = (0..<window.inputCount).map { _ in Float(randoms.int(-2...2)) }
            let result = pool(x, window)
            var output = 0
            for c in 0..<channels {
                for p in 0..<height / 2 {
                    for q in 0..<width / 2 {
                        let values = [(0, 0), (0, 1), (1, 0), (1, 1)].map {
                            x[(c * height + 2 * p + $0.0) * width + 2 * q + $0.1]
                        }
                        #expect(result.y[output] == values.max())
                        #expect(Int(result.winners[output]) == values.firstIndex(of: result.y[output]))
                        output += 1
                    }
                }
            }
        }
    }

    @Test("where windows overlap a place gets the sum of what it has won, all others +0")
    func overlap() throws {
        let window = try Window2d(image: [1, 3, 3], kernel: (2, 2), stride: (1, 1), padding: (0, 0))
        let x: [Float] = [0, 0, 0, 0, 9, 0, 0, 0, 0]
        let result = pool(x, window)
        var dx = [Float](repeating: .nan, count: 9)
        MaxPooling2d(window: window).backward(dy: [1, 2, 4, 8], winners: result.winners, dx: &dx)
        #expect(sameBits(dx, [0, 0, 0, 0, 15, 0, 0, 0, 0]))
    }
}
