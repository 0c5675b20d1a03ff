import Layers
import Tensors
import Testing

@testable import Training

/// SHA-256 written down from FIPS 180-4, to have a second opinion.
private func sha256(_ message: [UInt8]) -> String {
    func root(_ n: Double, _ power: Int) -> UInt32 {
        // The first 32 bits behind the point of the square or cube root, by bisection in exact integers.
        var (low, high) = (UInt64(0), UInt64(1) << 36)
        while high - low > 1 {
            let middle = (low + high) / 2
            // middle / 2³² to the power, against n: compared in 256 bits by splitting off 2³² each time.
            var product: [UInt64] = [middle & 0xFFFF_FFFF, middle >> 32]
            for _ in 1..<power {
                var next = [UInt64](repeating: 0, count: product.count + 2)
                for (i, digit) in product.enumerated() {
                    for (j, factor) in [middle & 0xFFFF_FFFF, middle >> 32].enumerated() {
                        var carry = digit * factor
                        var place = i + j
                        while carry > 0 {
                            let sum = next[place] + (carry & 0xFFFF_FFFF)
                            next[place] = sum & 0xFFFF_FFFF
                            carry = (carry >> 32) + (sum >> 32)
                            place += 1
                        }
                    }
                }
                product = next
            }
            let whole = product[power] + (product.count > power + 1 ? product[power + 1] << 32 : 0)
            if whole < UInt64(n) { low = middle } else { high = middle }
        }
        return UInt32(truncatingIfNeeded: low)
    }
    let primes = (2...311).filter { n in !(2..<n).contains { n % $0 == 0 } }
    let keys = primes.map { root(Double($0), 3) }
    var state = primes.prefix(8).map { root(Double($0), 2) }
    let bits = UInt64(message.count * 8)
    var padded = message + [0x80]
    while padded.count % 64 != 56 { padded.append(0) }
    padded += (0..<8).map { UInt8(truncatingIfNeeded: bits >> UInt64(56 - 8 * $0)) }
    func turn(_ x: UInt32, _ n: UInt32) -> UInt32 { x >> n | x << (32 - n) }
    for start in stride(from: 0, to: padded.count, by: 64) {
        var words = (0..<16).map { i in (0..<4).reduce(UInt32(0)) { $0 << 8 | UInt32(padded[start + 4 * i + $1]) } }
        for i in 16..<64 {
            let s0 = turn(words[i - 15], 7) ^ turn(words[i - 15], 18) ^ words[i - 15] >> 3
            let s1 = turn(words[i - 2], 17) ^ turn(words[i - 2], 19) ^ words[i - 2] >> 10
            words.append(words[i - 16] &+ s0 &+ words[i - 7] &+ s1)
        }
        var v = state
        for i in 0..<64 {
            let s1 = turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)
            let choice = v[4] & v[5] ^ ~v[4] & v[6]
            let first = v[7] &+ s1 &+ choice &+ keys[i] &+ words[i]
            let s0 = turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)
            let majority = v[0] & v[1] ^ v[0] & v[2] ^ v[1] & v[2]
            v = [first &+ s0 &+ majority, v[0], v[1], v[2], v[3] &+ first, v[4], v[5], v[6]]
        }
        for i in 0..<8 { state[i] = state[i] &+ v[i] }
    }
    return state.map { word in
        let digits = String(word, radix: 16)
        return String(repeating: "0", count: 8 - digits.count) + digits
    }.joined()
}

@Suite("Digest of weights")
struct WeightsDigestTests {
    @Test("the second implementation gives the standard's own examples")
    func examples() {
        #expect(sha256(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(sha256([]) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    }

    @Test("the digest is SHA-256 over key, type, rank, extents and little-endian values in list order")
    func definition() throws {
        let state = try TinyModel.state()
        state.weights[0] = -0.0
        state.weights[1] = .nan
        func bytes(_ number: Int) -> [UInt8] { (0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * $0)) } }
        var message: [UInt8] = []
        for (key, shape, range) in [
            ("conv.weight", [2, 1, 3, 3], 0..<18), ("conv.bias", [2], 18..<20), ("fc.weight", [3, 8], 20..<44),
            ("fc.bias", [3], 44..<47),
        ] {
            message += Array(key.utf8) + [0] + Array("float32".utf8) + [0] + bytes(shape.count)
            for extent in shape { message += bytes(extent) }
            for index in range {
                let pattern = state.weights[index].bitPattern
                message += (0..<4).map { UInt8(truncatingIfNeeded: pattern >> UInt32(8 * $0)) }
            }
        }
        #expect(state.weightsDigest() == sha256(message))
    }

    @Test("one bit of one weight changes the digest, velocities do not")
    func sensitivity() throws {
        let state = try TinyModel.state()
        let digest = state.weightsDigest()
        state.velocities.update(repeating: 5)
        #expect(state.weightsDigest() == digest)
        state.weights[46] = Float(bitPattern: state.weights[46].bitPattern ^ 1)
        #expect(state.weightsDigest() != digest)
    }
}
