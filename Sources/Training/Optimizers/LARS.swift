internal import Layers
internal import Tensors

extension OptimizerKind {
    package static let lars = OptimizerKind(
        name: "lars", keys: ["learning_rate", "momentum", "trust", "weight_decay"],
        setDefaults: { $0.learningRate = 1 }, undecayed: [.bias, .normalization], vectorNames: { _ in ["momentum"] },
        make: LARS.init)
}

/// Layer-wise adaptive rate scaling: each parameter moves at the global rate times trust · |w| / (|g| + decay · |w|).
/// Biases and parameters of normalisations move at the global rate, without decay. A parameter whose weights or gradient
/// are all 0 moves at the global rate too, with its decay: the ratio has no meaning there, and says nothing of a gradient
/// that is a little above 0. So do optax.lars and NVIDIA's LARC; the paper leaves it open.
///
/// Numerics: norms in float64 over blocks of 4,096 elements of a parameter, in order, the blocks in a binary tree.
/// Source: You, Gitman and Ginsburg 2017, "Large batch training of convolutional networks", algorithm 1.
final class LARS: Optimizer {
    private let options: Configuration.Optimizer
    private let memory: OptimizerMemory
    /// Σ w² and Σ g² of every block.
    private let weightSquares: UnsafeMutableBufferPointer<Double>
    private let gradientSquares: UnsafeMutableBufferPointer<Double>
    /// Of every trained parameter, in this update.
    private let rates: UnsafeMutableBufferPointer<Double>
    /// The longest step of any element in this update, the velocity left aside.
    private var longestStep = 0.0
    private var update = Update(number: 1, learningRate: 0, gradientScale: 1)
    private let squaresBody: ThreadPool.Body

    init(_ options: Configuration.Optimizer, _ memory: OptimizerMemory) {
        self.options = options
        self.memory = memory
        precondition(memory.vectors.velocities != nil, "LARS without its vector")
        let weights = memory.vectors.weights
        let (blocks, gradients) = (memory.blocks.blocks, memory.gradients)
        let weightSquares = UnsafeMutableBufferPointer<Double>.allocate(capacity: blocks.count)
        let gradientSquares = UnsafeMutableBufferPointer<Double>.allocate(capacity: blocks.count)
        weightSquares.initialize(repeating: 0)
        gradientSquares.initialize(repeating: 0)
        rates = .allocate(capacity: memory.blocks.parameters.count)
        rates.initialize(repeating: 0)
        squaresBody = { number, _ in
            let block = blocks[number]
            weightSquares[number] = SumOfSquares.ofBlock(weights + block.start, count: block.count)
            gradientSquares[number] = SumOfSquares.ofBlock(gradients + block.start, count: block.count)
        }
        (self.weightSquares, self.gradientSquares) = (weightSquares, gradientSquares)
    }

    deinit {
        weightSquares.deallocate()
        gradientSquares.deallocate()
        rates.deallocate()
    }

    func prepare(_ update: Update) {
        self.update = update
        memory.pool.run(weightSquares.count, squaresBody)
        longestStep = 0
        for number in rates.indices {
            let range = memory.blocks.ranges[number]
            let decay = memory.decays[number]
            let weightNorm = norm(weightSquares, range)
            let gradientNorm = norm(gradientSquares, range) * Double(update.gradientScale)
            rates[number] = update.learningRate
            if memory.blocks.parameters[number].role == .weight {
                rates[number] *= LARSRule.localRate(
                    trust: options.trust, weightNorm: weightNorm, gradientNorm: gradientNorm, weightDecay: decay)
            }
            let step = rates[number] * (gradientNorm + decay * weightNorm)
            if step > longestStep || step.isNaN { longestStep = step }
        }
    }

    private func norm(_ squares: UnsafeMutableBufferPointer<Double>, _ range: Range<Int>) -> Double {
        SumOfSquares.join(UnsafeMutableBufferPointer(rebasing: squares[range])).squareRoot()
    }

    func apply(to block: UpdateBlocks.Block, _ vectors: OptimizerVectors) {
        let rule = LARSRule(
            rate: rates[block.parameter], momentum: options.momentum, weightDecay: memory.decays[block.parameter],
            gradientScale: update.gradientScale)
        rule.apply(
            gradients: memory.gradients + block.start, count: block.count, weights: vectors.weights,
            velocities: vectors.velocities!)
    }

    func bound(gradient: Double, _ magnitudes: inout Magnitudes) -> Double {
        magnitudes.velocities = options.momentum * magnitudes.velocities + longestStep
        magnitudes.weights += magnitudes.velocities
        return gradient + memory.largestDecay * magnitudes.weights
    }
}
