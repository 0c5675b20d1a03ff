import Testing

@testable import Tensors

@Suite("Window arithmetic")
struct WindowArithmeticTests {
    @Test("the output extent is the number of places where the window fits, counted one by one")
    func bruteForce() throws {
        for input in 1...9 {
            for kernel in 1...5 {
                for stride in 1...4 {
                    for padding in 0...3 {
                        for dilation in 1...3 {
                            let last = dilation * (kernel - 1)
                            let fitting = Swift.stride(from: -padding, to: input + padding, by: stride).count {
                                $0 + last < input + padding
                            }
                            let extent = try? WindowArithmetic.outputExtent(
                                input: input, kernel: kernel, stride: stride, dilation: dilation, before: padding,
                                after: padding)
                            #expect((extent ?? 0) == fitting)
                            #expect((extent == nil) == (fitting == 0))
                        }
                    }
                }
            }
        }
    }

    @Test("extents beyond 24 bits are refused, not computed with")
    func tooLarge() {
        let large = WindowArithmetic.largestExtent
        func expectMisfit(_ body: () throws -> Int) {
            #expect { try body() } throws: { "\($0)".contains("expected at most \(large)") }
        }
        expectMisfit { try WindowArithmetic.outputExtent(input: large, kernel: 1, stride: 1, before: 1, after: 0) }
        expectMisfit { try WindowArithmetic.outputExtent(input: 4, kernel: .max, stride: 1, before: .max, after: .max) }
        expectMisfit { try WindowArithmetic.pooledExtent(input: 4, kernel: .max, stride: 1, padding: .max / 2) }
        expectMisfit {
            try WindowArithmetic.pooledExtent(input: large, kernel: 2, stride: 1, dilation: .max, padding: 0)
        }
        expectMisfit { try WindowArithmetic.transposedExtent(input: large, kernel: 1, stride: large, padding: 0) }
        expectMisfit { try WindowArithmetic.transposedExtent(input: .max, kernel: .max, stride: .max, padding: 0) }
        #expect(throws: Never.self) {
            try WindowArithmetic.outputExtent(input: large, kernel: large, stride: large, before: 0, after: 0)
        }
    }

    @Test("products of sizes end at more than any memory")
    func products() {
        #expect(Int.product(3, 4) == 12 && Int.product(3, 4, 5) == 60 && Int.product(0, .max, .max) == 0)
        #expect(Int.product(.max, .max) == Int.largestProduct && Int.product(1 << 40, 1 << 40, 1) == Int.largestProduct)
        #expect(Shape([1 << 62, 1 << 62, 0]).fits(1) && !Shape([1 << 40, 2]).fits(1 << 40))
        var layout = ArenaLayout()
        for _ in 0..<100 { _ = layout.request(byteCount: .max - 100, lifetime: 0...1) }
        #expect(layout.solve().byteCount == 100 * Int.largestProduct)
    }

    @Test("arguments out of range and kernels that are too large are refused with their numbers")
    func misfits() {
        #expect {
            try WindowArithmetic.outputExtent(input: 4, kernel: 7, stride: 1, before: 1, after: 1)
        } throws: {
            "\($0)".contains("7 places") && "\($0)".contains("has 6")
        }
        for (input, kernel, stride, padding, dilation) in [
            (0, 1, 1, 0, 1), (1, 0, 1, 0, 1), (1, 1, 0, 0, 1), (1, 1, 1, -1, 1), (1, 1, 1, 0, 0),
        ] {
            #expect(throws: WindowArithmetic.Misfit.self) {
                try WindowArithmetic.outputExtent(
                    input: input, kernel: kernel, stride: stride, dilation: dilation, before: padding,
                    after: padding)
            }
        }
    }
}
