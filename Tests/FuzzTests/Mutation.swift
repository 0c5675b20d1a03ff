/// Draws of SplitMix64: equal seeds, equal draws, on every machine.
struct Draws: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }

    mutating func place(in bytes: [UInt8]) -> Int { bytes.isEmpty ? 0 : Int.random(in: 0..<bytes.count, using: &self) }
}

/// Changes inputs the way files are damaged and forged: bits, numbers at the edges of their range, pieces lost, doubled and mixed.
enum Mutation {
    private static let edges: [UInt64] = [
        0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFFF, 1 << 40,
        0x7FFF_FFFF_FFFF_FFFF, 1 << 63, .max, .max - 1,
    ]

    /// One to eight changes of one of the inputs.
    static func of(_ corpus: [[UInt8]], _ draws: inout Draws) -> [UInt8] {
        var bytes = corpus[Int.random(in: 0..<corpus.count, using: &draws)]
        for _ in 0..<(1 << Int.random(in: 0...3, using: &draws)) { change(&bytes, corpus, &draws) }
        return bytes
    }

    private static func change(_ bytes: inout [UInt8], _ corpus: [[UInt8]], _ draws: inout Draws) {
        let place = draws.place(in: bytes)
        let length = min(bytes.count - place, 1 << Int.random(in: 0...6, using: &draws))
        switch Int.random(in: 0..<9, using: &draws) {
        case 0 where !bytes.isEmpty: bytes[place] ^= 1 << UInt8.random(in: 0..<8, using: &draws)
        case 1 where !bytes.isEmpty: bytes[place] = .random(in: .min ... .max, using: &draws)
        case 2, 3:
            let edge = edges[Int.random(in: 0..<edges.count, using: &draws)]
            let width = [1, 2, 4, 8][Int.random(in: 0..<4, using: &draws)]
            let isBigEndian = Bool.random(using: &draws)
            for byte in 0..<width where place + byte < bytes.count {
                bytes[place + byte] = UInt8(truncatingIfNeeded: edge >> (8 * (isBigEndian ? width - 1 - byte : byte)))
            }
        case 4: bytes.removeSubrange(place..<place + length)
        case 5: bytes.insert(contentsOf: bytes[place..<place + length], at: place)
        case 6: bytes.removeSubrange(place...)
        case 7:
            let other = corpus[Int.random(in: 0..<corpus.count, using: &draws)]
            bytes.replaceSubrange(place..., with: other.dropFirst(min(other.count, place)))
        default: bytes.insert(.random(in: .min ... .max, using: &draws), at: place)
        }
    }
}
