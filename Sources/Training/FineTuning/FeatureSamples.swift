internal import DataParallel
internal import Datasets
internal import Diagnostics
internal import Layers
internal import Tensors

extension Configuration {
    /// `frozen_features: …`: when the values that frozen layers make of the images are computed.
    package enum FrozenFeatures: String, CaseIterable, Equatable, Sendable {
        /// Before the first step, where they cannot change and there is room for them.
        case once
        /// The same, and kept in a file beside the run folder, which the next run with equal ones reads.
        case file
        case everyStep = "every_step"
    }

    static let featureKeys = [
        ConfigurationKey(
            "frozen_features",
            "when the values behind frozen layers are computed: once for all images where that gives the "
                + "same bits, once and kept in a file beside the run folder for the next run, or in every step",
            expected: ConfigurationSection.expectation(of: FrozenFeatures.allCases.map(\.rawValue)), resuming: .free,
            read: { configuration, top, _ in
                let choice = try top.choice("frozen_features", FrozenFeatures.self)
                configuration.frozenFeatures = choice ?? configuration.frozenFeatures
            },
            text: { $0.freeze == .none ? nil : $0.frozenFeatures.rawValue })
    ]
}

/// What the frozen beginning of a network makes of the samples of a source: computed once, kept in memory, and read in the
/// place of their images.
///
/// Each rank computes a part of the samples, and all ranks hold all of them. The bits do not depend on who computes what: in
/// that beginning an image never meets another one.
/// Memory: allocated when it is made.
final class FeatureSamples: SampleSource, @unchecked Sendable {
    /// Samples that are computed together.
    fileprivate static let batchSize = 16

    private let source: any SampleSource
    private let network: Network
    private let value: Int
    private let options: PlanOptions
    private let elements: Int
    /// [samples, elements]. `compute` writes it before anyone else has the source; then it is only read.
    private let values: UnsafeMutableBufferPointer<Float>
    private let samplesPerRank: Int
    private(set) var isComputed = false
    private var isKept = false

    init(_ source: any SampleSource, network: Network, value: Int, options: PlanOptions, ranks: Int) {
        self.source = source
        self.options = options
        self.network = network
        self.value = value
        elements = network.shape(ofValue: value).count
        samplesPerRank = (source.count + ranks - 1) / ranks
        values = .allocate(capacity: source.count * elements)
    }

    deinit { values.deallocate() }

    static func byteCount(_ source: any SampleSource, network: Network, value: Int) -> Int {
        Int.product(source.count, network.shape(ofValue: value).count, MemoryLayout<Float>.stride)
    }

    var name: String { source.name }
    var count: Int { source.count }
    var height: Int { 1 }
    var width: Int { 1 }
    var channels: Int { elements }
    var pixelType: Datasets.PixelType { .float32 }
    var labels: [Int32] { source.labels }

    /// What a plan of the rest of the network reads the samples by.
    var input: PixelConversion {
        PixelConversion(
            pixelType: .float32, image: [elements, 1, 1], mean: [Float](repeating: 0, count: elements),
            std: [Float](repeating: 1, count: elements))
    }

    func fill(_ slot: UnsafeMutableRawPointer, sample: Int) throws {
        precondition(sample < count, "sample \(sample) of \(count)")
        slot.copyMemory(from: values.baseAddress! + sample * elements, byteCount: imageBytes)
    }

    func confirm() throws { try source.confirm() }

