internal import CKernels

/// The one binary tree in which partial results are added: neighbours first, the lower one as left operand.
///
/// The tree over a number of leaves that is no power of two is that of the next one, with absent leaves left out. Between ranks
/// `GradientTree` goes on with it.
package enum BinaryTree {
    /// The sum of at least one leaf; overwrites them.
    package static func sum<T>(_ leaves: UnsafeMutableBufferPointer<T>, _ add: (T, T) -> T) -> T {
        var distance = 1
        while distance < leaves.count {
            for lower in stride(from: 0, to: leaves.count - distance, by: 2 * distance) {
                leaves[lower] = add(leaves[lower], leaves[lower + distance])
            }
            distance *= 2
        }
        return leaves[0]
    }

    /// The sum of a power of two of numbers.
    package static func sum(_ leaves: Range<Int>, _ value: (Int) -> Double) -> Double {
        if leaves.count == 1 { return value(leaves.lowerBound) }
        let middle = leaves.lowerBound + leaves.count / 2
        return sum(leaves.lowerBound..<middle, value) + sum(middle..<leaves.upperBound, value)
    }

    /// Sums elements 0 ..< count of `leaves` arrays (a power of two) that start `stride` floats apart, each element in the tree;
    /// overwrites them.
    package static func sum(
        leafArrays: UnsafeMutablePointer<Float>, leaves: Int, stride: Int, count: Int,
        into total: UnsafeMutablePointer<Float>, kernels: KernelSet = .inUse
    ) {
        precondition(leaves.isPowerOfTwo, "\(leaves) leaves, expected a power of two")
        kernels.table.pointee.treeSum_f32(leafArrays, Int64(leaves), Int64(stride), Int64(count), total)
    }

    /// How many subtrees a leaf completes where leaves come in order: it is added to what waits at that many levels, and the sum
    /// waits for its neighbour at the next.
    package static func subtreesCompleted(byLeaf number: Int) -> Int { (~number).trailingZeroBitCount }
}
