internal import CKernels

/// Σ x² in float64 over fixed blocks of 4,096 elements, the blocks joined in a binary tree.
///
/// The tree over a number of blocks that is no power of two is that of the next one, with empty blocks left out.
package enum SumOfSquares {
    package static let blockCount = 4_096

    package static func blocks(for count: Int) -> Int { (count + blockCount - 1) / blockCount }

    package static func ofBlock(_ block: Int, _ x: UnsafePointer<Float>, count: Int) -> Double {
        let start = block * blockCount
        var sum = 0.0
        KernelSet.inUse.table.pointee.sumOfSquares_f32(x + start, Int64(min(blockCount, count - start)), &sum)
        return sum
    }

    /// Joins the blocks' sums; overwrites them.
    package static func join(_ blocks: UnsafeMutableBufferPointer<Double>) -> Double {
        var distance = 1
        while distance < blocks.count {
            var block = 0
            while block + distance < blocks.count {
                blocks[block] += blocks[block + distance]
                block += 2 * distance
            }
            distance *= 2
        }
        return blocks.isEmpty ? 0 : blocks[0]
    }
}
