import CKernels
import Foundation
import Testing

/// Against the C library's functions, which are within one unit in the last place themselves; ours are documented to be
/// too, so the two may be two units apart.
@Suite("Exponential, logarithm and cosine")
struct ElementaryFunctionTests {
    /// Doubles between two finite numbers of one sign or both.
    private func distance(_ left: Double, _ right: Double) -> UInt64 {
        func ordered(_ value: Double) -> Int64 {
            let bits = Int64(bitPattern: value.bitPattern)
            return bits < 0 ? Int64.min &- bits : bits
        }
        return (ordered(left) &- ordered(right)).magnitude
    }

    private func largestDistance(_ arguments: [Double], _ ours: (Double) -> Double, _ theirs: (Double) -> Double)
        -> UInt64
    {
        arguments.map { distance(ours($0), theirs($0)) }.max() ?? 0
    }

    @Test("exp is within two units in the last place of the C library's over its whole range")
    func exponential() {
        var randoms = Randoms(1)
        let wide = (0..<200_000).map { _ in Double(randoms.float(-708...709)) + Double(randoms.float()) * 1e-7 }
        let near = (0..<200_000).map { _ in Double(randoms.float(-2...2)) + Double(randoms.float()) * 1e-9 }
        let tiny = (0..<10_000).map { _ in Double(randoms.float()) * pow(2, Double(-randoms.int(1...1070))) }
        #expect(largestDistance(wide, CKernels_exp, exp) <= 2)
        #expect(largestDistance(near, CKernels_exp, exp) <= 2)
        #expect(largestDistance(tiny, CKernels_exp, exp) <= 2)
    }

    @Test("exp at the multiples of ln 2 and half-way between, where the reduction changes, is within two units")
    func reductionEdges() {
        let edges = (-2_046...2_046).flatMap { half -> [Double] in
            let x = Double(half) * 0.5 * M_LN2
            return [x.nextDown, x, x.nextUp]
        }
        #expect(largestDistance(edges.filter { $0 > -708 && $0 < 709 }, CKernels_exp, exp) <= 2)
    }

    @Test("exp of results below the normal range is within one subnormal step")
    func subnormalResults() {
        let arguments = stride(from: -745.1, through: -708.4, by: 0.01).map { $0 }
        #expect(largestDistance(arguments, CKernels_exp, exp) <= 1)
    }

    @Test("exp of zero, infinities, NaN and the overflow and underflow edges is what the C library gives")
    func exponentialSpecialValues() {
        for x in [
            0.0, -0.0, .infinity, -.infinity, .leastNonzeroMagnitude, -.leastNonzeroMagnitude, 0x1p-1060, 710, 1e308,
            -746, -1e308, 709.79,
        ] {
            #expect(CKernels_exp(x) == exp(x), "exp(\(x))")
        }
        #expect(CKernels_exp(.nan).isNaN)
        let last = 0x1.62e42fefa39efp+9  // the largest argument whose exponential is finite
        #expect(CKernels_exp(last).isFinite && distance(CKernels_exp(last), exp(last)) <= 2)
        #expect(CKernels_exp(last.nextUp) == Double.infinity)
        #expect(CKernels_exp(-745.2) == 0 && CKernels_exp(-745) == Double.leastNonzeroMagnitude)
    }

    @Test("log is within two units in the last place of the C library's for any positive bit pattern")
    func logarithm() {
        var randoms = Randoms(2)
        let any = (0..<200_000).map { _ in Double(bitPattern: randoms.uint64() % 0x7ff0_0000_0000_0000) }
        let nearOne = (0..<200_000).map { _ in 1 + Double(randoms.float()) * pow(2, Double(-randoms.int(1...50))) }
        let sums = (0..<200_000).map { _ in Double(randoms.float(1...1000)) }
        let subnormal = (0..<10_000).map { _ in Double(bitPattern: randoms.uint64() >> UInt64(randoms.int(12...63))) }
        #expect(largestDistance(any.filter { $0 > 0 }, CKernels_log, log) <= 2)
        #expect(largestDistance(nearOne.filter { $0 > 0 }, CKernels_log, log) <= 2)
        #expect(largestDistance(sums, CKernels_log, log) <= 2)
        #expect(largestDistance(subnormal.filter { $0 > 0 }, CKernels_log, log) <= 2)
    }

    @Test("log of powers of two and of the numbers around the square root of two is within two units")
    func logarithmEdges() {
        let powers = (-1074...1023).flatMap { exponent -> [Double] in
            let power = pow(2, Double(exponent))
            return [power, power.nextUp, power.nextDown, power * 2.0.squareRoot()]
        }
        #expect(largestDistance(powers.filter { $0 > 0 && $0.isFinite }, CKernels_log, log) <= 2)
        #expect(CKernels_log(1) == 0 && CKernels_log(1).sign == .plus)
    }

    @Test("log of zeros, negative numbers, infinity and NaN follows IEEE 754")
    func logarithmSpecialValues() {
        #expect(CKernels_log(0) == -Double.infinity && CKernels_log(-0.0) == -Double.infinity)
        #expect(CKernels_log(-.leastNonzeroMagnitude).isNaN && CKernels_log(-1).isNaN && CKernels_log(-.infinity).isNaN)
        #expect(CKernels_log(.infinity) == Double.infinity && CKernels_log(.nan).isNaN)
        #expect(distance(CKernels_log(.greatestFiniteMagnitude), log(Double.greatestFiniteMagnitude)) <= 2)
    }

    @Test("the cosine of π·x is exact at whole and half numbers, and what is known at thirds and quarters")
    func cosineKnownValues() {
        for (x, cosine) in [
            (0.0, 1.0), (0.5, 0), (1, -1), (1.5, 0), (2, 1), (-0.5, 0), (-1, -1), (7, -1), (1_000_000.5, 0),
            (0x1p53, 1), (0x1p60, 1), (0x1p53 - 1, -1),
        ] {
            #expect(CKernels_cosPi(x) == cosine, "cos \(x)π")
        }
        for (x, cosine) in [(0.25, 0.5.squareRoot()), (0.75, -(0.5.squareRoot())), (1.0 / 6, 0.75.squareRoot())] {
            #expect(distance(CKernels_cosPi(x), cosine) <= 2, "cos \(x)π")
        }
        #expect(abs(CKernels_cosPi(1.0 / 3) - 0.5) < 2e-16)
        for x in [Double.nan, .infinity, -.infinity] { #expect(CKernels_cosPi(x).isNaN) }
    }

    /// The C library gets π·x, which is rounded: its relative error is multiplied by π·x·tan(π·x).
    @Test("the cosine of π·x is as near to the C library's as rounding π·x lets that be")
    func cosine() {
        var randoms = Randoms(3)
        for _ in 0..<100_000 {
            let x = Double(randoms.float(-4...4)) + Double(randoms.float()) * 1e-8
            let y = x * .pi
            #expect(abs(CKernels_cosPi(x) - cos(y)) <= 0x1p-52 * (1 + abs(y)))
            #expect(abs(CKernels_cosPi(x)) <= 1 && CKernels_cosPi(x) == CKernels_cosPi(-x))
        }
        let small = (0..<10_000).map { _ in Double(randoms.float(-0.2...0.2)) }
        #expect(largestDistance(small, CKernels_cosPi) { cos($0 * .pi) } <= 2)
    }
}
