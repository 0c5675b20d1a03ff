import Testing

@testable import Datasets

/// What an epoch of a plan draws, in the order of the positions.
private func draws(_ plan: EpochPlan, epoch: Int) -> [SampleDraw] {
    let order = plan.order(ofEpoch: epoch)
    return (0..<plan.geometry.sampleCount).map { order[$0] }
}

private func samples(_ plan: EpochPlan, epoch: Int) -> [Int] { draws(plan, epoch: epoch).map(\.sample) }

@Suite("Plans of epochs")
struct EpochPlanTests {
    private static let labels = (0..<1000).map { Int32($0 * $0 % 7 % 5) }

    private static func plan(
        _ shuffle: EpochPlan.Shuffle = .full, _ sampling: EpochPlan.Sampling = .once, selection: [Int]? = nil,
        seed: UInt64 = 3, batch: Int = 48, shards: Int = 4
    ) -> EpochPlan {
        EpochPlan(
            labels: labels, selection: selection, shuffle: shuffle, sampling: sampling, seed: seed, batchSize: batch,
            shards: shards)
    }

    @Test("without choices the order is that of the keyed permutation")
    func full() {
        let order = SampleOrder(count: 1000, seed: 3, epoch: 2)
        #expect(samples(Self.plan(), epoch: 2) == (0..<1000).map { order[$0] })
        #expect(draws(Self.plan(), epoch: 2).allSatisfy { $0.repetition == 0 })
    }

    @Test("some of the samples: each once, in the order of the permutation of their number")
    func selected() {
        let selection = Array(stride(from: 1, to: 1000, by: 3))
        let order = SampleOrder(count: selection.count, seed: 3, epoch: 0)
        #expect(samples(Self.plan(selection: selection), epoch: 0) == selection.indices.map { selection[order[$0]] })
    }

    @Test(
        "blocks: every sample once, whatever blocks, windows, batches, shards and selections there are",
        arguments: [1, 2, 3, 7, 64, 1000], [1, 3, 16])
    func blocksOnce(length: Int, window: Int) {
        let cut = BlockCut(starts: Array(stride(from: 0, to: 1000, by: length)), window: window)
        for (batch, shards) in [(48, 4), (1000, 1), (8, 8), (2048, 4), (250, 2)] {
            for selection in [nil, Array(stride(from: 5, to: 1000, by: 7)), [999], Array(300..<360)] {
                let plan = Self.plan(.blocks(cut), selection: selection, batch: batch, shards: shards)
                for epoch in 0..<2 {
                    #expect(samples(plan, epoch: epoch).sorted() == selection ?? Array(0..<1000))
                }
            }
        }
    }

    @Test(
        "blocks of uneven length, as those of several files, are in use once each but for those that two shards share")
    func blocksUsed() {
        let starts = [0, 10, 20, 30, 33, 100, 150, 151, 152, 300, 500, 640, 700, 810, 811, 999]
        let plan = Self.plan(.blocks(BlockCut(starts: starts, window: 2)), batch: 40)
        let order = plan.order(ofEpoch: 1)
        let geometry = plan.geometry
        var visits: Set<[Int]> = []
        for position in 0..<geometry.sampleCount / geometry.batchSize * geometry.batchSize {
            let shard = position % geometry.batchSize / geometry.imagesPerShard
            visits.insert([shard, starts.run(holding: order[position].sample)])
        }
        #expect(visits.count <= starts.count + 4)
    }

