/// The images and labels of one step for the shards of one rank.
///
/// Shapes: images [shards, imagesPerShard] of `imageBytes` bytes each, labels, ids and keys [shards, imagesPerShard], counts
/// [shards], targets, where there are any, [shards, imagesPerShard, classes]; the first `counts[shard]` slots of a shard are filled, the others hold whatever was there before.
///
/// `@unchecked Sendable`: one thread owns a batch at a time, the loader until it hands it over, the trainer until it
/// gives it back; both pass it through `BatchLoader`'s lock.
package final class Batch: @unchecked Sendable {
    package let shards: Int
    package let imagesPerShard: Int
    package let imageBytes: Int
    package let images: UnsafeMutableRawPointer
    package let labels: UnsafeMutablePointer<Int32>
    /// The samples' numbers.
    package let ids: UnsafeMutablePointer<Int64>
    /// What random choices are keyed by: the numbers, and others for samples that come again in an epoch.
    package let keys: UnsafeMutablePointer<Int64>
    package let counts: UnsafeMutablePointer<Int32>
    /// The share that each class has of an image, in place of labels alone; nil unless images are mixed.
    package let targets: UnsafeMutablePointer<Float>?
    /// Of the targets.
    package let classes: Int

    /// With targets over `targetClasses` if there are any.
    package init(shards: Int, imagesPerShard: Int, imageBytes: Int, targetClasses: Int = 0) {
        self.shards = shards
        self.imagesPerShard = imagesPerShard
        self.imageBytes = imageBytes
        let slots = shards * imagesPerShard
        // Not written before it is filled: slots that no sample ever fills take no memory.
        images = .allocate(byteCount: slots * imageBytes, alignment: 64)
        labels = .allocate(capacity: slots)
        labels.initialize(repeating: 0, count: slots)
        ids = .allocate(capacity: slots)
        ids.initialize(repeating: -1, count: slots)
        keys = .allocate(capacity: slots)
        keys.initialize(repeating: -1, count: slots)
        counts = .allocate(capacity: shards)
        counts.initialize(repeating: 0, count: shards)
        classes = targetClasses
        targets = targetClasses > 0 ? .allocate(capacity: slots * targetClasses) : nil
        targets?.initialize(repeating: 0, count: slots * targetClasses)
    }

    deinit {
        images.deallocate()
        labels.deallocate()
        ids.deallocate()
        keys.deallocate()
        counts.deallocate()
        targets?.deallocate()
    }

    /// A batch of black images, all of the first class, that stands in for one that could not be read: a rank takes part in a
    /// step that updates nothing.
    package static func placeholder(
        shards: Int, imagesPerShard: Int, imageBytes: Int, targetClasses: Int = 0
    ) -> Batch {
        let batch = Batch(
            shards: shards, imagesPerShard: imagesPerShard, imageBytes: imageBytes, targetClasses: targetClasses)
        batch.ids.update(repeating: 0, count: shards * imagesPerShard)
        batch.keys.update(repeating: 0, count: shards * imagesPerShard)
        batch.counts.update(repeating: Int32(imagesPerShard), count: shards)
        return batch
    }

    package var samples: Int { (0..<shards).reduce(0) { $0 + Int(counts[$1]) } }
}
