internal import CKernels

/// The one binary tree in which partial results are added: neighbours first, the lower one as left operand.
///
/// Neighbours are paired level by level, and an odd one at the end moves up unchanged. Between ranks `GradientTree` goes on with
/// the tree.
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

    /// The largest subtrees of the tree over `count` leaves that lie in a range of these, in order.
    ///
    /// A subtree begins at a multiple of its size; the last one of a level may have fewer leaves.
    package static func subtrees(in range: Range<Int>, of count: Int) -> [Range<Int>] {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "leaves \(range) of \(count)")
        var subtrees: [Range<Int>] = []
        var first = range.lowerBound
        while first < range.upperBound {
            var size = 1
            while size < count, first % (2 * size) == 0, min(first + 2 * size, count) <= range.upperBound { size *= 2 }
            let end = min(first + size, count)
            subtrees.append(first..<end)
            first = end
        }
        return subtrees
    }
}
