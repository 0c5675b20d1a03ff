import Foundation
import Testing

@testable import Layers
@testable import Tensors

/// In processes of their own, where no other test allocates.
@Suite("Heap")
struct PlanHeapTests {
    /// Bytes by which the heap has grown over 100 runs, after some that let every thread's buffers come into being.
    private static func growth(threads: Int, mode: ExecutionPlan.Mode) throws -> Int {
        let probe = try PlanProbe.fashion(imagesPerShard: 28, shards: 4, threads: threads, mode: mode)
        let data = TestImages(112)
        let counts: [Int32] = [28, 28, 24, 0]
        var gradients = [Float](repeating: 0, count: probe.weights.count)
        func run() {
            gradients.withUnsafeMutableBufferPointer {
                _ = probe.plan.run(
                    images: data.images, labels: data.labels, counts: counts, weights: probe.weights,
                    gradients: mode == .training ? $0.baseAddress! : nil)
            }
        }
        for _ in 0..<20 { run() }
        let before = mallinfo2()
        for _ in 0..<100 { run() }
        let after = mallinfo2()
        return Int(after.uordblks + after.hblkhd) - Int(before.uordblks + before.hblkhd)
    }

    @Test("100 training runs leave the heap as it was, with one thread and with two")
    func training() async {
        await #expect(processExitsWith: .success) {
            #expect(try PlanHeapTests.growth(threads: 1, mode: .training) == 0)
            #expect(try PlanHeapTests.growth(threads: 2, mode: .training) == 0)
        }
    }

    @Test("100 evaluation runs leave the heap as it was")
    func evaluation() async {
        await #expect(processExitsWith: .success) {
            #expect(try PlanHeapTests.growth(threads: 2, mode: .evaluation) == 0)
        }
    }
}
