internal import Tensors

/// What a batch normalisation keeps between its passes: float64, for each shard and channel.
struct BatchNormMemory {
    private let base: UnsafeMutablePointer<Double>
    private let channels, shards: Int

    init(_ saved: UnsafeMutableRawPointer, _ site: PlanSite) {
        base = saved.assumingMemoryBound(to: Double.self)
        channels = site.input[0]
        shards = site.shards
    }

    /// Means, inverse deviations and two gradient sums for each shard; three vectors of the whole batch.
    private static func byteCount(_ site: PlanSite) -> Int {
        Int.product(4 * site.shards + 4, site.input[0], MemoryLayout<Double>.stride) + MemoryLayout<Double>.stride
    }

    /// What a normalisation over the batch needs; one by running statistics needs nothing, and may overwrite its input.
    static func demand(for site: PlanSite) -> MemoryDemand {
        var demand = MemoryDemand()
        guard site.batchStatistics != nil else {
            demand.sharing = .mayOverwriteInput
            return demand
        }
        demand.backwardReadsInput = true
        demand.savedBytes = byteCount(site)
        demand.restoringReadsSaved = true
        demand.partialGradientBytes = Int.product(2 * site.shards, site.input[0], MemoryLayout<Float>.stride)
        return demand
    }

    func mean(_ shard: Int) -> UnsafeMutablePointer<Double> { base + shard * 4 * channels }
    func inverseDeviation(_ shard: Int) -> UnsafeMutablePointer<Double> { mean(shard) + channels }
    /// Σ dy of every channel, then Σ dy · (x − mean).
    func gradientSums(_ shard: Int) -> UnsafeMutablePointer<Double> { mean(shard) + 2 * channels }
    /// The whole batch's Σ (x − centre), Σ (x − centre)² and number of samples.
    var shared: UnsafeMutablePointer<Double> { mean(shards) }
    var sharedGradientSums: UnsafeMutablePointer<Double> { shared + 2 * channels + 1 }
}

/// The arithmetic of one batch normalisation in training, channel by channel.
struct BatchNormWork {
    let memory: BatchNormMemory
    let channels: Int
    let site: BoundSite
    private let epsilon: Double
    let count, area: Int
    private let channelsPerUnit, unitsPerShard: Int

    init(_ site: BoundSite, epsilon: Double) {
        self.site = site
        self.epsilon = epsilon
        memory = BatchNormMemory(site.saved, site.plan)
        channels = site.plan.input[0]
        count = site.plan.input.count
        area = count / max(1, channels)
        channelsPerUnit = max(1, ImageChunks.elements / max(1, area * site.plan.imagesPerShard))
        unitsPerShard = (channels + channelsPerUnit - 1) / channelsPerUnit
    }

    var units: Int { site.plan.shards * unitsPerShard }

    func forEachChannel(of unit: Int, _ body: (_ shard: Int, _ channel: Int) -> Void) {
        let (shard, part) = unit.quotientAndRemainder(dividingBy: unitsPerShard)
        for channel in part * channelsPerUnit..<min((part + 1) * channelsPerUnit, channels) { body(shard, channel) }
    }

    func samples(of shard: Int) -> Double { Double(site.context.counts[shard]) }

    private func group(_ shard: Int) -> ChannelNormalization {
        ChannelNormalization(images: Int(site.context.counts[shard]), stride: count, area: area)
    }

    /// Where a shard's values of a channel begin, in planes; of a channel block, in blocks, with its first channel.
    func start(_ shard: Int, _ channel: Int) -> Int {
        shard * site.plan.imagesPerShard * count + channel * area
    }

    /// The value of one of the layer's parameters.
    func parameter(_ index: Int, _ channel: Int) -> Double {
        Double(site.context.weights[site.parameterOffsets[index] + channel])
    }

    func statistics(_ shard: Int) -> UnsafeMutablePointer<Double> {
        site.context.statistics + shard * site.context.statisticCount + site.statisticOffset
    }

