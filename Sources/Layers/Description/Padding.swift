package import Tensors

/// How many places a convolution adds around its image.
package enum Padding: Equatable, Sendable, ExpressibleByIntegerLiteral, ExpressibleByArrayLiteral {
    /// As many in front of an axis as behind it.
    case symmetric(Extents)
    /// One pair for each axis.
    case sides([Side])
    /// None.
    case valid
    /// As many as keep the extents of the image, with stride 1 only; an odd one lies behind.
    case same
    /// As many as let the kernel touch the image with its last place: dilation · (kernel − 1) on every side.
    case full

    package struct Side: Equatable, Sendable {
        package let before, after: Int

        package init(before: Int, after: Int) {
            self.before = before
            self.after = after
        }
    }

    package init(integerLiteral value: Int) { self = .symmetric(Extents(value)) }
    package init(arrayLiteral elements: Int...) { self = .symmetric(Extents(elements)) }

    package static func sides(_ pairs: [(before: Int, after: Int)]) -> Padding {
        .sides(pairs.map { Side(before: $0.before, after: $0.after) })
    }

    /// The places in front of and behind every axis. Throws: `WindowArithmetic.Misfit`.
    package func resolved(kernel: [Int], stride: [Int], dilation: [Int]) throws(WindowArithmetic.Misfit) -> [(
        before: Int, after: Int
    )] {
        let rank = kernel.count
        switch self {
        case .symmetric(let extents):
            return try extents.resolved(rank: rank).map { ($0, $0) }
        case .sides(let sides):
            guard sides.count == rank else {
                throw WindowArithmetic.Misfit(description: "padding for \(sides.count) axes, expected \(rank)")
            }
            return sides.map { ($0.before, $0.after) }
        case .valid:
            return kernel.map { _ in (0, 0) }
        case .same:
            guard stride.allSatisfy({ $0 == 1 }) else {
                throw WindowArithmetic.Misfit(
                    description:
                        "padding same with stride \(Extents(stride)), expected stride 1; give the padding as numbers")
            }
            return zip(kernel, dilation).map { kernel, dilation in
                let total = dilation * (kernel - 1)
                return (total / 2, total - total / 2)
            }
        case .full:
            return zip(kernel, dilation).map { kernel, dilation in
                (dilation * (kernel - 1), dilation * (kernel - 1))
            }
        }
    }
}
