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
