import Foundation
import Testing

@testable import Interchange

@Suite("files that PyTorch and safetensors have written")
struct GoldenFileTests {
    @Test("keys, shapes, types and values are those that were saved", arguments: Fixture.names)
    func golden(name: String) throws {
        let expected = try #require(try Fixture.expected.get()[name])
        let file = try open("\(Fixture.folder)/\(name)")
        #expect(Set(file.entries.map(\.key)) == Set(expected.keys))
        let values = try file.readAll()
        for entry in file.entries {
            let tensor = try #require(expected[entry.key])
            #expect(entry.shape == tensor.shape, "\(entry.key)")
            #expect("\(entry.type)" == tensor.dtype, "\(entry.key)")
            guard entry.type.isReal else { continue }
            let found = try #require(values[entry.key])
            #expect(found.count == tensor.values.count, "\(entry.key)")
            for (found, expected) in zip(found, tensor.values) {
                // Compared as bits: zero has a sign.
                let isEqual = expected.map { Float($0).bitPattern == found.bitPattern } ?? !found.isFinite
                #expect(isEqual, "\(entry.key): \(found), expected \(String(describing: expected))")
            }
        }
    }

    @Test("the texts beside the tensors of a safetensors file are read")
    func metadata() throws {
        let file = try #require(try open(Fixture.folder + "/mixed.safetensors") as? Safetensors)
        #expect(file.metadata == ["format": "pt", "note": "a \"b\"\nü"])
    }

    @Test("every float16 is the float32 of the same value")
    func halves() {
        for bits in UInt16.min ... .max {
            let (exponent, fraction) = (Int(bits >> 10 & 0x1F), Double(bits & 0x3FF))
            let magnitude =
                switch exponent {
                case 0: fraction * 0x1p-24
                case 31: fraction == 0 ? Double.infinity : .nan
                default: (1 + fraction / 1024) * pow(2, Double(exponent - 15))
                }
            let found = ElementType.float(half: bits)
            #expect(found.isNaN ? magnitude.isNaN : Double(found.magnitude) == magnitude)
            #expect((found.sign == .minus) == (bits >= 0x8000))
        }
    }
}
