internal import Tensors

extension Configuration {
    /// `clip: {norm: N}` or `{value: V}`: a bound on the mean gradient.
    package enum Clip: Equatable, Sendable {
        case none
        /// The gradient of all parameters together is made no longer than this.
        case norm(Double)
        /// Every element is kept within this distance of 0.
        case value(Double)
    }

    static let clipKeys = [
        ConfigurationKey(
            "clip", "a bound on the mean gradient", expected: "none, {norm: N} or {value: V}",
            read: { configuration, top, _ in
                if top.isNone("clip") { configuration.clip = .none }
                guard !top.isNone("clip"), let section = try top.section("clip") else { return }
                switch (section.has("norm"), section.has("value")) {
                case (false, false):
                    throw section.failure("norm", "is missing, expected {norm: N}, {value: V}, or clip: none")
                case (true, true):
                    throw section.failure("value", "and clip.norm are both given, expected one of them")
                default: break
                }
            }, text: { $0.clip == .none ? "none" : nil }),
        bound("norm", "the length that the gradient of all parameters together is cut to", Clip.norm) {
            if case .norm(let bound) = $0 { bound } else { nil }
        },
        bound("value", "how far from 0 an element of the gradient may be", Clip.value) {
            if case .value(let bound) = $0 { bound } else { nil }
        },
    ]

    private static func bound(
        _ name: String, _ meaning: String, _ make: @escaping @Sendable (Double) -> Clip,
        _ bound: @escaping @Sendable (Clip) -> Double?
    ) -> ConfigurationKey {
        let form = ValueForm.positive
        return ConfigurationKey(
            "clip.\(name)", meaning, expected: form.expected,
            read: { configuration, section, _ in
                if let value = try form.read(section, name) { configuration.clip = make(value) }
            }, text: { bound($0.clip).map(form.text) })
    }
}

/// Clips the sum of the gradients, after it has been judged and before the optimizer sees it.
///
/// Source: torch.nn.utils.clip_grad_norm_ and clip_grad_value_.
final class GradientClipping {
    /// What keeps clip_grad_norm_ from dividing by 0.
    private static let smallestNorm = 1e-6

    private let clip: Configuration.Clip
    private let pool: ThreadPool
    private let blocks: VectorBlocks
    private let numbers: Numbers
    private let body: ThreadPool.Body

    init(_ clip: Configuration.Clip, gradients: UnsafeMutableBufferPointer<Float>, pool: ThreadPool) {
        let numbers = Numbers()
        let blocks = VectorBlocks(elements: gradients.count)
        self.clip = clip
        self.pool = pool
        self.numbers = numbers
        self.blocks = blocks
        body = { number, _ in
            let block = blocks[number]
            ElementwiseUpdate.clip(
                gradients.baseAddress! + block.lowerBound, count: block.count, scale: numbers.scale,
                coefficient: numbers.coefficient, limit: numbers.limit)
        }
    }

    /// Clips in place. Returns what the gradients have still to be multiplied by: 1 when this has divided them already.
    ///
    /// `norm` is the mean gradient's, `scale` what makes the mean of the sum.
    func apply(norm: Double, scale: Float) -> Float {
        switch clip {
        case .none:
            return scale
        case .norm(let bound):
            let coefficient = bound / (norm + Self.smallestNorm)
            guard coefficient < 1 else { return scale }
            (numbers.scale, numbers.coefficient, numbers.limit) = (scale, Float(coefficient), .infinity)
        case .value(let bound):
            (numbers.scale, numbers.coefficient, numbers.limit) = (scale, 1, Float(bound))
        }
        pool.run(blocks.count, body)
        return 1
    }

    /// Of the current step, where the threads find them.
    private final class Numbers {
        var scale: Float = 1
        var coefficient: Float = 1
        var limit = Float.infinity
    }
}
