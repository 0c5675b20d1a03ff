package import DataParallel
internal import Datasets
package import Layers
package import Tensors

/// Times the trainer's own step on images in memory; only the disk is left out.
package final class Benchmark {
    package struct Result: Sendable {
        package let steps: Int
        package let imagesPerSecond: Double
        package let stepMillisecondsMedian: Double
        package let stepMillisecondsMinimum: Double
        /// Of this rank.
        package let peakResidentBytes: Int
        /// Over all ranks: what the steps computed, and what their cores could at most, measured right before.
        package let gigaflops: Double
        package let peakGigaflops: Double
    }

    private let network: Network
    private let step: TrainingStep
    private let batch: Batch
    private let batchSize: Int
    private let communicator: any Communicator
    private let pool: ThreadPool

    /// Throws: `Failure`, `ShapeMismatch`, `Arena.OutOfMemory`.
    package init(
        network: Network, batchSize: Int, shards: Int, communicator: any Communicator, pool: ThreadPool
    ) throws {
        let layout = try ShardLayout(shards: shards, ranks: communicator.size, rank: communicator.rank)
        let geometry = BatchGeometry(sampleCount: batchSize, batchSize: batchSize, shards: shards)
        let image = network.description.input
        let input = PixelConversion(
            pixelType: .uint8, image: image, mean: [Float](repeating: 0, count: image[0]),
            std: [Float](repeating: 1, count: image[0]))
        var optimizer = Configuration.Optimizer()
        optimizer.learningRate = 0.001
        step = try TrainingStep(
            network: network, geometry: geometry, layout: layout, optimizer: optimizer, seed: 1, input: input,
            communicator: communicator, pool: pool)
        step.state.initialize(seed: 1)
        batch = Self.randomBatch(
            layout: layout, imagesPerShard: geometry.imagesPerShard, imageBytes: image.count,
            classes: network.description.classes)
        self.network = network
        self.batchSize = batchSize
        self.communicator = communicator
        self.pool = pool
    }

    /// Runs steps for about `seconds`, after three to warm up. Collective.
    package func run(seconds: Double) throws -> Result {
        let peak = try sumOverRanks(PeakMeasurement.fusedMultiplyAddRate(pool: pool, now: Machine.now))
        for _ in 0..<3 { _ = try step.run(batch, epoch: 0, learningRate: 0.001, stopRequested: false) }
        try communicator.barrier()
        var times: [Double] = []
        let start = Machine.now()
        var last = start
        while true {
            // The wish to stop travels with the step's sums, so that all ranks stop at the same one.
            let isOver = last - start >= seconds
            let outcome = try step.run(
                batch, epoch: 0, learningRate: 0.001, stopRequested: isOver && communicator.rank == 0)
            let now = Machine.now()
            times.append(now - last)
            last = now
            if outcome.stopRequests > 0 { break }
        }
        times.sort()
        let imagesPerSecond = Double(batchSize * times.count) / (last - start)
        return Result(
            steps: times.count, imagesPerSecond: imagesPerSecond,
            stepMillisecondsMedian: times[times.count / 2] * 1e3, stepMillisecondsMinimum: times[0] * 1e3,
            peakResidentBytes: Machine.peakResidentBytes(),
            gigaflops: imagesPerSecond * Double(try network.trainingOperations()) * 1e-9, peakGigaflops: peak)
    }

    private func sumOverRanks(_ value: Double) throws -> Double {
        var all = [Double](repeating: 0, count: communicator.size)
        try withUnsafeBytes(of: value) { block in
            try all.withUnsafeMutableBytes { try communicator.allGather(block, into: $0) }
        }
        return all.reduce(0, +)
    }

    private static func randomBatch(layout: ShardLayout, imagesPerShard: Int, imageBytes: Int, classes: Int) -> Batch {
        let batch = Batch(shards: layout.shardsPerRank, imagesPerShard: imagesPerShard, imageBytes: imageBytes)
        for shard in 0..<batch.shards {
            batch.counts[shard] = Int32(imagesPerShard)
            for slot in shard * imagesPerShard..<(shard + 1) * imagesPerShard {
                let id = UInt64(layout.range.lowerBound * imagesPerShard + slot)
                var stream = RandomStream(seed: 1, purpose: .synthetic, epoch: 0, id: id)
                for byte in 0..<imageBytes {
                    batch.images.storeBytes(
                        of: UInt8(truncatingIfNeeded: stream.nextUInt32()), toByteOffset: slot * imageBytes + byte,
                        as: UInt8.self)
                }
                batch.labels[slot] = Int32(stream.next(below: UInt32(classes)))
                batch.ids[slot] = Int64(id)
            }
        }
        return batch
    }
}
