import CAllocationCounter
import Testing

@testable import Layers
@testable import Tensors

/// In processes of their own, where no other test allocates.
@Suite("Allocations of a plan")
struct PlanAllocationTests {
    /// Allocations of 100 runs, after some in which every thread's buffers have come into being.
    private static func allocations(threads: Int, mode: ExecutionPlan.Mode) throws -> Int {
        let probe = try PlanProbe.fashion(imagesPerShard: 28, shards: 4, threads: threads, mode: mode)
        let data = TestImages(112)
        let counts: [Int32] = [28, 28, 24, 0]
        var gradients = [Float](repeating: 0, count: probe.weights.count)
        return try gradients.withUnsafeMutableBufferPointer { gradients in
            let target = mode == .training ? gradients.baseAddress! : nil
            let run = {
                _ = try probe.plan.run(
                    images: data.images, labels: data.labels, counts: counts, weights: probe.weights,
                    gradients: target)
            }
            for _ in 0..<20 { try run() }
            let before = CAllocationCounter_count()
            for _ in 0..<100 { try run() }
            return Int(CAllocationCounter_count() - before)
        }
    }

    @Test("100 training runs allocate nothing, with one thread and with two")
    func training() async {
        await #expect(processExitsWith: .success) {
            let withOne = try PlanAllocationTests.allocations(threads: 1, mode: .training)
            #expect(withOne == 0)
            let withTwo = try PlanAllocationTests.allocations(threads: 2, mode: .training)
            #expect(withTwo == 0)
        }
    }

    @Test("100 evaluation runs allocate nothing")
    func evaluation() async {
        await #expect(processExitsWith: .success) {
            let withTwo = try PlanAllocationTests.allocations(threads: 2, mode: .evaluation)
            #expect(withTwo == 0)
        }
    }

    @Test("the counter sees what Swift allocates")
    func counter() {
        let before = CAllocationCounter_count()
        let array = [Int](repeating: 1, count: 1_000 + Int(before % 2))
        let after = CAllocationCounter_count()
        #expect(after > before && array.count >= 1_000)
    }
}
