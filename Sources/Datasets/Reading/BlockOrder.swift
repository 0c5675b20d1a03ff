internal import Tensors

/// Runs of neighbouring samples, none of which divides a unit of storage.
package struct BlockCut: Equatable, Sendable {
    /// The first sample of each block, ascending from 0.
    package let starts: [Int]
    /// Blocks whose samples are mixed with each other.
    package let window: Int

    /// Traps: no blocks, or starts that do not ascend from 0.
    package init(starts: [Int], window: Int) {
        precondition(starts.first == 0 && window > 0 && zip(starts, starts.dropFirst()).allSatisfy(<), "cut of blocks")
        (self.starts, self.window) = (starts, window)
    }

    /// Blocks that are worth a read of their own, but so small that an epoch has many of them, where storage allows; as many in a
    /// window as make a good mixture, unless that takes much memory.
    package init(of source: any SampleSource) {
        let least = min(Self.readBytes / source.imageBytes, source.count / Self.wantedBlocks)
        let starts = source.blocks(ofAtLeast: max(1, least))
        let blockBytes = max(1, Int.product(source.count, source.imageBytes) / starts.count)
        self.init(starts: starts, window: max(1, min(Self.wantedWindow, Self.windowBytes / blockBytes)))
    }

    private static let readBytes = 128 << 10
    private static let wantedBlocks = 256
    private static let wantedWindow = 16
    private static let windowBytes = 16 << 20
}

/// What does not change from epoch to epoch of an order of blocks.
struct BlockLayout: Sendable {
    /// The samples in use, ascending, and where those of each block that has any begin and end among them.
    let samples: [Int]
    let blocks: [Range<Int>]
    let window: Int
    let geometry: BatchGeometry

    init(_ cut: BlockCut, samples: [Int], geometry: BatchGeometry) {
        self.samples = samples
        window = cut.window
        self.geometry = geometry
        var blocks: [Range<Int>] = []
        var first = 0
        for end in cut.starts.dropFirst() + [Int.max] {
            var next = first
            while next < samples.count, samples[next] < end { next += 1 }
            if next > first { blocks.append(first..<next) }
            first = next
        }
        self.blocks = blocks
    }

    /// For each shard the window in use, the one being read, and room for readers that are ahead of others.
    func samplesAtHand(localShards: Int) -> Int {
        let largest = blocks.reduce(1) { max($0, $1.count) }
        return Int.product(3 * window * localShards, largest)
    }
}

/// An order of an epoch in which few blocks are in use at a time.
///
/// The blocks are permuted. Each logical shard takes a run of its own of them, as long as its part of all full steps; what
/// the last, smaller step needs is left at the end. In a run, the samples of `window` neighbouring blocks are mixed. So a rank reads
/// every block once, but for those that two runs share, and keeps a window and the next one for each of its shards.
struct BlockOrder: Sendable {
    private struct Window: Sendable {
        /// Among all samples in the order of the permuted blocks.
        let range: Range<Int>
        let blocks: Range<Int>
        let order: SampleOrder
        let isLastOfRun: Bool
    }

    private let layout: BlockLayout
    private let permutation: SampleOrder
    /// Where each permuted block begins.
    private let starts: [Int]
    /// They cover all samples, in order.
    private let windows: [Window]
    private let windowStarts: [Int]

    init(_ layout: BlockLayout, seed: UInt64, epoch: Int) {
        self.layout = layout
        let permutation = SampleOrder(count: layout.blocks.count, seed: seed, epoch: epoch, id: 1)
        self.permutation = permutation
        var starts: [Int] = []
        var count = 0
        for place in layout.blocks.indices {
            starts.append(count)
            count += layout.blocks[permutation[place]].count
        }
        self.starts = starts
        var windows: [Window] = []
        for run in Self.runs(layout.geometry) where !run.isEmpty {
            var block = starts.run(holding: run.lowerBound)
            var first = run.lowerBound
            while first < run.upperBound {
                let nextBlock = block + layout.window
                let end = nextBlock < starts.count ? min(run.upperBound, starts[nextBlock]) : run.upperBound
                windows.append(
                    Window(
                        range: first..<end, blocks: block..<starts.run(holding: end - 1) + 1,
                        order: SampleOrder(
                            count: end - first, seed: seed, epoch: epoch, id: 1 << 32 | UInt64(windows.count)),
                        isLastOfRun: end == run.upperBound))
                (first, block) = (end, nextBlock)
            }
        }
        self.windows = windows
        windowStarts = windows.map(\.range.lowerBound)
    }

    /// The run of each shard, and that of the last step if it is not full.
    private static func runs(_ geometry: BatchGeometry) -> [Range<Int>] {
        let perShard = fullSteps(geometry) * geometry.imagesPerShard
        let runs = (0..<geometry.shards).map { $0 * perShard..<($0 + 1) * perShard }
        return runs + [geometry.shards * perShard..<geometry.sampleCount]
    }

    private static func fullSteps(_ geometry: BatchGeometry) -> Int { geometry.sampleCount / geometry.batchSize }

    subscript(position: Int) -> Int {
        let place = place(ofPosition: position)
        let window = windows[windowStarts.run(holding: place)]
        let mixed = window.range.lowerBound + window.order[place - window.range.lowerBound]
        return sample(at: mixed)
    }

    /// While a window is used, the blocks of the next one are read one after the other.
    func samplesToPrepare(at position: Int) -> Range<Int>? {
        let place = place(ofPosition: position)
        let number = windowStarts.run(holding: place)
        let window = windows[number]
        guard !window.isLastOfRun else { return nil }
        let next = windows[number + 1]
        let done = place - window.range.lowerBound
        let block = done * next.blocks.count / window.range.count
        guard done == 0 || (done - 1) * next.blocks.count / window.range.count != block else { return nil }
        let members = layout.blocks[permutation[next.blocks.lowerBound + block]]
        return layout.samples[members.lowerBound]..<layout.samples[members.upperBound - 1] + 1
    }

    /// Where the run of the position's shard has what the position gets, before it is mixed.
    private func place(ofPosition position: Int) -> Int {
        let geometry = layout.geometry
        precondition(
            position >= 0 && position < geometry.sampleCount, "position \(position) of \(geometry.sampleCount)")
        let (step, slot) = position.quotientAndRemainder(dividingBy: geometry.batchSize)
        let fullSteps = Self.fullSteps(geometry)
        guard step < fullSteps else { return position }
        let (shard, image) = slot.quotientAndRemainder(dividingBy: geometry.imagesPerShard)
        return (shard * fullSteps + step) * geometry.imagesPerShard + image
    }

    private func sample(at place: Int) -> Int {
        let block = starts.run(holding: place)
        return layout.samples[layout.blocks[permutation[block]].lowerBound + place - starts[block]]
    }
}

extension [Int] {
    /// Of ascending starts of runs, the number of the run that holds an element.
    package func run(holding element: Int) -> Int {
        var (low, high) = (0, count)
        while high - low > 1 {
            let middle = (low + high) / 2
            if self[middle] <= element { low = middle } else { high = middle }
        }
        return low
    }
}
