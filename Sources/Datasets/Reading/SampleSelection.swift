internal import Tensors

/// Parts of a split that are the same in every run: which samples they hold depends on the labels and the samples' numbers
/// alone, not on the seed.
package enum SampleSelection {
    /// `fraction` of the samples of each class among `samples`, rounded, and at least one of each. A smaller fraction is part of a
    /// larger one. Ascending.
    package static func part(_ fraction: Double, of samples: [Int], labels: [Int32]) -> [Int] {
        byClass(samples, labels).flatMap { members in
            members.prefix(max(1, Int((Double(members.count) * fraction).rounded(.toNearestOrAwayFromZero))))
        }.sorted()
    }

    /// The samples of all folds but one, and those of that one, 1 … `count`; both ascending. The samples of a class are dealt to
    /// the folds in turn: no fold has more than one of it more than another, nor of all.
    package static func fold(_ number: Int, of count: Int, labels: [Int32]) -> (training: [Int], heldOut: [Int]) {
        precondition(count >= 2 && (1...count).contains(number), "fold \(number) of \(count)")
        var (training, heldOut) = ([Int](), [Int]())
        for (place, sample) in byClass(Array(labels.indices), labels).joined().enumerated() {
            if place % count == number - 1 { heldOut.append(sample) } else { training.append(sample) }
        }
        return (training.sorted(), heldOut.sorted())
    }

    /// The samples of each class that has any, in an order drawn once and for all.
    private static func byClass(_ samples: [Int], _ labels: [Int32]) -> [[Int]] {
        var classes: [Int32: [(key: UInt64, sample: Int)]] = [:]
        for sample in samples {
            var stream = RandomStream(seed: 0, purpose: .selection, id: UInt64(sample))
            let key = UInt64(stream.nextUInt32()) << 32 | UInt64(stream.nextUInt32())
            classes[labels[sample], default: []].append((key, sample))
        }
        return classes.keys.sorted().map { label in
            classes[label, default: []].sorted { ($0.key, $0.sample) < ($1.key, $1.sample) }.map(\.sample)
        }
    }
}

/// Some samples of a source as a source of their own, in this order.
package final class SelectedSamples: DerivedSamples {
    package let labels: [Int32]
    package let source: any SampleSource
    private let samples: [Int]
    package let name: String

    /// Traps: a sample that does not exist.
    package init(_ source: any SampleSource, samples: [Int], name: String? = nil) {
        self.source = source
        self.samples = samples
        self.name = name ?? source.name
        let labels = source.labels
        self.labels = samples.map { labels[$0] }
    }

    package var count: Int { samples.count }

    package func fill(_ slot: UnsafeMutableRawPointer, sample: Int) throws {
        try source.fill(slot, sample: samples[sample])
    }
}
