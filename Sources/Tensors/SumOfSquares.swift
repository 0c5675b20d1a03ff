internal import CKernels

/// Σ x² in float64 over the `VectorBlocks` of a vector, joined in a binary tree.
///
/// The tree over a number of blocks that is no power of two is that of the next one, with empty blocks left out.
package enum SumOfSquares {
    /// Of one block, whose elements start at `x`.
    package static func ofBlock(_ x: UnsafePointer<Float>, count: Int) -> Double {
        var sum = 0.0
        KernelSet.inUse.table.pointee.sumOfSquares_f32(x, Int64(count), &sum)
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
