@testable import Tensors

/// Numbers for tests: the same on every machine and in every run.
struct Randoms {
    private var stream: RandomStream

    init(_ id: UInt64) { stream = RandomStream(seed: 1, purpose: .synthetic, id: id) }

    mutating func float(_ range: ClosedRange<Float> = -1...1) -> Float {
        range.lowerBound + (range.upperBound - range.lowerBound) * stream.nextUniform()
    }

    mutating func floats(_ count: Int, _ range: ClosedRange<Float> = -1...1) -> [Float] {
        (0..<count).map { _ in float(range) }
    }

    mutating func int(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(stream.next(below: UInt32(range.count)))
    }

    mutating func uint64() -> UInt64 { UInt64(stream.nextUInt32()) << 32 | UInt64(stream.nextUInt32()) }
}
