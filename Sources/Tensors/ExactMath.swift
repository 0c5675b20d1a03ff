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
