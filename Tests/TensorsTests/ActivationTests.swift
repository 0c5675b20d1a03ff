import TestSupport
import Testing

@testable import Tensors

@Suite("Rectified linear")
struct ActivationTests {
    private let x: [Float] = [
        1, -1, 0, -0.0, .nan, .infinity, -.infinity, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 2.5, -2.5,
    ]

    @Test("negative numbers and both zeros become +0, NaN stays NaN")
    func forward() {
        var y = [Float](repeating: 7, count: x.count)
        Activation.relu.forward(x: x, count: x.count, y: &y)
        #expect(y[4].isNaN)
        y[4] = 0
        #expect(sameBits(y, [1, 0, 0, 0, 0, .infinity, 0, .leastNonzeroMagnitude, 0, 2.5, 0]))
    }

    @Test("the gradient is +0 where the output is, whatever it holds there, and passes elsewhere, through NaN too")
    func backward() {
        let y: [Float] = [1, 0, .leastNonzeroMagnitude, 0, 0, .infinity, .nan]
        let dy: [Float] = [-3, .nan, 4, -.infinity, -0.0, -0.0, 5]
        var dx = [Float](repeating: 7, count: y.count)
        Activation.relu.backward(xOrY: y, dy: dy, count: y.count, dx: &dx)
        #expect(sameBits(dx, [-3, 0, 4, 0, 0, -0.0, 5]))
    }

    @Test("both passes give the same bits in place")
    func inPlace() {
        var randoms = Randoms(30)
        for count in [1, 7, 8, 33, 100] {
            let x = randoms.floats(count)
            let dy = randoms.floats(count)
            var (y, dx) = ([Float](repeating: 7, count: count), [Float](repeating: 7, count: count))
            Activation.relu.forward(x: x, count: count, y: &y)
            Activation.relu.backward(xOrY: y, dy: dy, count: count, dx: &dx)
            var (y2, dx2) = (x, dy)
            y2.withUnsafeMutableBufferPointer {
                Activation.relu.forward(x: $0.baseAddress!, count: count, y: $0.baseAddress!)
            }
            dx2.withUnsafeMutableBufferPointer {
                Activation.relu.backward(xOrY: y, dy: $0.baseAddress!, count: count, dx: $0.baseAddress!)
            }
            #expect(sameBits(y, y2) && sameBits(dx, dx2))
        }
    }
}
