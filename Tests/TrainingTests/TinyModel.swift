import DataParallel
import Datasets
import Layers
import Tensors

@testable import Training

/// A network of every kind of layer that takes microseconds, and batches for it.
enum TinyModel {
    static let input: Shape = [1, 6, 6]
    static let classes = 3
    static let shards = 8
    /// Four full steps of 24 samples and one of 17: shards of 3, the last ones short and empty.
    static let geometry = BatchGeometry(sampleCount: 113, batchSize: 24, shards: shards)

    static func description(input: Shape = input, classes: Int = classes) -> ModelDescription {
        var model = ModelDescription(name: "tiny", input: input, classes: classes)
        model.append("conv", Conv2d(outChannels: 2, kernel: 3))
        model.append("relu", ActivationLayer(.relu))
        model.append("pool", MaxPool2d(kernel: 2))
        model.append("flatten", Flatten())
        model.append("fc", Linear(outputs: classes))
        return model
    }

    static func state(seed: UInt64 = 1) throws -> ModelState {
        let state = ModelState(parameterList: try Network(description()).parameterList, optimizerVectors: ["momentum"])
        state.initialize(seed: seed)
        for index in state.velocities.indices { state.velocities[index] = Float(index) * 0.125 - 3 }
        return state
    }

    static func step(
        _ communicator: any Communicator, shards: Int = shards, threads: Int = 1,
        optimizer: Configuration.Optimizer = Configuration.Optimizer(), configuration: Configuration? = nil,
        pixels: PixelConversion.PixelType = .float32,
        model: ModelDescription = description(), segments: Int = 1
    ) throws -> TrainingStep {
        var settings = configuration.map(TrainingStep.Settings.init) ?? TrainingStep.Settings()
        settings.options.segments = segments
        if configuration == nil { settings.optimizer = optimizer }
        let step = try TrainingStep(
            settings, network: Network(model),
            geometry: BatchGeometry(sampleCount: 113, batchSize: 24, shards: shards),
            layout: ShardLayout(shards: shards, ranks: communicator.size, rank: communicator.rank),
            input: PixelConversion(pixelType: pixels, image: model.input, mean: [0.4], std: [0.3]),
            communicator: communicator, pool: ThreadPool(threads: threads))
        step.state.initialize(seed: 1)
        return step
    }

    /// Float pixel `pixel` of the sample in a slot of a step, 0…1.
    static func pixel(step: Int, slot: Int, pixel: Int) -> Float {
        let mixed = UInt64(step * 100_003 + slot * 1009 + pixel) &* 0x9E37_79B9_7F4A_7C15
        return Float(mixed >> 40) / Float(1 << 24)
    }

    static func label(step: Int, slot: Int) -> Int { (step * 7 + slot * 5) % classes }

    /// The part of a step's batch that a layout's rank gets.
    static func batch(step: Int, layout: ShardLayout, geometry: BatchGeometry = geometry) -> Batch {
        let area = input.count
        let batch = Batch(
            shards: layout.range.count, imagesPerShard: geometry.imagesPerShard, imageBytes: area * 4)
        for (local, shard) in layout.range.enumerated() {
            let count = geometry.images(inShard: shard, ofStep: step % geometry.stepsPerEpoch)
            batch.counts[local] = Int32(count)
            for image in 0..<geometry.imagesPerShard {
                let place = local * geometry.imagesPerShard + image
                let slot = shard * geometry.imagesPerShard + image
                // Slots behind the count hold what an earlier step left: here something that would be noticed.
                let isPresent = image < count
                batch.labels[place] = Int32(isPresent ? label(step: step, slot: slot) : 0)
                for pixel in 0..<area {
                    let value = isPresent ? Self.pixel(step: step, slot: slot, pixel: pixel) : .nan
                    batch.images.storeBytes(of: value, toByteOffset: (place * area + pixel) * 4, as: Float.self)
                }
            }
        }
        return batch
    }
}

extension ModelState {
    /// The vector of an optimizer that has one: the velocities of stochastic gradient descent.
    var velocities: UnsafeMutableBufferPointer<Float> { optimizerVectors[0].vector }
}
