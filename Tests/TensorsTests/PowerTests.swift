import Foundation
import Testing

@testable import Tensors

@Suite("Powers")
struct PowerTests {
    @Test("a power by squaring is the repeated product, up to what their roundings allow")
    func whole() {
        for base in [0.1, 0.5, 0.9, 0.999, 1.0, 1.5] {
            var product = 1.0
            for exponent in 0...300 {
                #expect(abs(Power.of(base, exponent) - product) <= Double(exponent) * 0x1p-52 * product)
                product *= base
            }
        }
        #expect(Power.of(0.5, 1_000_000_000_000) == 0 && Power.of(0, 0) == 1 && Power.of(0, 3) == 0)
    }

    @Test("a power with any exponent is the C library's, to 14 digits")
    func real() {
        for base in [1e-9, 0.3, 0.999, 1, 17] {
            for exponent in [0, 0.1, 0.5, 0.9, 1, 2, 2.5, 7] {
                let expected = pow(base, exponent)
                #expect(abs(Power.of(base, real: exponent) - expected) <= 1e-14 * expected, "\(base)^\(exponent)")
            }
        }
        #expect(Power.of(0, real: 0.9) == 0 && Power.of(0, real: 0) == 1)
    }

    @Test("a raised cosine is 1, one half and 0 where it should be, and small without cancellation")
    func raisedCosine() {
        #expect(Power.raisedCosine(0) == 1 && Power.raisedCosine(1) == 0)
        #expect(abs(Power.raisedCosine(0.5) - 0.5) <= 0x1p-53)
        let near = Power.raisedCosine(1 - 0x1p-30)
        let half = .pi * 0x1p-31
        #expect(abs(near - half * half) < 1e-12 * near)
    }
}
