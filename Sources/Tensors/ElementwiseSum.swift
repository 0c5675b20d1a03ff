/// Sums of values that lie side by side, element by element.
package enum ElementwiseSum {
    /// total += addend.
    package static func add(_ addend: UnsafePointer<Float>, to total: UnsafeMutablePointer<Float>, count: Int) {
        KernelSet.inUse.add(total, addend, count: count, into: total)
    }

    /// sum = a + b; sum may be one of them.
    package static func sum(
        _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int, into sum: UnsafeMutablePointer<Float>
    ) {
        KernelSet.inUse.add(a, b, count: count, into: sum)
    }
}
