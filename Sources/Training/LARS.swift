internal import Layers
internal import Tensors

/// Layer-wise adaptive rate scaling: each parameter moves at the global rate times trust · |w| / (|g| + decay · |w|).
/// Biases and parameters of normalisations move at the global rate, without decay. A parameter whose weights or gradient
/// are all 0 does too.
///
/// Numerics: norms in float64 over blocks of 4,096 elements of a parameter, in order, the blocks in a binary tree.
/// Source: You, Gitman and Ginsburg 2017, "Large batch training of convolutional networks", algorithm 1.
final class LARS: Optimizer {
    private let options: Configuration.Optimizer
    private let memory: OptimizerMemory
    private let pool: ThreadPool
    private let weights: UnsafeMutablePointer<Float>
    private let velocities: UnsafeMutablePointer<Float>
    /// Σ w² and Σ g² of every block.
    private let weightSquares: UnsafeMutableBufferPointer<Double>
    private let gradientSquares: UnsafeMutableBufferPointer<Double>
    /// Of every trained parameter, in this update.
    private let rates: UnsafeMutableBufferPointer<Double>
    private var update = Update(number: 1, learningRate: 0, gradientScale: 1)
    private let squaresBody: ThreadPool.Body

    init(_ options: Configuration.Optimizer, _ memory: OptimizerMemory, pool: ThreadPool) {
        self.options = options
        self.memory = memory
        self.pool = pool
        guard let velocities = memory.slot("momentum") else { preconditionFailure("LARS without its slot") }
        let weights = memory.weights
        let (blocks, gradients) = (memory.blocks.blocks, memory.gradients)
        let weightSquares = UnsafeMutableBufferPointer<Double>.allocate(capacity: blocks.count)
        let gradientSquares = UnsafeMutableBufferPointer<Double>.allocate(capacity: blocks.count)
        weightSquares.initialize(repeating: 0)
        gradientSquares.initialize(repeating: 0)
        rates = .allocate(capacity: memory.blocks.parameters.count)
        rates.initialize(repeating: 0)
        squaresBody = { number, _ in
            let block = blocks[number]
            weightSquares[number] = SumOfSquares.ofBlock(0, weights + block.start, count: block.count)
            gradientSquares[number] = SumOfSquares.ofBlock(0, gradients + block.start, count: block.count)
        }
        (self.weights, self.velocities) = (weights, velocities)
        (self.weightSquares, self.gradientSquares) = (weightSquares, gradientSquares)
    }

    deinit {
        weightSquares.deallocate()
        gradientSquares.deallocate()
        rates.deallocate()
    }

    func prepare(_ update: Update) {
        self.update = update
        pool.run(weightSquares.count, squaresBody)
        for number in rates.indices {
            guard memory.blocks.parameters[number].role == .weight else {
                rates[number] = update.learningRate
                continue
            }
            let range = memory.blocks.ranges[number]
            rates[number] =
                update.learningRate
                * LARSRule.localRate(
                    trust: options.trust, weightNorm: norm(weightSquares, range),
                    gradientNorm: norm(gradientSquares, range) * Double(update.gradientScale),
                    weightDecay: memory.decays[number])
        }
    }

    private func norm(_ squares: UnsafeMutableBufferPointer<Double>, _ range: Range<Int>) -> Double {
        SumOfSquares.join(UnsafeMutableBufferPointer(rebasing: squares[range])).squareRoot()
    }

    func apply(to block: UpdateBlocks.Block) {
        let rule = LARSRule(
            rate: rates[block.parameter], momentum: options.momentum, weightDecay: memory.decays[block.parameter],
            gradientScale: update.gradientScale)
        rule.apply(
            gradients: memory.gradients + block.start, count: block.count, weights: weights + block.start,
            velocities: velocities + block.start)
    }
}
