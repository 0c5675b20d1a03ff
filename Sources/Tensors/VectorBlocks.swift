internal import CKernels

/// A vector cut into blocks of neighbouring elements: what a thread takes at a time, and what norms are added over.
package struct VectorBlocks: Sendable {
    /// Elements of a block. It is part of how a norm is defined.
    package static let length = 4_096

    package let elements: Int
    package let length: Int

    package init(elements: Int, length: Int = VectorBlocks.length) {
        self.elements = elements
        self.length = length
    }

    package var count: Int { (elements + length - 1) / length }

    /// The elements of a block; the last one may be short.
    package subscript(block: Int) -> Range<Int> { block * length..<min((block + 1) * length, elements) }
}

/// Σ x² in float64, over the blocks of a vector.
package enum SumOfSquares {
    /// Of one block, whose elements start at `x`.
    package static func ofBlock(_ x: UnsafePointer<Float>, count: Int) -> Double {
        var sum = 0.0
        KernelSet.inUse.table.pointee.sumOfSquares_f32(x, Int64(count), &sum)
        return sum
    }

    /// Of the whole vector, from its blocks' sums in their binary tree; overwrites them.
    package static func join(_ blocks: UnsafeMutableBufferPointer<Double>) -> Double {
        blocks.isEmpty ? 0 : BinaryTree.sum(blocks, +)
    }
}