    /// Leaves the sums of a shard's channel where the step looks for them.
    func sum(_ shard: Int, _ channel: Int) {
        let sums = group(shard).sums(site.x + start(shard, channel), around: parameter(2, channel))
        statistics(shard)[channel] = sums.first
        statistics(shard)[channels + channel] = sums.second
    }

    /// Mean and inverse deviation from the sums of `source`, a shard, or of the whole batch.
    func resolve(_ target: Int, _ channel: Int, like source: Int?, samples: Double) {
        let sums = source.map(statistics) ?? memory.shared
        let elements = samples * Double(area)
        guard elements > 0 else { return }
        let shift = sums[channel] / elements
        let variance = max(0, sums[channels + channel] / elements - shift * shift)
        memory.mean(target)[channel] = parameter(2, channel) + shift
        memory.inverseDeviation(target)[channel] = 1 / (variance + epsilon).squareRoot()
    }

    func normalize(_ shard: Int, _ channel: Int, like source: Int) {
        let at = start(shard, channel)
        group(shard).forward(
            site.x + at, mean: memory.mean(source)[channel],
            scale: parameter(0, channel) * memory.inverseDeviation(source)[channel], shift: parameter(1, channel),
            y: site.y + at)
    }

    /// A shard's sums over dy, and with them its part of the gradients of weight and bias.
    func sumGradients(_ shard: Int, _ channel: Int, dy: UnsafePointer<Float>, like source: Int) {
        let at = start(shard, channel)
        let isEmpty = site.context.counts[shard] == 0
        let sums =
            isEmpty ? (0, 0) : group(shard).gradientSums(site.x + at, dy: dy + at, mean: memory.mean(source)[channel])
        take(gradientSums: sums, shard, channel, like: source)
    }

    /// Keeps Σ dy and Σ dy · (x − mean) of a shard's channel, and writes its part of the gradients of weight and bias.
    func take(gradientSums sums: (Double, Double), _ shard: Int, _ channel: Int, like source: Int) {
        memory.gradientSums(shard)[channel] = sums.0
        memory.gradientSums(shard)[channels + channel] = sums.1
        let leaf = site.partialGradients.assumingMemoryBound(to: Float.self) + shard * 2 * channels
        leaf[channel] =
            site.context.counts[shard] == 0 ? 0 : Float(sums.1 * memory.inverseDeviation(source)[channel])
        leaf[channels + channel] = Float(sums.0)
    }

    func inputGradient(
        _ shard: Int, _ channel: Int, dy: UnsafePointer<Float>, like source: Int, sums: UnsafePointer<Double>,
        samples: Double
    ) {
        guard let dx = site.dx, samples > 0 else { return }
        let at = start(shard, channel)
        let elements = samples * Double(area)
        let inverse = memory.inverseDeviation(source)[channel]
        group(shard).backward(
            site.x + at, dy: dy + at, mean: memory.mean(source)[channel], gradientMean: sums[channel] / elements,
            slope: sums[channels + channel] / elements * inverse * inverse, scale: parameter(0, channel) * inverse,
            dx: dx + at)
    }

    // ---- The whole batch

    func addStatisticsOverRanks() throws {
        let shared = memory.shared
        addShards(2 * channels, into: shared) { statistics($0) }
        shared[2 * channels] = (0..<site.plan.shards).reduce(0.0) { $0 + samples(of: $1) }
        try site.context.addOverRanks(UnsafeMutableBufferPointer(start: shared, count: 2 * channels + 1))
    }

    func addGradientSumsOverRanks() throws {
        let shared = memory.sharedGradientSums
        addShards(2 * channels, into: shared) { memory.gradientSums($0) }
        try site.context.addOverRanks(UnsafeMutableBufferPointer(start: shared, count: 2 * channels))
    }

    /// Element by element in the tree of the shards; the vectors themselves stay as they are.
    private func addShards(
        _ count: Int, into total: UnsafeMutablePointer<Double>, _ vector: (Int) -> UnsafeMutablePointer<Double>
    ) {
        for index in 0..<count { total[index] = BinaryTree.sum(0..<site.plan.shards) { vector($0)[index] } }
    }
}
