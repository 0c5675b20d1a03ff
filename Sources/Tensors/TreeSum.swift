internal import CKernels

/// Adds arrays element by element in one binary tree: neighbours first, the lower one as left operand.
package enum TreeSum {
    /// Sums elements 0 ..< count of `leaves` arrays (a power of two) that start `stride` floats apart; overwrites them.
    package static func sum(
        leafArrays: UnsafeMutablePointer<Float>, leaves: Int, stride: Int, count: Int,
        into total: UnsafeMutablePointer<Float>
    ) {
        precondition(leaves.isPowerOfTwo, "\(leaves) leaves, expected a power of two")
        KernelSet.inUse.table.pointee.treeSum_f32(leafArrays, Int64(leaves), Int64(stride), Int64(count), total)
    }

    /// Joins a power of two of values in the same tree.
    package static func sum<T>(_ leaves: UnsafeMutableBufferPointer<T>, _ add: (T, T) -> T) -> T {
        var distance = 1
        while distance < leaves.count {
            var leaf = 0
            while leaf < leaves.count {
                leaves[leaf] = add(leaves[leaf], leaves[leaf + distance])
                leaf += 2 * distance
            }
            distance *= 2
        }
        return leaves[0]
    }

    /// Adds a power of two of numbers in the same tree, without touching them.
    package static func sum(_ leaves: Range<Int>, _ value: (Int) -> Double) -> Double {
        if leaves.count == 1 { return value(leaves.lowerBound) }
        let middle = leaves.lowerBound + leaves.count / 2
        return sum(leaves.lowerBound..<middle, value) + sum(middle..<leaves.upperBound, value)
    }
}
