internal import Tensors

extension Configuration {
    /// `ema: {decay: 0.999}`: an average of the weights is kept, evaluated and saved.
    package struct Averaging: Equatable, Sendable {
        package var decay: Double

        package init(decay: Double) {
            self.decay = decay
        }
    }

    static let averagingKeys = [
        ConfigurationKey(
            "ema", "an average of the weights, evaluated and saved beside them", expected: "none, or {decay: D}",
            read: { configuration, top, _ in
                if top.isNone("ema") { configuration.averaging = nil }
                guard !top.isNone("ema"), let section = try top.section("ema") else { return }
                guard let decay = try section.singleFraction("decay") else {
                    throw section.failure(
                        "decay", "is missing, expected \(ConfigurationSection.fraction), or ema: none")
                }
                configuration.averaging = Averaging(decay: decay)
            }, text: { $0.averaging == nil ? "none" : nil }),
        ConfigurationKey(
            "ema.decay", "what the average keeps of itself in a step", .fraction, in: \.averaging, \.decay),
    ]
}

/// The exponential moving average of the weights: average += (1 − decay) · (weights − average), buffers copied.
///
/// Source: torch.optim.swa_utils.AveragedModel with get_ema_multi_avg_fn; as there, the first update copies the weights.
final class ExponentialMovingAverage {
    private let state: ModelState
    private let average: UnsafeMutableBufferPointer<Float>
    private let pool: ThreadPool
    private let blocks: VectorBlocks
    private let body: ThreadPool.Body

    /// nil when the state keeps no average.
    init?(_ averaging: Configuration.Averaging?, state: ModelState, pool: ThreadPool) {
        guard let averaging, let average = state.average else { return nil }
        let blocks = VectorBlocks(elements: state.parameterList.trainedCount)
        let (weights, share) = (state.weights, Float(1 - averaging.decay))
        self.state = state
        self.average = average
        self.pool = pool
        self.blocks = blocks
        body = { number, _ in
            let block = blocks[number]
            ElementwiseUpdate.average(
                average.baseAddress! + block.lowerBound,
                towards: UnsafePointer(weights.baseAddress! + block.lowerBound),
                share: share, count: block.count)
        }
    }

    /// Follows the weights and buffers after an update.
    func follow() {
        guard state.updates > 1 else {
            _ = average.update(from: state.weights)
            return
        }
        pool.run(blocks.count, body)
        _ = UnsafeMutableBufferPointer(rebasing: average[state.parameterList.parameterCount...])
            .update(from: state.buffers)
    }
}
