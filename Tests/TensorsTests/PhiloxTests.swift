import Testing

@testable import Tensors

/// Expected words: the known-answer file of Random123 (philox4x32, 10 rounds).
@Suite("Philox")
struct PhiloxTests {
    @Test("counter 0 and key 0 give the published words")
    func zeros() {
        let words = Philox4x32.words(counter: (0, 0, 0, 0), key: (0, 0))
        #expect(words == (0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8))
    }

    @Test("all bits set give the published words")
    func ones() {
        let all = UInt32.max
        let words = Philox4x32.words(counter: (all, all, all, all), key: (all, all))
        #expect(words == (0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd))
    }

    @Test("the digits of pi give the published words")
    func digitsOfPi() {
        let words = Philox4x32.words(
            counter: (0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344), key: (0xa409_3822, 0x299f_31d0))
        #expect(words == (0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1))
    }

    @Test("a stream hands out the words of its blocks in order")
    func streamOrder() {
        var stream = RandomStream(seed: 0x0000_0002_0000_0001, purpose: .shuffle, epoch: 3, id: 0x0000_0005_0000_0004)
        for index in UInt32(0)..<3 {
            let words = Philox4x32.words(counter: (index, 4, 5, 2 << 28 | 3), key: (1, 2))
            #expect(stream.nextUInt32() == words.0)
            #expect(stream.nextUInt32() == words.1)
            #expect(stream.nextUInt32() == words.2)
            #expect(stream.nextUInt32() == words.3)
        }
    }

    @Test("seed, purpose, epoch and id each change the numbers")
    func keys() {
        var streams = [
            RandomStream(seed: 1, purpose: .shuffle, epoch: 0, id: 0),
            RandomStream(seed: 2, purpose: .shuffle, epoch: 0, id: 0),
            RandomStream(seed: 1, purpose: .dropout, epoch: 0, id: 0),
            RandomStream(seed: 1, purpose: .shuffle, epoch: 1, id: 0),
            RandomStream(seed: 1, purpose: .shuffle, epoch: 0, id: 1),
        ]
        let first = streams.indices.map { streams[$0].nextUInt32() }
        #expect(Set(first).count == 5)
    }

    @Test("uniform numbers lie in 0 to 1, below 1, with mean and variance of the uniform distribution")
    func uniform() {
        var stream = RandomStream(seed: 7, purpose: .augmentation, id: 9)
        var sum = 0.0
        var squares = 0.0
        let count = 100_000
        for _ in 0..<count {
            let value = Double(stream.nextUniform())
            #expect(value >= 0 && value < 1)
            sum += value
            squares += value * value
        }
        let mean = sum / Double(count)
        // Five standard errors of the mean: 5 · 0.2887 / √100000.
        #expect(abs(mean - 0.5) < 0.0046)
        #expect(abs(squares / Double(count) - mean * mean - 1.0 / 12) < 0.002)
    }

    @Test("bounded integers reach every value equally often")
    func bounded() {
        var stream = RandomStream(seed: 7, purpose: .augmentation, id: 10)
        var counts = [Int](repeating: 0, count: 7)
        for _ in 0..<70_000 { counts[Int(stream.next(below: 7))] += 1 }
        // Five standard deviations of a count: 5 · √(10000 · 6/7).
        #expect(counts.allSatisfy { abs($0 - 10_000) < 463 })
    }
}
