internal import CKernels

/// Philox 4×32 with ten rounds: 128 counter bits and 64 key bits to 128 random bits.
///
/// The whole state is the argument, so the numbers of any sample can be drawn anywhere, in any order.
/// Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
package struct Philox4x32 {
    private static let multipliers: (UInt32, UInt32) = (0xD251_1F53, 0xCD9E_8D57)
    /// Added to the key between rounds: the golden ratio and √3 − 1, as fractions of 2³².
    private static let keySteps: (UInt32, UInt32) = (0x9E37_79B9, 0xBB67_AE85)
    private static let rounds = 10

    package static func words(
        counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)
    ) -> (UInt32, UInt32, UInt32, UInt32) {
        var (x, y, z, w) = counter
        var (k, l) = key
        for _ in 0..<rounds {
            let first = multipliers.0.multipliedFullWidth(by: x)
            let second = multipliers.1.multipliedFullWidth(by: z)
            (x, y, z, w) = (second.high ^ y ^ k, second.low, first.high ^ w ^ l, first.low)
            k &+= keySteps.0
            l &+= keySteps.1
        }
        return (x, y, z, w)
    }
}

/// What random numbers are for; two purposes never share a number.
package enum RandomPurpose: UInt32, Sendable {
    case initialWeights = 1
    case shuffle = 2
    case augmentation = 3
    case dropout = 4
    case synthetic = 5
    case selection = 6
    case mixing = 7
}

/// The random numbers of one thing (a sample, a parameter) in one epoch, as a value.
///
/// The key is the seed; the counter holds, word by word, the number of the four draws, the thing's number (low,
/// high), and purpose and epoch. Equal arguments give equal numbers on every machine; nothing else has an influence.
package struct RandomStream: Sendable {
    private let key: (UInt32, UInt32)
    private let thing: (UInt32, UInt32)
    private let use: UInt32
    private var nextCounter: UInt32 = 0
    private var words: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
    private var position = 4

    /// Traps: an epoch of 2²⁸ or more.
    package init(seed: UInt64, purpose: RandomPurpose, epoch: UInt32 = 0, id: UInt64) {
        precondition(epoch < 1 << 28, "epoch \(epoch)")
        key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        thing = (UInt32(truncatingIfNeeded: id), UInt32(truncatingIfNeeded: id >> 32))
        use = purpose.rawValue << 28 | epoch
    }

    /// 32 uniform bits.
    package mutating func nextUInt32() -> UInt32 {
        if position == 4 {
            words = Philox4x32.words(counter: (nextCounter, thing.0, thing.1, use), key: key)
            nextCounter &+= 1
            position = 0
        }
        defer { position += 1 }
        return switch position {
        case 0: words.0
        case 1: words.1
        case 2: words.2
        default: words.3
        }
    }

    /// A uniform multiple of 2⁻²⁴ in [0, 1).
    package mutating func nextUniform() -> Float {
        Float(nextUInt32() >> 8) * 0x1p-24
    }

    /// A deviate of the standard normal distribution (Marsaglia's polar method; the second of each pair is not used, so that
    /// a stream has no state besides its place).
    package mutating func nextNormal() -> Double {
        while true {
            let x = Double(nextUInt32()) * 0x1p-31 - 1
            let y = Double(nextUInt32()) * 0x1p-31 - 1
            let square = x * x + y * y
            if square > 0 && square < 1 { return x * (-2 * CKernels_log(square) / square).squareRoot() }
        }
    }

    /// A deviate of Beta(alpha, alpha), alpha > 0: the share that one of two equal Gamma deviates has of their sum.
    package mutating func nextBeta(_ alpha: Double) -> Double {
        let (first, second) = (nextLogGamma(alpha), nextLogGamma(alpha))
        return 1 / (1 + CKernels_exp(second - first))
    }

    /// The logarithm of a deviate of Gamma(shape, 1), which for small shapes is below every normal number. Source: Marsaglia and
    /// Tsang, "A simple method for generating gamma variables", 2000.
    private mutating func nextLogGamma(_ shape: Double) -> Double {
        guard shape >= 1 else { return nextLogGamma(shape + 1) + nextLogUniform() / shape }
        let d = shape - 1.0 / 3
        let c = 1 / (9 * d).squareRoot()
        while true {
            let x = nextNormal()
            let root = 1 + c * x
            guard root > 0 else { continue }
            let logCube = 3 * CKernels_log(root)
            let cube = root * root * root
            if nextLogUniform() < 0.5 * x * x + d - d * cube + d * logCube { return CKernels_log(d) + logCube }
        }
    }

    /// The logarithm of a uniform number in (0, 1).
    private mutating func nextLogUniform() -> Double { CKernels_log((Double(nextUInt32()) + 0.5) * 0x1p-32) }

    /// A uniform integer in 0 ..< bound, without bias (Lemire 2019: multiply, reject the short remainder).
    package mutating func next(below bound: UInt32) -> UInt32 {
        precondition(bound > 0, "an empty range")
        let remainder = (0 &- bound) % bound
        while true {
            let product = nextUInt32().multipliedFullWidth(by: bound)
            if product.low >= remainder { return product.high }
        }
    }
}
