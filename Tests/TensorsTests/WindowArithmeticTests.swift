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
