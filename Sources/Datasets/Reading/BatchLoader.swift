package import Tensors

/// Gathers the batches of a rank's shards ahead of time, on threads of their own.
///
/// Step numbers count from the start of the run; which samples a step takes, and what becomes of them, is a pure function of
/// seed and step, so the number of readers changes no byte. Memory: `depth` batches, and an image or two a reader.
package final class BatchLoader {
    private let assembly: BatchAssembly
    private var current: Batch?

    /// How many batches there are, on their way round: small ones more, so that a reader that has to wait for its core does not
    /// hold the step up.
    package static func depth(batchBytes: Int) -> Int { min(16, max(3, (8 << 20) / max(1, batchBytes))) }

    /// Starts to load steps `steps` (numbered from the start of the run) for the shards `localShards` of all.
    /// `augmentation` changes the images on their way; `mixing` mixes those of a shard, with targets over `classes`.
    ///
    /// Throws: `ThreadError` when the system refuses a thread.
    package init(
        source: any SampleSource, plan: EpochPlan, localShards: Range<Int>, steps: Range<Int>,
        augmentation: Augmentation? = nil, mixing: Mixing? = nil, classes: Int = 0,
        readers: Int = 1
    ) throws(ThreadError) {
        precondition(readers >= 1, "\(readers) readers")
        let inUse = plan.samplesAtHand(localShards: localShards.count)
        if inUse > 0 { source.keep(samples: inUse) }
        let imageBytes = augmentation?.output.count ?? source.imageBytes
        let slots = localShards.count * plan.geometry.imagesPerShard
        let assembly = BatchAssembly(
            plan: plan, localShards: localShards, steps: steps,
            slotsPerPiece: min(64, max(1, slots / (2 * readers))), depth: Self.depth(batchBytes: slots * imageBytes)
        ) {
            Batch(
                shards: localShards.count, imagesPerShard: plan.geometry.imagesPerShard, imageBytes: imageBytes,
                targetClasses: mixing == nil ? 0 : classes)
        }
        self.assembly = assembly
        do throws(ThreadError) {
            for reader in 1...readers {
                try SystemThread("reader \(reader) of \(readers)") {
                    SampleReader(
                        source: source, seed: plan.seed, augmentation: augmentation, mixing: mixing,
                        firstShard: localShards.lowerBound
                    ).run(assembly)
                }.detach()
            }
        } catch {
            // Those that have started end; nobody will ask for their batches.
            assembly.close()
            throw error
        }
    }

    deinit {
        assembly.close()
    }

    /// The batch of the next step; the one before it may be overwritten from here on. Call once for each step.
    ///
    /// Throws: what the source throws, at the step whose samples it could not give and at all later ones.
    package func next() throws -> Batch {
        if let current { assembly.putEmpty(current) }
        current = nil
        let batch = try assembly.takeFull()
        current = batch
        return batch
    }
}