    /// The values of all samples, [samples, elements].
    private var bytes: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(values)
    }

    /// Takes the values from a file that rank 0 has, instead of computing them. Collective; whether there is one.
    ///
    /// Throws: `Failure`, the same on all ranks, for a file that is damaged; the communicator's errors.
    func take(from file: FeatureFile?, communicator: any Communicator) throws -> Bool {
        let isRead = try RankAgreement.together(communicator) { try file?.read(into: bytes) ?? false }
        guard try communicator.broadcast([isRead ? 1 : 0], from: 0) == [1] else { return false }
        try communicator.broadcast(bytes, from: 0)
        (isComputed, isKept) = (true, true)
        return true
    }

    /// Writes the values to a file, unless they come from it or that has been done. Throws: `Failure`.
    func keep(in file: FeatureFile) throws {
        precondition(isComputed, "values before they are computed")
        if !isKept { try file.write(UnsafeRawBufferPointer(bytes)) }
        isKept = true
    }

    /// Bytes of the arena that computes them. Throws: `ShapeMismatch`.
    static func planBytes(_ network: Network, value: Int, options: PlanOptions, threads: Int) throws -> Int {
        try network.planBytes(
            imagesPerShard: batchSize, shards: 1, mode: .evaluation, options: front(options, until: value),
            threads: threads)
    }

    /// What computes the values as `options` compute the whole.
    fileprivate static func front(_ options: PlanOptions, until value: Int) -> PlanOptions {
        var front = PlanOptions()
        (front.engine, front.convolution) = (options.engine, options.convolution)
        front.part = .front(until: value)
        return front
    }

    /// Computes the values from the source's images with these weights, unless a rank is asked to stop. Collective.
    ///
    /// Throws: `Failure`, the same on all ranks, when one of them cannot read its samples; the communicator's errors.
    func compute(
        weights: UnsafePointer<Float>, input: PixelConversion, communicator: any Communicator, pool: ThreadPool,
        afterPass: @escaping () -> Void, shouldStop: () -> Bool
    ) throws {
        let first = communicator.rank * samplesPerRank
        let own = min(first, count)..<min(first + samplesPerRank, count)
        let work = try RankAgreement.together(communicator) { try Work(self, input: input, pool: pool, afterPass) }
        // As many rounds on every rank, so that all of them hear of a stop or a failure in the next one.
        for start in stride(from: 0, to: samplesPerRank, by: Self.batchSize) {
            let samples = own.dropFirst(start).prefix(Self.batchSize)
            try RankAgreement.together(communicator) { try work.compute(samples, weights: weights, into: values) }
            guard try communicator.largest(shouldStop() ? 1 : 0) == 0 else { return }
        }
        // Each rank has its own part in its place.
        for root in 0..<communicator.size {
            let part = min(root * samplesPerRank, count) * elements..<min((root + 1) * samplesPerRank, count) * elements
            try communicator.broadcast(
                UnsafeMutableRawBufferPointer(UnsafeMutableBufferPointer(rebasing: values[part])), from: root)
        }
        isComputed = true
    }

    /// Computes the values of some samples, each rank all of them, for a step that is tried. Throws: as `compute`.
    func compute(
        only samples: [Int], weights: UnsafePointer<Float>, input: PixelConversion, communicator: any Communicator,
        pool: ThreadPool
    ) throws {
        try RankAgreement.together(communicator) {
            let work = try Work(self, input: input, pool: pool) {}
            for start in stride(from: 0, to: samples.count, by: Self.batchSize) {
                try work.compute(samples[start...].prefix(Self.batchSize), weights: weights, into: values)
            }
        }
    }

    /// The plan of the frozen beginning, and the batch that it reads.
    private struct Work {
        private let source: any SampleSource
        private let plan: ExecutionPlan
        private let batch: Batch
        private let elements: Int
        private let pool: ThreadPool

        init(
            _ samples: FeatureSamples, input: PixelConversion, pool: ThreadPool, _ afterPass: @escaping () -> Void
        ) throws {
            (source, elements, self.pool) = (samples.source, samples.elements, pool)
            plan = try samples.network.plan(
                imagesPerShard: FeatureSamples.batchSize, shards: 1, mode: .evaluation,
                options: FeatureSamples.front(samples.options, until: samples.value), input: input, pool: pool)
            plan.afterPass = afterPass
            batch = Batch(shards: 1, imagesPerShard: FeatureSamples.batchSize, imageBytes: source.imageBytes)
        }

        /// At most `batchSize` samples. Throws: `Failure`.
        func compute(
            _ samples: some RandomAccessCollection<Int> & Sendable, weights: UnsafePointer<Float>,
            into values: UnsafeMutableBufferPointer<Float>
        ) throws {
            guard !samples.isEmpty else { return }
            try batch.read(samples, of: source, pool: pool)
            _ = try plan.run(
                images: batch.images, labels: batch.labels, counts: batch.counts, weights: weights, gradients: nil)
            for (slot, sample) in samples.enumerated() {
                _ = UnsafeMutableBufferPointer(rebasing: values[(sample * elements)...])
                    .update(from: plan.logits(ofSlot: slot))
            }
        }
    }
}
