internal import Foundation
package import Tensors

/// Gathers the batches of a rank's shards ahead of time, on a thread of its own.
///
/// Step numbers count from the start of the run; which samples a step takes is a pure function of seed and step. Memory:
/// a ring of `batches`.
package final class BatchLoader {
    /// How many batches there are, on their way round.
    package static let batches = 3
    private let ring: Ring
    private var current: Batch?

    /// Starts to load steps `steps` (numbered from the start of the run) for the shards `localShards` of all.
    ///
    /// Throws: `ThreadError` when the system refuses the thread.
    package init(split: DatasetSplit, geometry: BatchGeometry, localShards: Range<Int>, seed: UInt64, steps: Range<Int>)
        throws(ThreadError)
    {
        let ring = Ring(capacity: Self.batches) {
            Batch(
                shards: localShards.count, imagesPerShard: geometry.imagesPerShard, imageBytes: split.imageBytes)
        }
        self.ring = ring
        let filler = BatchFiller(split: split, geometry: geometry, localShards: localShards, seed: seed)
        try SystemThread("batch loader") {
            var filler = filler
            for step in steps {
                guard let batch = ring.takeEmpty() else { return }
                filler.fill(batch, step: step)
                ring.putFull(batch)
            }
        }.detach()
    }

    deinit {
        ring.close()
    }

    /// The batch of the next step; the one before it may be overwritten from here on. Call once for each step.
    package func next() -> Batch {
        if let current { ring.putEmpty(current) }
        let batch = ring.takeFull()
        current = batch
        return batch
    }
}

/// Fills batches with the samples of a step.
private struct BatchFiller: Sendable {
    let split: DatasetSplit
    let geometry: BatchGeometry
    let localShards: Range<Int>
    let seed: UInt64
    var order: (epoch: Int, order: SampleOrder)?

    init(split: DatasetSplit, geometry: BatchGeometry, localShards: Range<Int>, seed: UInt64) {
        self.split = split
        self.geometry = geometry
        self.localShards = localShards
        self.seed = seed
    }

    mutating func fill(_ batch: Batch, step: Int) {
        let (epoch, stepInEpoch) = step.quotientAndRemainder(dividingBy: geometry.stepsPerEpoch)
        let order = order(ofEpoch: epoch)
        for (local, shard) in localShards.enumerated() {
            let count = geometry.images(inShard: shard, ofStep: stepInEpoch)
            let position = geometry.firstPosition(ofShard: shard, inStep: stepInEpoch)
            batch.counts[local] = Int32(count)
            for image in 0..<count {
                let id = order[position + image]
                let slot = local * geometry.imagesPerShard + image
                batch.ids[slot] = Int64(id)
                batch.labels[slot] = split.labels[id]
                (batch.images + slot * split.imageBytes).copyMemory(
                    from: split.images.baseAddress! + id * split.imageBytes, byteCount: split.imageBytes)
            }
        }
    }

    private mutating func order(ofEpoch epoch: Int) -> SampleOrder {
        if let order, order.epoch == epoch { return order.order }
        let made = SampleOrder(count: geometry.sampleCount, seed: seed, epoch: epoch)
        order = (epoch, made)
        return made
    }
}

/// Batches on their way round: empty ones to the loader, full ones to the trainer. Every field is guarded by `condition`.
private final class Ring: @unchecked Sendable {
    private let condition = NSCondition()
    private var empty: [Batch]
    private var full: [Batch] = []
    private var isClosed = false

    init(capacity: Int, make: () -> Batch) {
        empty = (0..<capacity).map { _ in make() }
        full.reserveCapacity(capacity)
    }

    func takeEmpty() -> Batch? {
        condition.lock()
        defer { condition.unlock() }
        while empty.isEmpty && !isClosed { condition.wait() }
        return isClosed ? nil : empty.removeLast()
    }

    func putFull(_ batch: Batch) {
        condition.lock()
        defer { condition.unlock() }
        full.append(batch)
        condition.signal()
    }

    func takeFull() -> Batch {
        condition.lock()
        defer { condition.unlock() }
        while full.isEmpty { condition.wait() }
        return full.removeFirst()
    }

    func putEmpty(_ batch: Batch) {
        condition.lock()
        defer { condition.unlock() }
        empty.append(batch)
        condition.signal()
    }

    func close() {
        condition.lock()
        defer { condition.unlock() }
        isClosed = true
        condition.broadcast()
    }
}
