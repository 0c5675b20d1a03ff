extension Int {
    /// 1, 2, 4, 8 …
    package var isPowerOfTwo: Bool { self > 0 && self & (self - 1) == 0 }

    /// More than any memory has bytes, and so little that sums of many such numbers still fit an Int.
    package static let largestProduct = 1 << 50

    /// The product of sizes from 0, at most `largestProduct`.
    package static func product(_ a: Int, _ b: Int) -> Int {
        let (product, overflow) = a.multipliedReportingOverflow(by: b)
        return overflow ? largestProduct : Swift.min(product, largestProduct)
    }

    package static func product(_ a: Int, _ b: Int, _ c: Int) -> Int {
        a == 0 || b == 0 ? 0 : product(product(a, b), c)
    }
}

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

    /// Number of elements; 1 for a scalar. Shapes of a network have been checked to fit (`Network`).
    package var count: Int { dimensions.reduce(1, *) }
    /// Whether there are at most so many elements.
    package func fits(_ elements: Int) -> Bool { dimensions.reduce(1, Int.product) <= elements }
    package var rank: Int { dimensions.count }
    package subscript(_ axis: Int) -> Int { dimensions[axis] }

    package var description: String { "[\(dimensions.map(String.init).joined(separator: ", "))]" }
}

/// One number for each spatial axis of a kernel, or one for all of them: `3` or `[3, 2]`.
package struct Extents: Equatable, Sendable, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral,
    CustomStringConvertible
{
    private let values: [Int]
    private let isUniform: Bool

    /// The same for every axis.
    package init(_ value: Int) {
        values = [value]
        isUniform = true
    }

    /// Outermost axis first.
    package init(_ values: [Int]) {
        precondition(!values.isEmpty, "extents without an axis")
        self.values = values
        isUniform = false
    }

    package init(integerLiteral value: Int) { self.init(value) }
    package init(arrayLiteral elements: Int...) { self.init(elements) }

    /// The numbers of `rank` axes. Throws: `WindowArithmetic.Misfit` when another number of axes was given.
    package func resolved(rank: Int) throws(WindowArithmetic.Misfit) -> [Int] {
        if isUniform { return [Int](repeating: values[0], count: rank) }
        guard values.count == rank else {
            throw WindowArithmetic.Misfit(description: "\(values) has \(values.count) axes, expected \(rank)")
        }
        return values
    }

    package var description: String {
        isUniform ? "\(values[0])" : values.map(String.init).joined(separator: "×")
    }
}
