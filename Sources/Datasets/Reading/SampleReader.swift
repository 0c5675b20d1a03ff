internal import Tensors

/// Fills pieces of batches with samples; one a thread.
final class SampleReader {
    private let source: any SampleSource
    private let labels: [Int32]
    private let seed: UInt64
    private let augmentation: Augmentation?
    private let mixing: Mixing?
    /// The first of the rank's shards among all.
    private let firstShard: Int
    /// Of the images in batches.
    private let shape: ImageShape
    /// An image as it is stored, on its way through the augmentation.
    private let stored: UnsafeMutableRawPointer
    private let scratch = TransformScratch()

    init(source: any SampleSource, seed: UInt64, augmentation: Augmentation?, mixing: Mixing?, firstShard: Int) {
        self.source = source
        labels = source.labels
        self.seed = seed
        self.augmentation = augmentation
        self.mixing = mixing
        self.firstShard = firstShard
        shape =
            augmentation?.output
            ?? ImageShape(height: source.height, width: source.width, channels: source.channels)
        stored = scratch.bytes(augmentation == nil ? 0 : source.imageBytes, TransformScratch.storedImage)
    }

    /// Works until there is nothing more to fill.
    func run(_ assembly: BatchAssembly) {
        while let piece = assembly.takePiece() {
            var failure: (any Error)?
            do {
                try fill(piece)
            } catch let error {
                failure = error
            }
            assembly.finish(piece, failure: failure, completing: complete)
        }
    }

    /// What is done once for a batch of which every slot is filled.
    private func complete(_ piece: BatchAssembly.Piece) throws {
        try source.confirm()
        guard let mixing else { return }
        for shard in 0..<piece.batch.shards {
            mixing.apply(
                to: piece.batch, shard: shard, shape: shape,
                key: Mixing.Key(
                    seed: seed, epoch: piece.epoch, stepInEpoch: piece.stepInEpoch, shard: firstShard + shard),
                scratch: scratch)
        }
    }

    private func fill(_ piece: BatchAssembly.Piece) throws {
        let batch = piece.batch
        for slot in piece.slots {
            let (shard, image) = slot.quotientAndRemainder(dividingBy: batch.imagesPerShard)
            guard image < Int(batch.counts[shard]) else { continue }
            let position = piece.firstPositions[shard] + image
            if let samples = piece.order.samplesToPrepare(at: position) { source.prepare(samples) }
            let draw = piece.order[position]
            batch.ids[slot] = Int64(draw.sample)
            // A sample that comes again in its epoch comes with numbers of its own.
            batch.keys[slot] = Int64(draw.sample + draw.repetition * labels.count)
            batch.labels[slot] = labels[draw.sample]
            try fill(
                batch.images + slot * batch.imageBytes, sample: draw.sample, key: Int(batch.keys[slot]),
                epoch: piece.epoch)
        }
    }

    private func fill(_ target: UnsafeMutableRawPointer, sample: Int, key: Int, epoch: Int) throws {
        guard let augmentation else { return try source.fill(target, sample: sample) }
        try source.fill(stored, sample: sample)
        augmentation.apply(
            UnsafePointer(stored.assumingMemoryBound(to: UInt8.self)), to: target.assumingMemoryBound(to: UInt8.self),
            seed: seed, epoch: epoch, sample: key, scratch: scratch)
    }
}
