import Testing

@testable import Tensors

@Suite("Vector hash")
struct VectorHashTests {
    private func hash(_ values: [Float]) -> UInt64 { values.withUnsafeBufferPointer { VectorHash.of($0) } }

    @Test("one flipped bit, two swapped elements, another length or the sign of a zero change the hash")
    func sensitivity() {
        var randoms = Randoms(90)
        let values = randoms.floats(1_001)
        var hashes: Set<UInt64> = [
            hash(values), hash(Array(values.dropLast())), hash(values + [0]), hash(values + [-0.0]),
        ]
        for index in stride(from: 0, to: 1_001, by: 7) {
            var changed = values
            changed[index] = Float(bitPattern: values[index].bitPattern ^ 1 << UInt32(index % 32))
            hashes.insert(hash(changed))
            changed = values
            changed.swapAt(index, (index + 4) % 1_001)
            hashes.insert(hash(changed))
        }
        #expect(hashes.count == 4 + 2 * 143)
        #expect(hash(values) == hash(values))
    }
}