    @Test(
        "blocks of another seed or epoch come in another order, and neighbours in a batch are no neighbours in the file"
    )
    func blocksMix() {
        let cut = BlockCut(starts: Array(stride(from: 0, to: 1000, by: 10)), window: 8)
        let plan = Self.plan(.blocks(cut))
        #expect(
            samples(plan, epoch: 0) == samples(plan, epoch: 0) && samples(plan, epoch: 0) != samples(plan, epoch: 1))
        #expect(samples(plan, epoch: 0) != samples(Self.plan(.blocks(cut), seed: 4), epoch: 0))
        let order = samples(plan, epoch: 0)
        #expect(zip(order, order.dropFirst()).count { $1 == $0 + 1 } < 50)
    }

    @Test("what is prepared is a block of the shard's next window, and every block of it is")
    func prepared() {
        let starts = Array(stride(from: 0, to: 1000, by: 10))
        let plan = Self.plan(.blocks(BlockCut(starts: starts, window: 4)), batch: 40)
        let order = plan.order(ofEpoch: 0)
        let geometry = plan.geometry
        let steps = geometry.sampleCount / geometry.batchSize
        var (prepared, first) = (Set<Int>(), Set<Int>())
        for shard in 0..<4 {
            for step in 0..<steps {
                for image in 0..<geometry.imagesPerShard {
                    let position = geometry.firstPosition(ofShard: shard, inStep: step) + image
                    let block = starts.run(holding: order[position].sample)
                    if !prepared.contains(block) { first.insert(block) }
                    if let range = order.samplesToPrepare(at: position) {
                        #expect(range.lowerBound % 10 == 0 && range.count == 10)
                        prepared.insert(range.lowerBound / 10)
                    }
                }
            }
        }
        // The first window of each shard cannot be read ahead.
        #expect(first.count <= 4 * 5 && prepared.union(first).count == 100)
        #expect(plan.samplesAtHand(localShards: 2) == 3 * 2 * 4 * 10 && Self.plan().samplesAtHand(localShards: 4) == 0)
    }

    @Test("balanced: every class as often as any other but for one draw, and of a class every sample but for one")
    func balanced() {
        let selection = Array(0..<1000).filter { Self.labels[$0] != 1 || $0 < 20 }
        let plan = Self.plan(.full, .classes(shares: [1, 1, 1, 1, 1]), selection: selection)
        for epoch in 0..<3 {
            let drawn = samples(plan, epoch: epoch)
            #expect(drawn.count == selection.count)
            let present = Set(selection.map { Self.labels[$0] })
            let counts = present.map { label in drawn.count { Self.labels[$0] == label } }
            #expect(counts.max()! - counts.min()! <= 1)
            for label in present {
                let members = selection.filter { Self.labels[$0] == label }
                let times = members.map { member in drawn.count { $0 == member } }
                #expect(times.max()! - times.min()! <= 1)
            }
            #expect(Set(draws(plan, epoch: epoch).map { $0.sample + 10_000 * $0.repetition }).count == drawn.count)
        }
        #expect(samples(plan, epoch: 0) != samples(plan, epoch: 1))
    }

    @Test("shares in proportion to the counts draw every sample once; a class without a share never comes")
    func shares() {
        let counts = (0..<5).map { label in Double(Self.labels.count { $0 == Int32(label) }) }
        #expect(samples(Self.plan(.full, .classes(shares: counts)), epoch: 0).sorted() == Array(0..<1000))
        let drawn = samples(Self.plan(.full, .classes(shares: [3, 0, 1, 0, 0])), epoch: 0)
        #expect(drawn.count { Self.labels[$0] == 0 } == 750 && drawn.count { Self.labels[$0] == 2 } == 250)
    }

    @Test("one share far below a draw leaves its class out")
    func tinyShare() {
        let drawn = samples(Self.plan(.full, .classes(shares: [1, 1e-9, 1, 1, 1])), epoch: 0)
        #expect(drawn.count == 1000 && !drawn.contains { Self.labels[$0] == 1 })
    }
}

@Suite("Parts of a split")
struct SampleSelectionTests {
    private static let labels = (0..<997).map { Int32($0 % 10 == 0 ? 2 : $0 % 2) }

    @Test("a part has its share of every class, and holds every smaller part")
    func parts() {
        let all = Array(0..<997)
        var before: Set<Int> = []
        for fraction in [0.0001, 0.01, 0.1, 0.5, 0.99, 1] {
            let part = SampleSelection.part(fraction, of: all, labels: Self.labels)
            for label in Int32(0)...2 {
                let (all, chosen) = (Self.labels.count { $0 == label }, part.count { Self.labels[$0] == label })
                #expect(chosen == max(1, Int((Double(all) * fraction).rounded(.toNearestOrAwayFromZero))))
            }
            #expect(part == part.sorted() && before.isSubset(of: part))
            before = Set(part)
        }
        #expect(before.count == 997)
    }

    @Test(
        "folds hold every sample once, and none has more than one sample of a class more than another",
        arguments: [2, 3, 5, 10])
    func folds(count: Int) {
        let folds = (1...count).map { SampleSelection.fold($0, of: count, labels: Self.labels) }
        #expect(folds.flatMap(\.heldOut).sorted() == Array(0..<997))
        for fold in folds { #expect((fold.training + fold.heldOut).sorted() == Array(0..<997)) }
        for label in Int32(0)...2 {
            let counts = folds.map { $0.heldOut.count { Self.labels[$0] == label } }
            #expect(counts.max()! - counts.min()! <= 1)
        }
        let sizes = folds.map(\.heldOut.count)
        #expect(sizes.max()! - sizes.min()! <= 1)
    }
}
