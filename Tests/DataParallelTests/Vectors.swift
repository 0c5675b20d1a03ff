/// A small generator of its own, so that every run tests the same numbers (SplitMix64; Steele, Lea and Flood 2014).
struct TestRandom {
    var state: UInt64

    init(_ seed: Int) {
        state = UInt64(bitPattern: Int64(seed))
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    /// Any bit pattern's worth of trouble: mostly ordinary numbers of mixed size, and every special value.
    mutating func float() -> Float {
        let bits = next()
        switch bits % 40 {
        case 0: return 0
        case 1: return -0.0
        case 2: return Float(bitPattern: UInt32(truncatingIfNeeded: bits >> 32) & 0x807F_FFFF)
        case 3: return .infinity
        case 4: return -.infinity
        case 5: return .nan
        default: return ordinary(bits)
        }
    }

    mutating func ordinaryFloat() -> Float { ordinary(next()) }

    private func ordinary(_ bits: UInt64) -> Float {
        let fraction = Float(Int32(truncatingIfNeeded: bits >> 32)) / 0x1p31
        return fraction * (bits & 64 == 0 ? 1 : 1024)
    }
}

/// One random vector per shard.
func shardVectors(_ shards: Int, count: Int, seed: Int, ordinary: Bool = false) -> [[Float]] {
    (0..<shards).map { shard in
        var random = TestRandom(seed * 1000 + shard)
        return (0..<count).map { _ in ordinary ? random.ordinaryFloat() : random.float() }
    }
}

/// The definition: neighbours first, lower left, one addition per node; an odd one at the end moves up unchanged.
func referenceTree<T: BinaryFloatingPoint>(_ shards: [[T]]) -> [T] {
    guard shards.count > 1 else { return shards[0] }
    let pairs = stride(from: 0, to: shards.count, by: 2).map { lower in
        lower + 1 < shards.count ? zip(shards[lower], shards[lower + 1]).map { $0 + $1 } : shards[lower]
    }
    return referenceTree(pairs)
}

/// Equal bits, with every NaN taken as the same: its payload depends on the operand order an instruction chose.
func sameBits(_ a: [Float], _ b: [Float]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
}

func sameBits(_ a: [Double], _ b: [Double]) -> Bool {
    a.count == b.count && zip(a, b).allSatisfy { $0.bitPattern == $1.bitPattern || ($0.isNaN && $1.isNaN) }
}

let lengths = [0, 1, 2, 3, 5, 17, 1000, 44_426]
