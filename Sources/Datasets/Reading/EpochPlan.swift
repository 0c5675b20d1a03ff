/// Which sample fills which slot of which step: a pure function of (seed, epoch, step, slot), the same for every number of ranks.
///
/// Sample numbers count from the start of the split, also where only some of its samples are used.
package struct EpochPlan: Sendable {
    package enum Shuffle: Equatable, Sendable {
        /// Any sample may follow any other.
        case full
        /// Samples come from blocks of neighbours, some blocks at a time: see `BlockOrder`.
        case blocks(BlockCut)
    }

    package enum Sampling: Equatable, Sendable {
        /// Each sample once an epoch.
        case once
        /// As many draws in an epoch as there are samples, and of each class a part of them in proportion to its share: see
        /// `ClassDraw`. One share a class; those of classes without samples count nothing.
        case classes(shares: [Double])
    }

    package let geometry: BatchGeometry
    package let seed: UInt64
    /// The samples in use, ascending; nil: all.
    package let selection: [Int]?
    private let kind: Kind

    private enum Kind: Sendable {
        case full
        case blocks(BlockLayout)
        case classes(ClassDraw)
    }

    /// `labels` are those of the whole split; `selection` are the samples in use, ascending.
    ///
    /// Traps: no samples; blocks and a draw from the classes together.
    package init(
        labels: [Int32], selection: [Int]? = nil, shuffle: Shuffle = .full, sampling: Sampling = .once, seed: UInt64,
        batchSize: Int, shards: Int
    ) {
        let geometry = BatchGeometry(
            sampleCount: selection?.count ?? labels.count, batchSize: batchSize, shards: shards)
        self.geometry = geometry
        self.seed = seed
        self.selection = selection
        switch (shuffle, sampling) {
        case (.full, .once): kind = .full
        case (.blocks(let cut), .once):
            kind = .blocks(BlockLayout(cut, samples: selection ?? Array(0..<labels.count), geometry: geometry))
        case (.full, .classes(let shares)):
            kind = .classes(ClassDraw(labels: labels, samples: selection ?? Array(0..<labels.count), shares: shares))
        case (.blocks, .classes): preconditionFailure("draws from the classes know no blocks")
        }
    }

    /// All samples of a split, each once an epoch, in any order.
    package init(geometry: BatchGeometry, seed: UInt64) {
        (self.geometry, self.seed, selection, kind) = (geometry, seed, nil, .full)
    }

    package func order(ofEpoch epoch: Int) -> EpochOrder {
        switch kind {
        case .full:
            EpochOrder(
                kind: .full(SampleOrder(count: geometry.sampleCount, seed: seed, epoch: epoch), selection: selection))
        case .blocks(let layout): EpochOrder(kind: .blocks(BlockOrder(layout, seed: seed, epoch: epoch)))
        case .classes(let draw): EpochOrder(kind: .classes(ClassDrawOrder(draw, seed: seed, epoch: epoch)))
        }
    }

    /// The samples of a step, counted from the start of the run, in the order of their slots over all shards.
    package func samples(ofStep step: Int) -> [Int] {
        let (epoch, number) = step.quotientAndRemainder(dividingBy: geometry.stepsPerEpoch)
        let order = order(ofEpoch: epoch)
        let first = geometry.firstPosition(ofShard: 0, inStep: number)
        return (first..<first + geometry.samples(inStep: number)).map { order[$0].sample }
    }

    /// The samples that may be needed at once, over all shards of a rank: what a source keeps at hand for them.
    package func samplesAtHand(localShards: Int) -> Int {
        guard case .blocks(let layout) = kind else { return 0 }
        return layout.samplesAtHand(localShards: localShards)
    }
}

/// A sample, and how often it has been drawn before in the epoch.
package struct SampleDraw: Equatable, Sendable {
    package let sample: Int
    package let repetition: Int

    package init(sample: Int, repetition: Int = 0) {
        (self.sample, self.repetition) = (sample, repetition)
    }
}

/// The samples of one epoch by their positions.
package struct EpochOrder: Sendable {
    enum Kind: Sendable {
        case full(SampleOrder, selection: [Int]?)
        case blocks(BlockOrder)
        case classes(ClassDrawOrder)
    }

    let kind: Kind

    /// What is drawn at a position of the epoch.
    package subscript(position: Int) -> SampleDraw {
        switch kind {
        case .full(let order, let selection):
            let place = order[position]
            return SampleDraw(sample: selection?[place] ?? place)
        case .blocks(let order): return SampleDraw(sample: order[position])
        case .classes(let order): return order[position]
        }
    }

    /// Samples whose storage is worth reading now, since it will be needed soon; nil at most positions.
    package func samplesToPrepare(at position: Int) -> Range<Int>? {
        guard case .blocks(let order) = kind else { return nil }
        return order.samplesToPrepare(at: position)
    }
}
