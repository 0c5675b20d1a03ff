internal import Tensors

/// An order of numbers: a keyed permutation of 0 ..< count that needs no table.
///
/// A Feistel network permutes the smallest even power of two that holds all numbers; what falls outside 0 ..< count is
/// permuted again until it falls inside (cycle walking, Black and Rogaway 2002). Position i can be asked for anywhere, at
/// any time, and gives the same sample: a pure function of (seed, epoch, i).
package struct SampleOrder: Sendable {
    package let count: Int
    private let halfBits: UInt64
    private let roundKeys: [UInt64]
    private static let rounds = 8

    /// Orders of one epoch with different `id` have nothing in common. Traps: a count outside 1 ... 2⁶².
    package init(count: Int, seed: UInt64, epoch: Int, id: UInt64 = 0) {
        precondition(count >= 1 && count <= 1 << 62, "\(count) samples")
        self.count = count
        let bits = UInt64(Int.bitWidth - (count - 1).leadingZeroBitCount)
        halfBits = max(1, (bits + 1) / 2)
        var stream = RandomStream(seed: seed, purpose: .shuffle, epoch: UInt32(epoch), id: id)
        roundKeys = (0..<Self.rounds).map { _ in UInt64(stream.nextUInt32()) << 32 | UInt64(stream.nextUInt32()) }
    }

    /// The sample at a position of the epoch.
    package subscript(position: Int) -> Int {
        precondition(position >= 0 && position < count, "position \(position) of \(count)")
        var value = UInt64(position)
        repeat { value = permute(value) } while value >= UInt64(count)
        return Int(value)
    }

    private func permute(_ value: UInt64) -> UInt64 {
        let mask = (1 << halfBits) - 1 as UInt64
        var (left, right) = (value >> halfBits, value & mask)
        for key in roundKeys { (left, right) = (right, left ^ (Self.mix(right ^ key) & mask)) }
        return left << halfBits | right
    }

    /// A bijective mixer of 64 bits (Steele, Lea, Flood 2014); its upper half feeds the Feistel network.
    private static func mix(_ value: UInt64) -> UInt64 {
        var z = value &+ 0x9E37_79B9_7F4A_7C15
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return (z ^ (z >> 31)) >> 32
    }
}
