internal import Tensors

/// How many spatial axes a layer's images have: one implementation serves all, under PyTorch's three names.
package protocol SpatialRank: Sendable {
    static var rank: Int { get }
}

package enum OneAxis: SpatialRank {
    package static let rank = 1
}

package enum TwoAxes: SpatialRank {
    package static let rank = 2
}

package enum ThreeAxes: SpatialRank {
    package static let rank = 3
}

extension SpatialRank {
    /// "2d"
    static var suffix: String { "\(rank)d" }

    /// Throws: `ShapeMismatch` for anything but an image [C, spatial extents].
    static func check(_ input: Shape, for layer: String) throws {
        guard input.rank == rank + 1 else {
            let axes = ["[C, L]", "[C, H, W]", "[C, D, H, W]"][rank - 1]
            throw ShapeMismatch("\(layer) takes \(axes), found \(input)")
        }
    }

    /// Throws: `ShapeMismatch` for matrices that the library of matrix products cannot number.
    static func checkProduct(_ convolution: Convolution, _ layer: String, _ input: Shape) throws {
        guard convolution.largestExtent <= BLAS.largestExtent else {
            throw ShapeMismatch(
                "\(layer) on \(input): a matrix with an extent of \(convolution.largestExtent), expected at most "
                    + "\(BLAS.largestExtent)")
        }
    }

    /// Runs `body` and says on which layer and input a window did not fit.
    static func fitting<T>(_ layer: String, _ input: Shape, _ body: () throws(WindowArithmetic.Misfit) -> T) throws -> T
    {
        do {
            return try body()
        } catch {
            throw ShapeMismatch("\(layer) on \(input): \(error)")
        }
    }
}
