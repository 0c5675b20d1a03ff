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
    /// `augmentation` changes the images on their way.
    ///
    /// Throws: `ThreadError` when the system refuses the thread.
    package init(
        split: any SampleSource, geometry: BatchGeometry, localShards: Range<Int>, seed: UInt64, steps: Range<Int>,
        augmentation: Augmentation? = nil
    ) throws(ThreadError) {
        let imageBytes = augmentation?.output.count ?? split.imageBytes
        let ring = Ring(capacity: Self.batches) {
            Batch(shards: localShards.count, imagesPerShard: geometry.imagesPerShard, imageBytes: imageBytes)
        }
        self.ring = ring
        try SystemThread("batch loader") {
            var filler = BatchFiller(
                split: split, geometry: geometry, localShards: localShards, seed: seed, augmentation: augmentation)
            for step in steps {
                guard let batch = ring.takeEmpty() else { return }
                do {
                    try filler.fill(batch, step: step)
                } catch {
                    return ring.fail(error)
                }
                ring.putFull(batch)
            }
        }.detach()
    }

    deinit {
        ring.close()
    }

    /// The batch of the next step; the one before it may be overwritten from here on. Call once for each step.
    ///
    /// Throws: what the source throws, at the step whose samples it could not give and at all later ones.
    package func next() throws -> Batch {
        if let current { ring.putEmpty(current) }
        current = nil
        let batch = try ring.takeFull()
        current = batch
        return batch
    }
}

/// Fills batches with the samples of a step; used by one thread.
private struct BatchFiller {
    private let split: any SampleSource
    private let labels: [Int32]
    private let geometry: BatchGeometry
    private let localShards: Range<Int>
    private let seed: UInt64
    private let augmentation: Augmentation?
    /// An image as it is stored, on its way through the augmentation.
    private let stored: UnsafeMutableRawPointer
    private let scratch = TransformScratch()
    private var order: (epoch: Int, order: SampleOrder)?

    init(
        split: any SampleSource, geometry: BatchGeometry, localShards: Range<Int>, seed: UInt64,
        augmentation: Augmentation?
    ) {
        self.split = split
        labels = split.labels
        self.geometry = geometry
        self.localShards = localShards
        self.seed = seed
        self.augmentation = augmentation
        stored = scratch.bytes(split.imageBytes, TransformScratch.storedImage)
    }

    mutating func fill(_ batch: Batch, step: Int) throws {
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
                batch.labels[slot] = labels[id]
                try fill(batch.images + slot * batch.imageBytes, sample: id, epoch: epoch)
            }
        }
        try split.confirm()
    }

    private func fill(_ target: UnsafeMutableRawPointer, sample: Int, epoch: Int) throws {
        guard let augmentation else { return try split.fill(target, sample: sample) }
        try split.fill(stored, sample: sample)
        augmentation.apply(
            UnsafePointer(stored.assumingMemoryBound(to: UInt8.self)), to: target.assumingMemoryBound(to: UInt8.self),
            seed: seed, epoch: epoch, sample: sample, scratch: scratch)
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
    /// Why no more full ones will come.
    private var failure: (any Error)?

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

    func takeFull() throws -> Batch {
        condition.lock()
        defer { condition.unlock() }
        while full.isEmpty && failure == nil { condition.wait() }
        if full.isEmpty, let failure { throw failure }
        return full.removeFirst()
    }

    func fail(_ error: any Error) {
        condition.lock()
        defer { condition.unlock() }
        failure = error
        condition.signal()
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
