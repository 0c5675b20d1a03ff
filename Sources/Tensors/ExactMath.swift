internal import CKernels

/// Functions from IEEE basic operations only, so that every machine computes the same bits.
package enum ExactMath {
    /// Sine and cosine of an angle in turns, |turns| < 2³⁰. Taylor series on an eighth of a turn: error below 1e-12.
    package static func sineAndCosine(turns: Double) -> (sine: Double, cosine: Double) {
        let quarters = (turns * 4).rounded(.toNearestOrEven)
        let x = (turns - quarters / 4) * 6.283185307179586
        let square = x * x
        var sine = 0.0
        for factor in [156.0, 110, 72, 42, 20, 6] { sine = (1 - sine) * square / factor }
        sine = x * (1 - sine)
        var cosine = 0.0
        for factor in [182.0, 132, 90, 56, 30, 12, 2] { cosine = (1 - cosine) * square / factor }
        cosine = 1 - cosine
        return switch Int(quarters) & 3 {
        case 0: (sine, cosine)
        case 1: (cosine, -sine)
        case 2: (-sine, -cosine)
        default: (-cosine, sine)
        }
    }
}

/// Powers whose bits do not depend on the C library.
package enum Power {
    /// base to a whole exponent from 0, by squaring, from the exponent's lowest bit up.
    package static func of(_ base: Double, _ exponent: Int) -> Double {
        precondition(exponent >= 0, "exponent \(exponent)")
        var (result, square, rest) = (1.0, base, exponent)
        while rest > 0 {
            if rest & 1 == 1 { result *= square }
            square *= square
            rest >>= 1
        }
        return result
    }

    /// base to any exponent from 0, for a base from 0.
    ///
    /// Numerics: whole exponents by squaring; others by exp(exponent · log base), relative error about |exponent · log
    /// base| · 2⁻⁵³.
    package static func of(_ base: Double, real exponent: Double) -> Double {
        precondition(base >= 0 && exponent >= 0, "\(base) to the \(exponent)")
        if let whole = Int(exactly: exponent) { return of(base, whole) }
        return base == 0 ? 0 : CKernels_exp(exponent * CKernels_log(base))
    }

    package static func exponential(_ x: Double) -> Double { CKernels_exp(x) }

    /// Of a number above 0.
    package static func logarithm(_ x: Double) -> Double { CKernels_log(x) }

    /// (1 + cos(π·x)) / 2, without cancellation where it is small.
    package static func raisedCosine(_ x: Double) -> Double {
        let half = CKernels_cosPi(x / 2)
        return half * half
    }
}
