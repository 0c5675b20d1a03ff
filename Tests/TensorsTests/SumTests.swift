import TestSupport
import Testing

@testable import Tensors

@Suite("Tree sums and sums of squares")
struct SumTests {
    /// The tree written as a recursion: the left half plus the right half.
    private func tree(_ leaves: ArraySlice<Float>) -> Float {
        if leaves.count == 1 { return leaves.first! }
        let middle = leaves.startIndex + leaves.count / 2
        return tree(leaves[..<middle]) + tree(leaves[middle...])
    }

    @Test(
        "the sum of 1 to 16 arrays is, bit for bit, left half plus right half all the way down",
        arguments: [1, 2, 4, 8, 16])
    func treeOfArrays(leaves: Int) {
        var randoms = Randoms(40 + UInt64(leaves))
        for (count, stride) in [(1, 1), (5, 5), (33, 40), (2_048, 2_050)] {
            var arrays = randoms.floats(leaves * stride)
            let expected = (0..<count).map { element in
                tree((0..<leaves).map { arrays[$0 * stride + element] }[...])
            }
            var total = [Float](repeating: .nan, count: count)
            BinaryTree.sum(leafArrays: &arrays, leaves: leaves, stride: stride, count: count, into: &total)
            #expect(sameBits(total, expected))
        }
    }

    @Test("the order of the leaves changes the bits: the tree is not reordered")
    func order() {
        func sum(_ leaves: [Float]) -> Float {
            var leaves = leaves
            var total: Float = 0
            BinaryTree.sum(leafArrays: &leaves, leaves: leaves.count, stride: 1, count: 1, into: &total)
            return total
        }
        // Half a unit is lost beside 1 and kept beside another half.
        #expect(sum([1, 0x1p-24, 0x1p-24, 0]) == 1)
        #expect(sum([1, 0, 0x1p-24, 0x1p-24]) == 1 + 0x1p-23)
    }

    @Test("values join in the same tree as arrays do", arguments: [1, 2, 4, 8, 16])
    func treeOfValues(leaves: Int) {
        var randoms = Randoms(50)
        let values = randoms.floats(leaves)
        var overwritten = values
        let sum = overwritten.withUnsafeMutableBufferPointer { BinaryTree.sum($0, +) }
        #expect(sum.bitPattern == tree(values[...]).bitPattern)
        var names = (0..<leaves).map(String.init)
        let joined = names.withUnsafeMutableBufferPointer { BinaryTree.sum($0) { "(\($0)\($1))" } }
        if leaves == 4 { #expect(joined == "((01)(23))") }
    }

    @Test("the sum of squares has the same bits with 1, 2, 3 and 4 threads, and the value of a sum in order")
    func sumOfSquares() throws {
        var randoms = Randoms(51)
        for count in [1, 7, 4_096, 4_097, 44_426, 100_003] {
            let x = randoms.floats(count)
            let expected = x.reduce(0.0) { $0 + Double($1) * Double($1) }
            var results: Set<UInt64> = []
            for threads in 1...4 {
                let pool = try ThreadPool(threads: threads)
                let cut = VectorBlocks(elements: count)
                let blocks = UnsafeMutableBufferPointer<Double>.allocate(capacity: cut.count)
                defer { blocks.deallocate() }
                x.withUnsafeBufferPointer { x in
                    pool.run(blocks.count) { block, _ in
                        blocks[block] = SumOfSquares.ofBlock(
                            x.baseAddress! + cut[block].lowerBound, count: cut[block].count)
                    }
                }
                results.insert(SumOfSquares.join(blocks).bitPattern)
            }
            #expect(results.count == 1)
            #expect(abs(Double(bitPattern: results.first!) - expected) <= 1e-12 * expected)
        }
    }

    @Test("no blocks at all sum to zero")
    func nothing() {
        let none = UnsafeMutableBufferPointer<Double>.allocate(capacity: 0)
        defer { none.deallocate() }
        #expect(VectorBlocks(elements: 0).count == 0 && SumOfSquares.join(none) == 0)
    }
}
