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
    private let body: ThreadPool.Body

    /// nil when the state keeps no average.
    init?(_ averaging: Configuration.Averaging?, state: ModelState, pool: ThreadPool) {
        guard let averaging, let average = state.average else { return nil }
        let (block, count, weights) = (SumOfSquares.blockCount, state.parameterList.trainedCount, state.weights)
        let share = Float(1 - averaging.decay)
        self.state = state
        self.average = average
        self.pool = pool
        body = { number, _ in
            let start = number * block
            ElementwiseUpdate.average(
                average.baseAddress! + start, towards: UnsafePointer(weights.baseAddress! + start), share: share,
                count: min(block, count - start))
        }
    }

    /// Follows the weights and buffers after an update.
    func follow() {
        guard state.updates > 1 else {
            _ = average.update(from: state.weights)
            return
        }
        let trained = state.parameterList.trainedCount
        pool.run(SumOfSquares.blocks(for: trained), body)
        _ = UnsafeMutableBufferPointer(rebasing: average[trained...])
            .update(from: UnsafeMutableBufferPointer(rebasing: state.weights[trained...]))
    }
}
