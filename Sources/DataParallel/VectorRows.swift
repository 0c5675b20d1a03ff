/// Vectors of one length that lie one after the other, `stride` elements apart. Someone else's memory.
package struct VectorRows<Element: BitwiseCopyable> {
    package let base: UnsafeMutablePointer<Element>?
    package let count, stride, rows: Int

    package init(base: UnsafeMutablePointer<Element>?, count: Int, stride: Int, rows: Int) {
        precondition(rows <= 1 || stride >= count, "rows of \(count) elements, \(stride) apart")
        (self.base, self.count, self.stride, self.rows) = (base, count, stride, rows)
    }

    /// One vector.
    package init(_ vector: UnsafeMutableBufferPointer<Element>) {
        self.init(base: vector.baseAddress, count: vector.count, stride: vector.count, rows: 1)
    }

    /// None of no length, for a sum of which only the other part matters.
    package static var none: VectorRows { VectorRows(base: nil, count: 0, stride: 0, rows: 0) }

    package func first(_ rows: Int) -> VectorRows {
        VectorRows(base: base, count: count, stride: stride, rows: rows)
    }

    /// Traps: a row that does not exist, unless there is no memory at all.
    package subscript(row: Int) -> UnsafeMutableBufferPointer<Element> {
        guard let base else { return UnsafeMutableBufferPointer(start: nil, count: 0) }
        precondition((0..<rows).contains(row), "row \(row) of \(rows)")
        return UnsafeMutableBufferPointer(start: base + row * stride, count: count)
    }
}
