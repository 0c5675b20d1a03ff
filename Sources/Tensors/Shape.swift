/// The extents of a tensor, outermost first, row-major.
package struct Shape: Equatable, Sendable, ExpressibleByArrayLiteral, CustomStringConvertible {
    package let dimensions: [Int]

    package init(_ dimensions: [Int]) {
        precondition(dimensions.allSatisfy { $0 >= 0 }, "negative extent in \(dimensions)")
        self.dimensions = dimensions
    }

    package init(arrayLiteral elements: Int...) {
        self.init(elements)
    }

    /// Number of elements; 1 for a scalar.
    package var count: Int { dimensions.reduce(1, *) }
    package var rank: Int { dimensions.count }
    package subscript(_ axis: Int) -> Int { dimensions[axis] }

    package var description: String { "[\(dimensions.map(String.init).joined(separator: ", "))]" }
}
