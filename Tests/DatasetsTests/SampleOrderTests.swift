import Testing

@testable import Datasets

@Suite("Sample order")
struct SampleOrderTests {
    @Test("every sample has exactly one position", arguments: [1, 2, 3, 4, 5, 7, 16, 17, 64, 65, 100, 1009, 60_000])
    func permutation(count: Int) {
        for (seed, epoch) in [(UInt64(1), 0), (1, 1), (.max, 999_999)] {
            let order = SampleOrder(count: count, seed: seed, epoch: epoch)
            var seen = [Bool](repeating: false, count: count)
            for position in 0..<count {
                let sample = order[position]
                #expect(!seen[sample], "sample \(sample) comes twice, seed \(seed), epoch \(epoch)")
                seen[sample] = true
            }
            #expect(!seen.contains(false))
        }
    }

    @Test("epochs and seeds have orders of their own, and equal ones the same")
    func keys() {
        func order(_ seed: UInt64, _ epoch: Int) -> [Int] {
            let order = SampleOrder(count: 1009, seed: seed, epoch: epoch)
            return (0..<1009).map { order[$0] }
        }
        let orders = [order(1, 0), order(1, 1), order(1, 2), order(2, 0), order(1 << 32, 0), order(1 << 63, 0)]
        #expect(Set(orders).count == orders.count)
        #expect(Set(orders + [Array(0..<1009)]).count == orders.count + 1)
        #expect(order(1, 1) == orders[1])
    }

    @Test("positions may be asked for in any order and any number of times")
    func pure() {
        let order = SampleOrder(count: 1000, seed: 7, epoch: 3)
        let forward = (0..<1000).map { order[$0] }
        let backward = (0..<1000).reversed().map { SampleOrder(count: 1000, seed: 7, epoch: 3)[$0] }
        #expect(forward == backward.reversed())
    }

    /// Of 2,000 uniform draws from 0 ..< 1000 the mean has a deviation of 288.7 / √2000 = 6.5; five of them are allowed.
    @Test("any position takes all samples alike", arguments: [0, 1, 499, 999])
    func uniform(position: Int) {
        let draws = (0..<2000).map { SampleOrder(count: 1000, seed: UInt64($0), epoch: 0)[position] }
        let mean = Double(draws.reduce(0, +)) / 2000
        #expect(abs(mean - 499.5) < 33, "mean \(mean)")
        // 1000 · (1 − e⁻²) = 865 different samples are expected, with a deviation of about 10.
        #expect(abs(Set(draws).count - 865) < 50, "\(Set(draws).count) different samples")
    }

    @Test("neighbours in the file are not neighbours in the order")
    func neighbours() {
        let order = SampleOrder(count: 10_000, seed: 1, epoch: 0)
        let steps = (1..<10_000).filter { order[$0] == order[$0 - 1] + 1 }
        // Of uniform permutations one pair is expected.
        #expect(steps.count < 10)
    }
}
